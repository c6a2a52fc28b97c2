"""A fair score for models without one: bits of the very pixels, whatever a model was trained with.

Densities of fixed width, and squared errors dressed up as such, cannot be compared with a probability over
the 256 levels of a pixel. Here a trained decoder's mean image is kept, and p(x given z) around it becomes a
discretized logistic, whose scales are fitted: one for all pixels, or one for each. A posterior that was
trained for another likelihood is far too wide for this one, so the encoder is then refitted, with the
decoder frozen. What remains is what the mean image is worth.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data
from training.fitting.loop import order_of, steps_per_epoch
from training.metrics import bounds
from training.models import objectives
from training.models.likelihoods.base import LEVELS, Likelihood
from training.models.likelihoods.logistic import MIN_SCALE, log_level_prob
from training.models.vae import VariationalAutoencoder
from training.priors import Prior, StandardNormal

QUICK = ((1_000, (1, 10, 100)),)
FULL = ((10_000, (1, 10, 100, 500)),)
SCALE_STEPS = 150
SCALE_SPEED = 40_000_000  # pixels a second on two cores
SCALE_RATE = 0.1  # of Adam on log s; falls to zero along a cosine
EPOCHS = 10
BATCH_SIZE = 128
LEARNING_RATE = 1e-3  # falls to zero along a cosine
ENCODE_BATCH = 1_000
PROTOCOL = (
    "p(x given z): a discretized logistic over 256 levels around the decoder's mean, one scale for all "
    "pixels or one a pixel. before: scales that maximise E_q log p(x given z) on validation images, all else "
    f"as trained. after: encoder and scales trained for up to {EPOCHS} epochs on training images, decoder "
    "frozen, the epoch with the best ELBO on validation images kept. Bounds of the first test images, with "
    "the model's prior"
)

Tensor = Any  # tf.Tensor; TensorFlow publishes no types
Array = npt.NDArray[np.float32]
Report = Callable[[str], None]


class LogisticAroundMean(Likelihood):
    """A discretized logistic around the mean image of another likelihood, its scales given.

    Args:
        base: whose mean it is.
        log_scales: log s, in levels, () for all pixels or (*S) for each; a variable may be trained.
    """

    name = "discretized-logistic-around-mean"
    description = "a discretized logistic around the decoder's mean, independent per pixel"
    log_level_width = 0.0

    def __init__(self, base: Likelihood, log_scales: Tensor) -> None:
        self.base = base
        self.num_parameters = base.num_parameters
        self.log_scales = log_scales

    @property
    def parameters(self) -> dict[str, float]:
        """The median, least and greatest scale, in levels."""
        scales = np.exp(np.asarray(self.log_scales, np.float64))
        return {
            "scale_median": float(np.median(scales)),
            "scale_least": float(scales.min()),
            "scale_greatest": float(scales.max()),
        }

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        means = LEVELS * self.base.mean(decoded)
        return log_level_prob(levels, means, tf.exp(self.log_scales))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the mean image that the scales stand around."""
        return self.base.mean(decoded)


@dataclasses.dataclass(frozen=True)
class Rescored:
    """What the bounds need of a model."""

    encoder: keras.Model
    decoder: keras.Model
    likelihood: LogisticAroundMean


@dataclasses.dataclass(frozen=True)
class Refit:
    """An encoder refitted to a frozen decoder.

    Args:
        model: with the weights and scales of the best epoch.
        elbos: on validation images, nats an image; before the first epoch, and after each.
    """

    model: Rescored
    elbos: list[float]


