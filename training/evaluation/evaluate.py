"""Every number on a model's card, each with its protocol.

For a model's numbers the test split is read in this package alone. Results go to ``report.json`` in the run
folder, beside pictures of them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from training import data
from training.determinism import make_deterministic
from training.errors import RunError
from training.evaluation import second
from training.evaluation.quality import sample_quality
from training.evaluation.schema import Reconstruction, Report
from training.metrics import bounds, kl, pca
from training.priors import PriorReport
from training.runs import REPORT, write_json
from training.trained import BATCH, TrainedModel

NEAREST = "nearest.png"
BOUNDS = "bounds.png"
SPECTRUM = "spectrum.png"
SHEET = "sheet.png"
SHEET_SAMPLES = 35  # five rows of seven, beside five reconstructions
SHEET_IMAGES = 5
KEPT = ("recalibrated", "final_phases")  # of a report before, as other commands measure them


def evaluate(
    model: TrainedModel,
    dataset: data.Dataset,
    run: Path,
    *,
    full: bool = False,
    quality: bool = False,
    reference: TrainedModel | None = None,
) -> Report:
    """Measure a trained model, write ``report.json`` and pictures; first fit its prior, if that is not done.

    Recalibrated bounds and final phases of the same weights are kept from the report before.

    Args:
        model: opened from the run.
        dataset: the images; this is where the test split is read.
        run: the run folder.
        full: measure the bounds on all test images and with up to 5,000 draws, which takes long.
        quality: measure the quality of samples and reconstructions, which takes some minutes.
        reference: a model whose quality is measured too; a RunError if its images are of another shape.

    A NotWritten if a file of the run folder cannot be written.
    """
    if reference is not None and reference.image_shape != model.image_shape:
        shapes = f"{reference.image_shape}, not of {model.image_shape} as {model.name}"
        raise RunError(f"{reference.name}: draws images of {shapes}")
    if reference is not None:
        _ = reference.known_prior  # refused now and not after minutes, if it is not fitted yet
    make_deterministic(model.seed)
    model = model.with_fitted_prior(dataset, run)
    posterior = model.encode(dataset.train)
    report = Report(
        weights_sha256=model.weights_sha256,
        prior=model.prior_report or PriorReport(name=model.known_prior.name),
        reconstruction=reconstruction(model, dataset),
        bounds=bounds.bounds(model, dataset.test, bounds.FULL if full else bounds.QUICK, model.seed),
        kl_decomposition=kl.decompose(*posterior, model.known_prior, model.seed),
        axes=kl.describe_axes(*posterior, model.seed),
    )
    more: dict[str, Any] = {}
    if quality:
        found = sample_quality(model, dataset, run / NEAREST, reference)
        more["quality"] = found.model_copy(update=second.opinions(model, dataset, reference))
    known = load_report(run, model.weights_sha256)
    more |= {kept: getattr(known, kept, None) for kept in KEPT}
    report = report.model_copy(update=more)
    draw_figures(model, dataset, report, run)
    write_report(run, report)
    return report


def write_report(run: Path, report: Report) -> None:
    """Write ``report.json``; see ``runs.replacing``."""
    write_json(run / REPORT, report.as_dict())


def load_report(run: Path, weights: str) -> Report | None:
    """Return what ``evaluate`` wrote for these weights, or None if it has to be done (again)."""
    try:
        report = Report.model_validate(json.loads((run / REPORT).read_text()))
    except (OSError, ValueError):
        return None
    return report if report.weights_sha256 == weights else None


def reconstruction(model: TrainedModel, dataset: data.Dataset) -> Reconstruction:
    """Return the mean squared error per pixel from the posterior mean, beside PCA's of the same dimension."""
    squared_error = 0.0
    for images in data.batches(dataset.test, BATCH):
        squared_error += float(np.sum((images - model.reconstruct(images)) ** 2, dtype=np.float64))
    train, fitted_on = pca.fitted_on(dataset)
    return Reconstruction(
        reconstruction_mse=squared_error / dataset.test.size,
        pca_reconstruction_mse=pca.reconstruction_mse(train, dataset.test, model.latent_dim),
        num_images=len(dataset.test),
        protocol=f"all test images; decoded from z_mean, not clipped; PCA fitted on {fitted_on}",
    )


def draw_figures(model: TrainedModel, dataset: data.Dataset, report: Report, run: Path) -> None:
    """Draw what was measured, and samples of the prior beside test images with their reconstructions."""
    from training import figures  # matplotlib is needed here alone

    figures.bounds_curve([row.as_dict() for row in report.bounds.log_p_x], model.name, run / BOUNDS)
    figures.axes_spectrum(np.array([axis.kl for axis in report.axes], np.float32), model.name, run / SPECTRUM)
    images = dataset.test[:SHEET_IMAGES]
    codes = model.known_prior.draw(SHEET_SAMPLES, np.random.default_rng(model.seed))
    pictures = model.decode(np.concatenate([codes, model.encode(images).z_mean]))
    figures.sample_sheet(pictures[:SHEET_SAMPLES], images, pictures[SHEET_SAMPLES:], run / SHEET)
