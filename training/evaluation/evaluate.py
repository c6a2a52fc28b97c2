"""Every number on a model's card, each with its protocol.

The test split is read here and nowhere else. Results go to ``report.json`` in the run folder, beside
pictures of them.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import data, priors
from training.configs.schema import Config
from training.determinism import make_deterministic
from training.errors import RunError
from training.evaluation.quality import describe_real, quality_report
from training.metrics import bounds, kl
from training.models import objectives
from training.models.vae import VariationalAutoencoder, weights_sha256
from training.publish.card import model_card
from training.publish.export import published_axes
from training.runs import write_json
from training.trained import Beside

REPORT = "report.json"
CARD = "card.md"
NEAREST = "nearest.png"
BOUNDS = "bounds.png"
SPECTRUM = "spectrum.png"
SHEET = "sheet.png"
SHEET_SAMPLES = 35  # five rows of seven, beside five reconstructions
SHEET_IMAGES = 5
SCORE_DRAWS = 10  # k of L_k where it is a score of how unusual an image is
FAIR_SCORE = "fair_score"
QUANTILES = (0.01, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.99)
ACTIVE_VARIANCE = 0.01  # Burda et al. 2016: an axis is active if Var_x(E_q[z]) exceeds this
MAX_CODE = 8.0  # what the service lets a request ask for, on either side of zero
BATCH = 1_000
PCA_IMAGES = 4_000  # where pixels are more than that; the work grows with the cube

Array = npt.NDArray[np.float32]


def evaluate(
    config: Config,
    vae: VariationalAutoencoder,
    dataset: data.Dataset,
    run: Path,
    *,
    full: bool = False,
    quality: bool = False,
    other: Beside | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure a trained model, write ``report.json`` and pictures; first fit its prior, if that is not done.

    Args:
        config: the experiment.
        vae: the trained model.
        dataset: the images; this is where the test split is read.
        run: the run folder.
        full: measure the bounds on all test images and with up to 5,000 draws, which takes long.
        quality: measure the quality of samples and reconstructions, which takes some minutes.
        other: a model that stands beside this one where quality is measured.
        report: called with a line now and then.

    Returns:
        What was written: ``test``, ``bounds``, ``gap``, ``prior`` and ``axes``, with the protocol of each in
        words, and the digest of the weights they belong to. A ``fair_score`` of the same weights is kept.

    Raises:
        RunError: the run folder cannot be written.
    """
    make_deterministic(config.seed)
    prior, chosen = priors.prepare(config, vae, dataset, run, weights_sha256(vae), report)
    plan = bounds.FULL if full else bounds.QUICK
    weights = weights_sha256(vae)
    known = load_metrics(run, weights) or {}
    metrics = {
        "weights_sha256": weights,
        "prior": chosen,
        "test": reconstruction_metrics(vae, dataset, config.network.latent_dim),
        "bounds": bounds.bounds(vae, prior, dataset.test, plan, report, config.seed),
        "gap": kl.posterior_prior_gap(vae.encoder, prior, dataset.train, config.seed, report),
        "axes": aggregate_posterior(vae, dataset.train, config.seed),
    }
    if quality:
        metrics["quality"] = sample_quality(vae, prior, dataset, config.seed, run / NEAREST, other, report)
    metrics |= {key: known[key] for key in (FAIR_SCORE,) if key in known}
    try:
        draw_figures(config, vae, prior, dataset, metrics, run)
    except OSError as error:
        raise RunError(f"{run}: cannot be written ({error.strerror or error})") from error
    write_report(run, metrics)
    return metrics


def write_report(run: Path, metrics: dict[str, Any]) -> None:
    """Write ``report.json``.

    Raises:
        RunError: the run folder cannot be written.
    """
    try:
        write_json(run / REPORT, metrics)
    except OSError as error:
        raise RunError(f"{run}: cannot be written ({error.strerror or error})") from error


def write_card(
    config: Config,
    vae: VariationalAutoencoder,
    recorded: dict[str, Any],
    metrics: dict[str, Any],
    run: Path,
) -> None:
    """Write ``card.md``, the text that ``export`` publishes, over the axes as they will be published.

    Raises:
        RunError: the run folder cannot be written.
    """
    axes = published_axes(config, vae, metrics)
    try:
        (run / CARD).write_text(
            model_card(config, recorded, metrics | {"axes": axes.describe(metrics["axes"])})
        )
    except OSError as error:
        raise RunError(f"{run}: cannot be written ({error.strerror or error})") from error