def rescore(
    vae: VariationalAutoencoder,
    prior: Prior,
    dataset: data.Dataset,
    seed: int,
    *,
    full: bool = False,
    epochs: int = EPOCHS,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Return bounds of a model under discretized logistics around its mean; the model is left as it is.

    Args:
        vae: the trained model.
        prior: p(z).
        dataset: the images; the test split is read.
        seed: of draws and of the order of images.
        full: measure all test images, up to L_500.
        epochs: of refitting the encoder, at most.
        report: called with a line now and then.

    Returns:
        Plain values: ``protocol``; ``prior``; for ``shared`` and ``per_pixel`` scales each ``before`` and
        ``after`` with ``log_p_x`` (as of ``bounds.bounds``) and ``likelihood``, and ``validation_elbo``
        before refitting and after every epoch.
    """
    z = posterior_draws(vae.encoder, dataset.validation, seed)
    means = np.concatenate(
        [
            np.asarray(vae.likelihood.mean(vae.decoder(part, training=False)))
            for part in data.batches(z, ENCODE_BATCH)
        ]
    )
    result: dict[str, Any] = {"protocol": PROTOCOL, "prior": prior.name}
    plan = FULL if full else QUICK
    for kind in ("shared", "per_pixel"):
        report(
            f"{kind} scales: {SCALE_STEPS} steps on {len(means)} validation images, about "
            f"{1 + means.size * SCALE_STEPS // SCALE_SPEED} s"
        )
        scales = fit_scales(dataset.validation, means, per_pixel=kind == "per_pixel")
        likelihood = LogisticAroundMean(vae.likelihood, tf.constant(np.log(scales), tf.float32))
        plain = Rescored(vae.encoder, vae.decoder, likelihood)
        before = bounds.bounds(plain, prior, dataset.test, plan, report, seed)
        again = refit(plain, prior, dataset, seed, epochs=epochs, report=report)
        after = bounds.bounds(again.model, prior, dataset.test, plan, report, seed)
        result[kind] = {
            name: {key: found[key] for key in ("log_p_x", "likelihood")}
            for name, found in (("before", before), ("after", after))
        } | {"validation_elbo": again.elbos}
    return result


def posterior_draws(encoder: keras.Model, images: Array, seed: int) -> Array:
    """Return one code of q(z given x) for every image, (N, D)."""
    rng = np.random.default_rng(seed)
    drawn = []
    for batch in data.batches(images, ENCODE_BATCH):
        z_mean, z_log_var = (np.asarray(part) for part in encoder(batch, training=False))
        drawn.append(z_mean + np.exp(z_log_var / 2) * rng.standard_normal(z_mean.shape, dtype=np.float32))
    return np.concatenate(drawn)


def fit_scales(images: Array, means: Array, *, per_pixel: bool) -> npt.NDArray[np.float64]:
    """Return the scales of discretized logistics around `means` that make `images` most probable.

    By gradient ascent from the scales that have the residuals' variance; never below what
    ``logistic.MIN_SCALE`` allows.

    Args:
        images: (N, *S) in [0, 1].
        means: of the same shape.
        per_pixel: a scale for each pixel, (*S); else one for all, ().

    Returns:
        s, in levels.
    """
    levels = tf.constant(np.rint(images * LEVELS), tf.float32)
    centres = tf.constant(means * LEVELS, tf.float32)
    squared = np.square(np.asarray(levels) - np.asarray(centres), dtype=np.float64)
    variance = squared.mean(axis=0) if per_pixel else squared.mean()
    least = math.log(MIN_SCALE)
    start = np.log(np.maximum(np.sqrt(3 * variance) / math.pi, MIN_SCALE))
    log_scales = tf.Variable(start, dtype=tf.float32)
    adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(SCALE_RATE, SCALE_STEPS))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def slope(log_s: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            tape.watch(log_s)
            log_prob = log_level_prob(levels, centres, tf.exp(log_s))
            # Adam forgets the size of a gradient; the sum over pixels keeps each pixel's own.
            loss = -tf.reduce_sum(tf.reduce_mean(log_prob, axis=0))
        return tape.gradient(loss, log_s)

    for _ in range(SCALE_STEPS):
        adam.apply([slope(log_scales.read_value())], [log_scales])
        log_scales.assign(tf.maximum(log_scales, least))
    return np.asarray(np.exp(log_scales.numpy().astype(np.float64)))


def refit(
    model: Rescored,
    prior: Prior,
    dataset: data.Dataset,
    seed: int,
    *,
    epochs: int = EPOCHS,
    report: Report = lambda _: None,
) -> Refit:
    """Fit a copy of the encoder, and the scales, to the ELBO on training images, the decoder frozen.

    Args:
        model: where it begins; nothing of it changes.
        prior: p(z).
        dataset: the training split is fitted, the validation split chooses the epoch.
        seed: of draws and of the order of images.
        epochs: how many.
        report: called with a line after each.
    """
    encoder = keras.models.clone_model(model.encoder)
    encoder.set_weights(model.encoder.get_weights())
    log_scales = keras.Variable(np.asarray(model.likelihood.log_scales))
    refitted = Rescored(encoder, model.decoder, LogisticAroundMean(model.likelihood.base, log_scales.value))
    variables = [*encoder.trainable_variables, log_scales]
    steps = steps_per_epoch(len(dataset.train), BATCH_SIZE)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps))
    optimizer.build(variables)
    objective = tf.function(_objective(refitted, prior), jit_compile=True)
    train = tf.constant(dataset.train)
    least = math.log(MIN_SCALE)

    @tf.function  # type: ignore[untyped-decorator]
    def take_steps(order: Tensor, epoch: Tensor) -> None:
        for number in tf.range(tf.shape(order)[0]):
            images = tf.gather(train, order[number])
            with tf.GradientTape() as tape:
                z_mean, z_log_var = encoder(images, training=True)
                noise = tf.random.stateless_normal(tf.shape(z_mean), [seed, epoch * steps + number])
                z = z_mean + tf.exp(z_log_var / 2) * tf.ensure_shape(noise, z_mean.shape)
                decoded = refitted.decoder(z, training=False)
                loss = objective(images, decoded, z, z_mean, z_log_var, log_scales.value).loss
            optimizer.apply(tape.gradient(loss, variables), variables)
            log_scales.assign(tf.maximum(log_scales.value, least))

    elbos = [validation_elbo(refitted, prior, dataset.validation, seed)]
    best, began = _state(refitted), time.monotonic()
    for epoch in range(epochs):
        order = order_of(seed, epoch, len(dataset.train), BATCH_SIZE)
        take_steps(tf.constant(order), tf.constant(epoch))
        elbo = validation_elbo(refitted, prior, dataset.validation, seed)
        if not math.isfinite(elbo):
            report(f"encoder refitted, epoch {epoch + 1}: the ELBO is no number; an earlier epoch is kept")
            break
        elbos.append(elbo)
        if elbos[-1] == max(elbos):
            best = _state(refitted)
        left = (time.monotonic() - began) / (epoch + 1) * (epochs - epoch - 1)
        report(
            f"encoder refitted, epoch {epoch + 1} of {epochs}: ELBO {elbo:.1f} nats on validation, "
            f"{left:.0f} s left"
        )
    weights, scales = best
    encoder.set_weights(weights)
    likelihood = LogisticAroundMean(model.likelihood.base, tf.constant(scales))
    return Refit(Rescored(encoder, model.decoder, likelihood), elbos)


def validation_elbo(model: Rescored, prior: Prior, images: Array, seed: int) -> float:
    """Return the ELBO in nats an image, by one draw of q(z given x) each, the same at every call."""
    objective = _objective(model, prior)
    rng = np.random.default_rng(seed)
    total = 0.0
    for batch in data.batches(images, ENCODE_BATCH):
        z_mean, z_log_var = model.encoder(batch, training=False)
        z = z_mean + tf.exp(z_log_var / 2) * rng.standard_normal(z_mean.shape, dtype=np.float32)
        decoded = model.decoder(z, training=False)
        total -= float(
            objective(batch, decoded, z, z_mean, z_log_var, model.likelihood.log_scales).loss
        ) * len(batch)
    return total / len(images)


def _objective(model: Rescored, prior: Prior) -> Callable[..., objectives.Objective]:
    base = model.likelihood.base

    def objective(
        images: Tensor, decoded: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor, log_scales: Tensor
    ) -> objectives.Objective:
        log_prob = LogisticAroundMean(base, log_scales).log_prob(images, decoded)
        if isinstance(prior, StandardNormal):
            return objectives.negative_elbo(log_prob, z_mean, z_log_var)
        return objectives.negative_elbo_by_draws(log_prob, z, z_mean, z_log_var, prior.log_prob(z))

    return objective


def _state(model: Rescored) -> tuple[list[Array], Array]:
    return model.encoder.get_weights(), np.array(model.likelihood.log_scales)
