"""Which prior a trained model gets: the one with the best bound on validation images."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from training import data
from training.configs.schema import Config
from training.priors import registry
from training.priors.base import Draws, Prior, StandardNormal
from training.priors.mixture import GaussianMixture
from training.runs import write_json
from training.types import Codes, ReportSection

logger = logging.getLogger(__name__)

PRIOR = "prior.json"
DRAWS_PER_IMAGE = 5
BATCH = 20_000  # codes whose log-density is computed at once
ENCODE_BATCH = 1_000


class Candidate(ReportSection):
    """A prior that was tried."""

    name: str
    components: int
    validation_nats: float  # mean of log p(z) over draws of q(z given x) of validation images


class PriorReport(ReportSection):
    """Which prior a model has, and which others were tried; two candidates' ELBO differ as their nats do."""

    name: str
    candidates: tuple[Candidate, ...] = ()  # the first is the one that the model was trained with
    weights_sha256: str | None = None  # of the trained weights, to which a fitted prior belongs
    tried: tuple[Any, ...] = ()  # what the configuration asked for
    components: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """How much the best candidate's ELBO exceeds that of the prior while training, nats an image."""
        nats = [candidate.validation_nats for candidate in self.candidates] or [0.0]
        return max(nats) - nats[0]


class Choice(NamedTuple):
    """Which prior was chosen, and which others were tried."""

    prior: Prior  # whose bound on the validation split is the highest
    candidates: tuple[Candidate, ...]


def learned(vae: Any) -> Prior:
    """Return the prior that a model was trained with: N(0, I), or the mixture that its VampPrior is."""
    latent_dim = vae.decoder.input_shape[-1]
    if vae.vamp is None:
        return StandardNormal(latent_dim)
    z_mean, z_log_var = (np.asarray(part, np.float64) for part in vae.encoder(vae.vamp.pseudo_images()))
    cholesky = np.exp(z_log_var / 2)[:, :, None] * np.eye(latent_dim)
    return GaussianMixture(np.full(len(z_mean), 1 / len(z_mean)), z_mean, cholesky)


def prepare(
    config: Config,
    encoder: Callable[..., Any],
    trained_with: Prior,
    dataset: data.Dataset,
    run: Path,
    weights_sha256: str,
) -> tuple[Prior, PriorReport]:
    """Return the prior of a run, fitted now or read back from its folder, and how it was chosen.

    Args:
        config: the experiment; without ``prior.components`` it is the prior that the model was trained with.
        encoder: images (B, ...) -> z_mean, z_log_var.
        trained_with: the prior while the model trained.
        dataset: the images; the test split is not touched.
        run: the run folder, where ``prior.npz`` and ``prior.json`` are kept.
        weights_sha256: of the trained weights, to which a fitted prior belongs.

    Raises:
        NotWritten: a file of the run folder cannot be written.
    """
    known = read(config, trained_with, run, weights_sha256)
    if known is not None:
        return known
    prior, candidates = choose(encoder, dataset, config.prior.components, config.seed, trained_with)
    report = PriorReport(
        name=prior.name,
        candidates=candidates,
        weights_sha256=weights_sha256,
        tried=config.prior.components,
        **prior.details,
    )
    prior.save(run)
    write_json(run / PRIOR, report.as_dict())
    # Rounded as it will be served: that is what is measured.
    return registry.load(prior.name, run, config.network.latent_dim), report


def read(
    config: Config, trained_with: Prior, run: Path, weights_sha256: str
) -> tuple[Prior, PriorReport] | None:
    """Return what ``prepare`` found for these weights and this configuration; None: it has yet to."""
    if not config.prior.vamp_components and not config.prior.components:
        return trained_with, PriorReport(name=trained_with.name)
    try:
        report = PriorReport.model_validate(json.loads((run / PRIOR).read_text()))
        if report.weights_sha256 != weights_sha256 or report.tried != config.prior.components:
            return None
        return registry.load(report.name, run, config.network.latent_dim), report
    except (OSError, ValueError, KeyError):
        return None


def choose(
    encoder: Callable[..., Any],
    dataset: data.Dataset,
    numbers: Sequence[int],
    seed: int,
    trained_with: Prior,
) -> Choice:
    """Fit priors of every kind to draws of q(z given x) of training images; choose on validation images.

    Args:
        encoder: images (B, ...) -> z_mean, z_log_var.
        dataset: the images; the test split is not touched.
        numbers: of components to try.
        seed: of the draws, and of where the fits begin.
        trained_with: the prior while the model trained, the first candidate.
    """
    rng = np.random.default_rng(seed)
    z = posterior_draws(*posteriors(encoder, dataset.train), DRAWS_PER_IMAGE, rng)
    held_out = posterior_draws(*posteriors(encoder, dataset.validation), DRAWS_PER_IMAGE, rng)
    draws = Draws(z, None, ())
    if dataset.labels is not None:
        draws = Draws(z, np.tile(dataset.labels.train, DRAWS_PER_IMAGE), dataset.labels.names)
    best, candidates = trained_with, [_candidate(trained_with, held_out)]
    for kind in registry.KINDS.values():
        for prior in kind.fitted(draws, numbers, rng):
            found = _candidate(prior, held_out)
            gain = found.validation_nats - candidates[0].validation_nats
            logger.info(
                "prior of %d Gaussians: %+.2f nats an image against the one while training",
                found.components,
                gain,
            )
            if found.validation_nats > max(candidate.validation_nats for candidate in candidates):
                best = prior
            candidates.append(found)
    return Choice(best, tuple(candidates))


def posteriors(encoder: Callable[..., Any], images: data.Images) -> tuple[Codes, Codes]:
    """Return means and standard deviations of q(z given x), (N, D) each."""
    encoded = [encoder(batch, training=False) for batch in data.batches(images, ENCODE_BATCH)]
    z_mean = np.concatenate([np.asarray(mean) for mean, _ in encoded])
    return z_mean, np.exp(np.concatenate([np.asarray(log_var) for _, log_var in encoded]) / 2)


def posterior_draws(z_mean: Codes, z_std: Codes, draws: int, rng: np.random.Generator) -> Codes:
    """Return `draws` codes for every image, (draws * N, D): all images once, then again."""
    return np.concatenate(
        [z_mean + z_std * rng.standard_normal(z_mean.shape, dtype=np.float32) for _ in range(draws)]
    )


def _candidate(prior: Prior, held_out: Codes) -> Candidate:
    """Return what is to be said of a prior that was tried."""
    parts = [np.asarray(prior.log_prob(tf.constant(batch))) for batch in data.batches(held_out, BATCH)]
    nats = float(np.mean(np.concatenate(parts), dtype=np.float64))
    return Candidate(name=prior.name, components=prior.components, validation_nats=nats)