def load_metrics(run: Path, weights: str) -> dict[str, Any] | None:
    """Return what ``evaluate`` wrote for these weights, or None if it has to be done (again)."""
    try:
        metrics: dict[str, Any] = json.loads((run / REPORT).read_text())
    except (OSError, ValueError):
        return None
    return metrics if metrics.get("weights_sha256") == weights else None


def sample_quality(
    vae: VariationalAutoencoder,
    prior: priors.Prior,
    dataset: data.Dataset,
    seed: int,
    figure: Path,
    other: Beside | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return what ``report.quality_report`` says of samples from the prior: their means, and draws.

    Args:
        vae: the trained model.
        prior: what codes are drawn from.
        dataset: the images; the test split is read.
        seed: of the codes, the noise and every choice.
        figure: where the samples nearest to a training image are drawn.
        other: a model that is measured beside this one, against the same real images.
        report: called with a line for each part.
    """
    rng = np.random.default_rng(seed)
    likelihood = vae.likelihood

    def decoded(z: Array) -> Array:
        parts = [likelihood.mean(vae.decoder(rows, training=False)) for rows in data.batches(z, BATCH)]
        return np.concatenate([np.asarray(part) for part in parts])

    def means(count: int) -> Array:
        return decoded(prior.draw(count, rng))

    def draws(count: int) -> Array:
        parts = []
        for z in data.batches(prior.draw(count, rng), BATCH):
            noise = rng.uniform(1e-6, 1 - 1e-6, (len(z), *likelihood.noise_shape(dataset.image_shape)))
            parts.append(likelihood.draw(vae.decoder(z, training=False), noise.astype(np.float32)))
        return np.concatenate([np.asarray(part) for part in parts])

    def reconstruct(images: Array) -> Array:
        encoded = [vae.encoder(batch, training=False)[0] for batch in data.batches(images, BATCH)]
        return decoded(np.concatenate([np.asarray(z_mean) for z_mean in encoded]))

    weigh = bounds.weighing(vae, prior)

    def unusual(images: Array) -> npt.NDArray[np.float64]:
        weights = bounds.log_weights(vae, prior, images, SCORE_DRAWS, report, seed, weigh)
        return -bounds.bound_of(weights, SCORE_DRAWS)

    def by_pca(images: Array) -> Array:
        some, _ = _fitted_on(dataset)
        return pca_reconstruction(some, images, vae.decoder.input_shape[-1]).astype(np.float32)

    real = describe_real(dataset, seed, say=report)
    generators = {"mean": means, "draw": draws}
    measured = quality_report(
        dataset, generators, reconstruct, seed,
        score=unusual, baseline=by_pca, real=real, figure=figure, say=report,
    )  # fmt: skip
    measured["outliers"]["score"] = f"-L_{SCORE_DRAWS}"
    if other is not None:
        theirs = quality_report(
            dataset, {"mean": other.generator(seed)}, other.reconstruct, seed, real=real, say=report
        )
        measured["beside"] = {"name": other.name, "prior": other.prior.name} | {
            key: theirs[key] for key in ("samples", "reconstruction")
        }
        if real.classifier is not None:
            mine, its = (found["samples"]["mean"]["frechet_distance"] for found in (measured, theirs))
            measured["beside"]["frechet_ratio"] = its / mine
    return {"prior": prior.name} | measured


def draw_figures(
    config: Config,
    vae: VariationalAutoencoder,
    prior: priors.Prior,
    dataset: data.Dataset,
    metrics: dict[str, Any],
    run: Path,
) -> None:
    """Draw what was measured, and samples of the prior beside test images with their reconstructions."""
    from training import figures  # matplotlib is needed here alone

    figures.bounds_curve(metrics["bounds"]["log_p_x"], config.name, run / BOUNDS)
    kl = np.array([axis["kl"] for axis in metrics["axes"]], np.float32)
    figures.axes_spectrum(kl, config.name, run / SPECTRUM)
    images = dataset.test[:SHEET_IMAGES]
    codes = prior.draw(SHEET_SAMPLES, np.random.default_rng(config.seed))
    z_mean, _ = vae.encoder(images, training=False)
    pictures = vae.likelihood.mean(vae.decoder(np.concatenate([codes, z_mean]), training=False)).numpy()
    figures.sample_sheet(pictures[:SHEET_SAMPLES], images, pictures[SHEET_SAMPLES:], run / SHEET)


def reconstruction_metrics(
    vae: VariationalAutoencoder, dataset: data.Dataset, latent_dim: int
) -> dict[str, Any]:
    """Return the mean squared error per pixel from the posterior mean, beside PCA's of the same dimension."""
    squared_error = 0.0
    train, fitted_on = _fitted_on(dataset)
    for images in data.batches(dataset.test, BATCH):
        z_mean, _ = vae.encoder(images, training=False)
        decoded = vae.likelihood.mean(vae.decoder(z_mean, training=False))
        squared_error += float(np.sum((images - decoded.numpy()) ** 2, dtype=np.float64))
    return {
        "reconstruction_mse": squared_error / dataset.test.size,
        "pca_reconstruction_mse": pca_reconstruction_mse(train, dataset.test, latent_dim),
        "num_images": len(dataset.test),
        "protocol": f"all test images; decoded from z_mean, not clipped; PCA fitted on {fitted_on}",
    }


def pca_reconstruction_mse(train: Array, test: Array, components: int) -> float:
    """Return PCA's squared error per pixel on `test`, with mean and components of `train`."""
    return float(np.mean((test - pca_reconstruction(train, test, components)) ** 2))


def pca_reconstruction(train: Array, test: Array, components: int) -> npt.NDArray[np.float64]:
    """Return `test`, (N, ...), put together from `components` principal components of `train`."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    basis = _principal_components(flat - mean, components)
    centred = test.reshape(len(test), -1) - mean
    return np.asarray(mean + centred @ basis @ basis.T).reshape(test.shape)


def _fitted_on(dataset: data.Dataset) -> tuple[Array, str]:
    """Return the training images that PCA is fitted to, and what to call them."""
    if math.prod(dataset.image_shape) > PCA_IMAGES and len(dataset.train) > PCA_IMAGES:
        return dataset.train[:PCA_IMAGES], f"the first {PCA_IMAGES} training images"
    return dataset.train, "the training split"


def _principal_components(centred: npt.NDArray[np.float64], components: int) -> npt.NDArray[np.float64]:
    """Return an orthonormal basis, (D, components or less), of the directions in which (N, D) varies most."""
    count, pixels = centred.shape
    if count >= pixels:
        return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, -components:])
    # Fewer images than pixels: the same directions from the small matrix of products between images.
    squares, combinations = np.linalg.eigh(centred @ centred.T)
    varying = squares[-components:] > 1e-9 * squares[-1]
    return np.asarray(
        centred.T @ combinations[:, -components:][:, varying] / np.sqrt(squares[-components:][varying])
    )


def aggregate_posterior(vae: VariationalAutoencoder, images: Array, seed: int) -> list[dict[str, Any]]:
    """Describe q(z), the posterior averaged over the training split, one latent axis after another.

    Returns:
        For each axis: mean ``kl`` in nats; ``mean``, ``std`` and ``quantiles`` of one draw of q(z given x)
        an image; ``active``, whether the variance of E_q[z] over images exceeds 0.01.
    """
    encoded = [vae.encoder(batch, training=False) for batch in data.batches(images, BATCH)]
    z_mean = np.concatenate([mean.numpy() for mean, _ in encoded])
    z_log_var = np.concatenate([log_var.numpy() for _, log_var in encoded])
    kl = objectives.kl_per_axis(z_mean, z_log_var).numpy().mean(axis=0, dtype=np.float64)
    noise = np.random.default_rng(seed).standard_normal(z_mean.shape, dtype=np.float32)
    z = z_mean + np.exp(z_log_var / 2) * noise
    # A few large images can leave codes anywhere; a walk between quantiles goes as far as a request may.
    quantiles = np.quantile(z.astype(np.float64), QUANTILES, axis=0).clip(-MAX_CODE, MAX_CODE)
    return [
        {
            "kl": float(kl[axis]),
            "mean": float(z[:, axis].mean(dtype=np.float64)),
            "std": float(z[:, axis].std(dtype=np.float64)),
            "active": bool(z_mean[:, axis].var(dtype=np.float64) > ACTIVE_VARIANCE),
            "quantiles": {str(q): float(quantiles[i, axis]) for i, q in enumerate(QUANTILES)},
        }
        for axis in range(z.shape[1])
    ]
