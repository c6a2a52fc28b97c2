"""Every number on a model's card, each with its protocol.

The test split is read here and nowhere else. Results go to ``metrics.json`` in the run folder.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import bounds, data, objectives, priors
from training.config import Config
from training.errors import RunError
from training.fit import make_deterministic, weights_sha256, write_json
from training.report import quality_report
from training.vae import VariationalAutoencoder

METRICS = "metrics.json"
NEAREST = "nearest.png"
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
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure a trained model and write ``metrics.json``; first fit its prior, if that has not been done.

    Args:
        config: the experiment.
        vae: the trained model.
        dataset: the images; this is where the test split is read.
        run: the run folder.
        full: measure the bounds on all test images and with up to 5,000 draws, which takes long.
        quality: measure the quality of samples and reconstructions, which takes some minutes.
        report: called with a line now and then.

    Returns:
        What was written: ``test``, ``bounds``, ``prior`` and ``axes``, with the protocol of each in words,
        and the digest of the weights they belong to.

    Raises:
        RunError: the run folder cannot be written.
    """
    make_deterministic(config.seed)
    prior, chosen = priors.prepare(config, vae, dataset, run, weights_sha256(vae), report)
    plan = bounds.FULL if full else bounds.QUICK
    metrics = {
        "weights_sha256": weights_sha256(vae),
        "prior": chosen,
        "test": reconstruction_metrics(vae, dataset, config.latent_dim),
        "bounds": bounds.bounds(vae, prior, dataset.test, plan, report, config.seed),
        "axes": aggregate_posterior(vae, dataset.train, config.seed),
    }
    if quality:
        metrics["quality"] = sample_quality(vae, prior, dataset, config.seed, run / NEAREST, report)
    try:
        write_json(run / METRICS, metrics)
    except OSError as error:
        raise RunError(f"{run}: cannot be written ({error.strerror or error})") from error
    return metrics


def load_metrics(run: Path, weights: str) -> dict[str, Any] | None:
    """Return what ``evaluate`` wrote for these weights, or None if it has to be done (again)."""
    try:
        metrics: dict[str, Any] = json.loads((run / METRICS).read_text())
    except (OSError, ValueError):
        return None
    return metrics if metrics.get("weights_sha256") == weights else None


def sample_quality(
    vae: VariationalAutoencoder,
    prior: priors.Prior,
    dataset: data.Dataset,
    seed: int,
    figure: Path,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return what ``report.quality_report`` says of samples from the prior: their means, and draws.

    Args:
        vae: the trained model.
        prior: what codes are drawn from.
        dataset: the images; the test split is read.
        seed: of the codes, the noise and every choice.
        figure: where the samples nearest to a training image are drawn.
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

    generators = {"mean": means, "draw": draws}
    measured = quality_report(dataset, generators, reconstruct, seed, figure=figure, say=report)
    return {"prior": prior.name} | measured


def reconstruction_metrics(
    vae: VariationalAutoencoder, dataset: data.Dataset, latent_dim: int
) -> dict[str, Any]:
    """Return the mean squared error per pixel from the posterior mean, beside PCA's of the same dimension."""
    squared_error = 0.0
    some = math.prod(dataset.image_shape) > PCA_IMAGES and len(dataset.train) > PCA_IMAGES
    train = dataset.train[:PCA_IMAGES] if some else dataset.train
    fitted_on = f"the first {PCA_IMAGES} training images" if some else "the training split"
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
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    basis = _principal_components(flat - mean, components)
    centred = test.reshape(len(test), -1) - mean
    return float(np.mean((centred - centred @ basis @ basis.T) ** 2))


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
