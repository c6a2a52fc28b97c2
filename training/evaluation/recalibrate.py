"""The recalibrated likelihood: bits of the very pixels, whatever a model was trained with.

Densities of fixed width cannot be compared with a probability over the 256 levels of a pixel. So p(x given z)
becomes a discretized logistic around the decoder's mean image. Its scales are fitted: one for all pixels, or
one for each. The posterior is too wide for it, so the encoder is then refitted, with the decoder frozen.
"""

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple, cast

import keras
import numpy as np
import tensorflow as tf

from training import data
from training.determinism import make_deterministic
from training.evaluation.schema import RecalibratedBounds, RecalibratedLikelihood, Recalibration
from training.fitting.loop import order_of, steps_per_epoch
from training.metrics import bounds
from training.models import objectives
from training.models.likelihoods.base import LEVELS, Likelihood
from training.models.likelihoods.logistic import MIN_SCALE, log_level_prob
from training.priors import StandardNormal
from training.trained import BATCH, TrainedModel
from training.types import Array, Doubles, Tensor

logger = logging.getLogger(__name__)

SCALE_STEPS = 150
SCALE_SPEED = 40_000_000  # pixels a second on two cores
SCALE_RATE = 0.1  # of Adam on log s; falls to zero along a cosine
EPOCHS = 10
BATCH_SIZE = 128
LEARNING_RATE = 1e-3  # falls to zero along a cosine
PROTOCOL = (
    "p(x given z): a discretized logistic over 256 levels around the decoder's mean, one scale for all "
    "pixels or one a pixel. before: scales that maximise E_q log p(x given z) on validation images, all else "
    f"as trained. after: encoder and scales trained for up to {EPOCHS} epochs on training images, decoder "
    "frozen, the epoch with the best ELBO on validation images kept. Bounds of the first test images, with "
    "the model's prior"
)


class LogisticAroundMean(Likelihood):
    """A discretized logistic around the mean image of another likelihood, `base`.

    Its scales are given by their logarithms, in levels: () for all pixels, or (*S) for each.
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
        named = {"median": np.median(scales), "least": scales.min(), "greatest": scales.max()}
        return {f"scale_{name}": float(scale) for name, scale in named.items()}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        means = LEVELS * self.base.mean(decoded)
        return log_level_prob(levels, means, tf.exp(self.log_scales))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the mean image that the scales stand around."""
        return self.base.mean(decoded)


class Refit(NamedTuple):
    """A model whose encoder was refitted to its frozen decoder."""

    model: TrainedModel  # with the weights and scales of the best epoch
    elbos: list[float]  # as `Recalibration.validation_elbo`


def recalibrate(
    model: TrainedModel, dataset: data.Dataset, *, full: bool = False, epochs: int = EPOCHS
) -> RecalibratedLikelihood:
    """Return bounds of a model under discretized logistics around its mean; the model is left as it is.

    The encoder is refitted for `epochs` at most. In full, all test images are measured, up to L_500.
    """
    make_deterministic(model.seed)
    z = model.encode(dataset.validation).draw(np.random.default_rng(model.seed))
    means = model.decode(z)
    found = {}
    for kind in ("shared", "per_pixel"):
        told = f"{kind} scales: {SCALE_STEPS} steps on {len(means)} validation images"
        logger.info("%s, about %d s", told, 1 + means.size * SCALE_STEPS // SCALE_SPEED)
        scales = fit_scales(dataset.validation, means, per_pixel=kind == "per_pixel")
        before = around_mean(model, tf.constant(np.log(scales), tf.float32))
        measured = [_bounds(before, dataset.test, full)]
        after, elbos = refit(before, dataset, epochs=epochs)
        measured.append(_bounds(after, dataset.test, full))
        found[kind] = Recalibration(before=measured[0], after=measured[1], validation_elbo=tuple(elbos))
    return RecalibratedLikelihood(protocol=PROTOCOL, prior=model.known_prior.name, **found)


def around_mean(model: TrainedModel, log_scales: Tensor) -> TrainedModel:
    """Return a model whose likelihood is a ``LogisticAroundMean`` of these scales."""
    old = model.likelihood
    base = old.base if isinstance(old, LogisticAroundMean) else old
    return dataclasses.replace(model, likelihood=LogisticAroundMean(base, log_scales))


def _bounds(model: TrainedModel, images: Array, full: bool) -> RecalibratedBounds:
    found = bounds.bounds(model, images, bounds.FULL[:1] if full else bounds.QUICK, model.seed)
    return RecalibratedBounds(log_p_x=found.log_p_x, likelihood=found.likelihood)


def fit_scales(images: Array, means: Array, *, per_pixel: bool) -> Doubles:
    """Return the scales, in levels, of discretized logistics around `means` that make `images` most probable.

    By gradient ascent from the scales that have the residuals' variance; at least ``logistic.MIN_SCALE``.
    Of images (N, *S) in [0, 1] there is one scale for each pixel, (*S), or one for all, ().
    """
    levels = tf.constant(np.rint(images * LEVELS), tf.float32)
    centres = tf.constant(means * LEVELS, tf.float32)
    squared = np.square(np.asarray(levels) - np.asarray(centres), dtype=np.float64)
    variance = squared.mean(axis=0) if per_pixel else squared.mean()
    least = math.log(MIN_SCALE)
    start = np.log(np.maximum(np.sqrt(3 * variance) / math.pi, MIN_SCALE))
    log_scales = tf.Variable(start, dtype=tf.float32)
    adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(SCALE_RATE, SCALE_STEPS))

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
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


