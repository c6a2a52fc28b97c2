"""Bounds on log p(x) of a trained model: the ELBO and its importance-weighted relatives.

L_k = E[log (1/k) sum_i p(x given z_i) p(z_i) / q(z_i given x)], z_i ~ q(z given x); Burda, Grosse &
Salakhutdinov 2016. The prior p(z) is the one that samples are drawn from.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from training.models import objectives
from training.models.likelihoods.base import Likelihood
from training.trained import TrainedModel
from training.types import Array, Doubles, ReportSection, Tensor

logger = logging.getLogger(__name__)

QUICK = ((1_000, (1, 10, 100)),)  # how many of the first test images, and which k
FULL = ((10_000, (1, 10, 100, 500)), (1_000, (5_000,)))
MEMORY = 2**22  # bytes of decoder output held at once: more would leave the processor's cache
BATCH = 100  # images encoded together
SECONDS_BETWEEN_REPORTS = 15.0

Weigh = Callable[..., Tensor]
Plan = Sequence[tuple[int, Sequence[int]]]


class Bound(ReportSection):
    """An estimate of L_k over some images."""

    k: int
    nats: float  # an image
    standard_error: float  # of `nats`, over images
    bits_per_dim: float  # counts a pixel as one of 256 levels, by the likelihood's own unit
    effective_sample_size: float  # mean over images of (sum w)^2 / sum w^2: near 1, one draw decides
    num_images: int


class Bounds(ReportSection):
    """The ELBO (L_1) and the importance-weighted bounds, under the declared likelihood and prior."""

    log_p_x: tuple[Bound, ...]
    likelihood: dict[str, str | int | float]  # its name and parameters
    prior: str
    num_images: int
    protocol: str


def bounds(model: TrainedModel, images: Array, plan: Plan = QUICK, seed: int = 0) -> Bounds:
    """Measure bounds on log p(x) of held-out images, (N, *image_shape), as a plan asks.

    The plan is pairs of a number of images, the first ones, and the k to measure with them. Each image takes
    as many draws as the largest k; a smaller k uses all of them, in groups of k.
    """
    pixels = math.prod(images.shape[1:])
    rows = []
    weigh = weighing(model)
    for number, draws in plan:
        weights = log_weights(model, images[:number], max(draws), seed, weigh)
        rows += [_bound(weights, k, pixels, model.likelihood) for k in draws]
    return Bounds(
        log_p_x=tuple(rows),
        likelihood={"name": model.likelihood.name} | model.likelihood.parameters,
        prior=model.known_prior.name,
        num_images=rows[0].num_images,
        protocol="the first test images; standard error over images; every k uses all draws, in groups",
    )


def _bound(weights: Doubles, k: int, pixels: int, likelihood: Likelihood) -> Bound:
    values = bound_of(weights, k)
    nats = float(values.mean())
    return Bound(
        k=k,
        nats=nats,
        standard_error=float(values.std(ddof=1) / math.sqrt(len(values))),
        bits_per_dim=likelihood.bits_per_dim(nats, pixels),
        effective_sample_size=effective_sample_size(weights, k),
        num_images=len(values),
    )


def log_weights(
    model: TrainedModel, images: Array, k: int, seed: int = 0, weigh: Weigh | None = None
) -> Doubles:
    """Return log p(x given z_i) p(z_i) / q(z_i given x) in nats for `k` draws of each image, (k, N).

    Of images (N, *image_shape). `weigh` is ``weighing(model)``; None: compile it here, for some seconds.
    """
    weigh = weigh or weighing(model)
    rng = np.random.default_rng(seed)
    per_image = math.prod(images.shape[1:]) * model.likelihood.num_parameters * 4
    at_once = max(1, MEMORY // per_image)
    size = min(BATCH, at_once, len(images))
    parts = math.ceil(k / max(1, at_once // size))
    start = told = time.monotonic()
    columns = []
    for first in range(0, len(images), size):
        batch = images[first : first + size]
        z_mean, z_log_var = model.encoder(batch, training=False)
        rows = []
        for some in np.array_split(np.arange(k), parts):  # of two lengths at most: each has to be compiled
            noise = rng.standard_normal((len(some), *z_mean.shape), dtype=np.float32)
            rows.append(weigh(batch, z_mean, z_log_var, noise).numpy())
        columns.append(np.concatenate(rows))
        now, share = time.monotonic(), (first + len(batch)) / len(images)
        if now - told > SECONDS_BETWEEN_REPORTS:
            told = now
            left = (now - start) / share * (1 - share) / 60
            logger.info("L_%d: %.0f%% of %d images, %.1f minutes left", k, 100 * share, len(images), left)
    return np.concatenate(columns, axis=1).astype(np.float64)


def weighing(model: TrainedModel) -> Weigh:
    """Return a compiled function: images, z_mean, z_log_var, noise (draws, B, D) -> log weights (draws, B).

    The decoder runs by TensorFlow's own kernels, which XLA's convolutions do not match; all else is one
    kernel of XLA before it and one after it, instead of some fifty passes over memory.
    """
    prior = model.known_prior

    @tf.function(jit_compile=True, reduce_retracing=False, autograph=False)  # type: ignore[untyped-decorator]
    def draw(z_mean: Tensor, z_log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        z = z_mean + tf.exp(z_log_var / 2) * noise
        return z, prior.log_prob(z) - objectives.log_normal(z, z_mean, z_log_var)

    @tf.function(jit_compile=True, reduce_retracing=False, autograph=False)  # type: ignore[untyped-decorator]
    def finish(images: Tensor, decoded: Tensor, log_ratio: Tensor) -> Tensor:
        draws = log_ratio.shape[0]
        repeated = tf.broadcast_to(images[None], (draws, *images.shape))  # read in place, never written
        repeated = tf.reshape(repeated, (-1, *images.shape[1:]))
        log_prob = model.likelihood.log_prob_of_images(repeated, decoded)
        return tf.reshape(log_prob, log_ratio.shape) + log_ratio

    @tf.function(reduce_retracing=False, autograph=False)  # type: ignore[untyped-decorator]
    def weigh(images: Tensor, z_mean: Tensor, z_log_var: Tensor, noise: Tensor) -> Tensor:
        z, log_ratio = draw(z_mean, z_log_var, noise)
        decoded = model.decoder(tf.reshape(z, (-1, z.shape[-1])), training=False)
        return finish(images, decoded, log_ratio)

    def on_tensors(*arrays: Any) -> Tensor:
        return weigh(*(tf.convert_to_tensor(array, tf.float32) for array in arrays))

    return on_tensors


def bound_of(weights: Doubles, k: int) -> Doubles:
    """Return an estimate of L_k for each image, (N,), in nats, from log weights (M, N).

    The draws are cut into M // k groups of k; their estimates are averaged. A ValueError if M is below k.
    """
    _check_draws(weights, k)
    groups = len(weights) // k
    grouped = weights[: groups * k].reshape(groups, k, -1)
    return np.asarray((logsumexp(grouped, axis=1) - math.log(k)).mean(axis=0))


def effective_sample_size(weights: Doubles, k: int) -> float:
    """Return (sum w)^2 / sum w^2 of the first `k` draws, a mean over images; 1 to k. Raises as `bound_of`."""
    _check_draws(weights, k)
    first = np.exp(weights[:k] - weights[:k].max(axis=0))
    return float(np.mean(first.sum(axis=0) ** 2 / (first**2).sum(axis=0)))


def _check_draws(weights: Doubles, k: int) -> None:
    if not 1 <= k <= len(weights):
        raise ValueError(f"k: expected 1 to {len(weights)}, the draws there are. Received: {k}")