def refit(model: TrainedModel, dataset: data.Dataset, *, epochs: int = EPOCHS) -> Refit:
    """Fit a copy of the encoder, and the scales, to the ELBO on training images, the decoder frozen.

    The model, of ``around_mean``, is left as it is. The validation split chooses the epoch.
    """
    trained: keras.Model = model.encoder
    encoder = keras.models.clone_model(trained)
    encoder.set_weights(trained.get_weights())
    log_scales = keras.Variable(np.asarray(_likelihood(model).log_scales))
    refitted = around_mean(dataclasses.replace(model, encoder=encoder), log_scales.value)
    steps = steps_per_epoch(len(dataset.train), BATCH_SIZE)
    take_steps = _training(refitted, log_scales, tf.constant(dataset.train), epochs * steps)
    elbos = [validation_elbo(refitted, dataset.validation)]
    best = encoder.get_weights(), np.array(log_scales.value)
    for epoch in range(epochs):
        order = order_of(model.seed, epoch, len(dataset.train), BATCH_SIZE)
        take_steps(tf.constant(order), tf.constant(epoch * steps))
        elbo = validation_elbo(refitted, dataset.validation)
        told = f"encoder refitted, epoch {epoch + 1}"
        if not math.isfinite(elbo):
            logger.info("%s: the ELBO is no number; an earlier epoch is kept", told)
            break
        elbos.append(elbo)
        if elbo == max(elbos):
            best = encoder.get_weights(), np.array(log_scales.value)
        told += f" of {epochs}: ELBO {elbo:.1f} nats on validation"
        if epoch == 0:  # it also compiled, and so tells nothing of those to come
            began = time.monotonic()
        else:
            told += f", {(time.monotonic() - began) / epoch * (epochs - epoch - 1):.0f} s left"
        logger.info("%s", told)
    weights, scales = best
    encoder.set_weights(weights)
    return Refit(around_mean(refitted, tf.constant(scales)), elbos)


def _training(
    model: TrainedModel, log_scales: keras.Variable, images: Tensor, steps: int
) -> Callable[[Tensor, Tensor], None]:
    """Return a compiled function: an order of images, (steps, B), and the number of its first step -> None.

    It takes a step for each row, and fits the model's encoder and the scales; `steps` are those in all.
    """
    encoder: keras.Model = model.encoder
    variables = [*encoder.trainable_variables, log_scales]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    optimizer.build(variables)
    objective = _objective(model, training=True)
    least = math.log(MIN_SCALE)

    @tf.function  # type: ignore[untyped-decorator]
    def take_steps(order: Tensor, first: Tensor) -> None:
        for number in tf.range(tf.shape(order)[0]):
            batch = tf.gather(images, order[number])
            shape = (batch.shape[0], model.latent_dim)
            noise = tf.random.stateless_normal(shape, [model.seed, first + number])
            with tf.GradientTape() as tape:
                loss = objective(batch, noise, log_scales.value).loss
            optimizer.apply(tape.gradient(loss, variables), variables)
            log_scales.assign(tf.maximum(log_scales.value, least))

    return cast(Callable[[Tensor, Tensor], None], take_steps)


def validation_elbo(model: TrainedModel, images: Array) -> float:
    """Return the ELBO in nats an image, by one draw of q(z given x) each, the same at every call."""
    objective = _objective(model, training=False)
    rng = np.random.default_rng(model.seed)
    total = 0.0
    for batch in data.batches(images, BATCH):
        noise = rng.standard_normal((len(batch), model.latent_dim), dtype=np.float32)
        total -= float(objective(batch, noise, _likelihood(model).log_scales).loss) * len(batch)
    return total / len(images)


def _objective(model: TrainedModel, *, training: bool) -> Callable[..., objectives.Objective]:
    """Return a function: images (B, *S), noise (B, D), log scales -> the negative ELBO at one draw each."""
    base, prior = _likelihood(model).base, model.known_prior

    def at_draws(
        images: Tensor, decoded: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor, log_scales: Tensor
    ) -> objectives.Objective:
        log_prob = LogisticAroundMean(base, log_scales).log_prob(images, decoded)
        if isinstance(prior, StandardNormal):  # its KL has a closed form
            return objectives.negative_elbo(log_prob, z_mean, z_log_var)
        return objectives.negative_elbo_by_draws(log_prob, z, z_mean, z_log_var, prior.log_prob(z))

    loss = tf.function(at_draws, jit_compile=True, autograph=False) if training else at_draws

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def objective(images: Tensor, noise: Tensor, log_scales: Tensor) -> objectives.Objective:
        z_mean, z_log_var = model.encoder(images, training=training)
        z = z_mean + tf.exp(z_log_var / 2) * noise
        return loss(images, model.decoder(z, training=False), z, z_mean, z_log_var, log_scales)

    return cast(Callable[..., objectives.Objective], objective)


def _likelihood(model: TrainedModel) -> LogisticAroundMean:
    return cast(LogisticAroundMean, model.likelihood)
