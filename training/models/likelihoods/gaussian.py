"""Gaussians: of a fixed variance, of one that is learned, of one for every pixel."""

import math

import numpy as np
import tensorflow as tf

from training.models.likelihoods.base import LEVELS, START, Likelihood, only_parameter, softplus
from training.models.likelihoods.registry import MIN_VARIANCE
from training.types import Array, Tensor

START_VARIANCE = 0.05  # where the network's output is zero


class Gaussian(Likelihood):
    """A Gaussian with one fixed variance, independent per pixel, around the decoder's output.

    log N(x; m, v) = -(x - m)^2 / (2 v) - log(2 pi v) / 2.

    Args:
        variance: per pixel, for pixels scaled to [0, 1]; at least MIN_VARIANCE.

    Raises:
        ValueError: the variance is smaller, or not a number.
    """

    name = "gaussian"
    description = "a Gaussian of fixed variance, independent per pixel"
    log_level_width = -math.log(LEVELS)

    def __init__(self, variance: float) -> None:
        if not variance >= MIN_VARIANCE:
            raise ValueError(
                f"variance: expected a number of at least {MIN_VARIANCE:.3g}. Received: {variance!r}"
            )
        self.variance = float(variance)

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"variance": self.variance}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        return _log_normal(images, only_parameter(decoded), math.log(self.variance))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the decoder's output itself, which may leave [0, 1]."""
        return only_parameter(decoded)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return m + sqrt(v) * Phi^-1(noise): inverse transform sampling."""
        return only_parameter(decoded) + math.sqrt(self.variance) * normal_quantile(noise)


class GaussianPerPixel(Likelihood):
    """A Gaussian whose mean and variance the decoder gives for every pixel of every image.

    v = MIN_VARIANCE + START_VARIANCE * softplus(second parameter + log(e - 1)): smooth, never below the
    floor, and of a size that float32 holds whatever the network gives.
    """

    name = "gaussian-per-pixel"
    description = "a Gaussian whose variance the decoder gives for every pixel"
    log_level_width = -math.log(LEVELS)
    num_parameters = 2

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        return _log_normal(images, decoded[..., 0], tf.math.log(self._variance(decoded)))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the first parameter, which may leave [0, 1]."""
        return decoded[..., 0]

    @property
    def mean_weights(self) -> Array | None:  # noqa: D102
        return None if self.num_shared else np.array([[1], [0]], np.float32)

    def mean_of(self, combined: Tensor) -> Tensor:  # noqa: D102
        return only_parameter(combined)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return m + sqrt(v) * Phi^-1(noise)."""
        return decoded[..., 0] + tf.sqrt(self._variance(decoded)) * normal_quantile(noise)

    def _variance(self, decoded: Tensor) -> Tensor:
        return MIN_VARIANCE + START_VARIANCE * softplus(decoded[..., 1] + START)


class GaussianShared(GaussianPerPixel):
    """A Gaussian whose mean the decoder gives, and whose one variance is learned with the weights.

    At the optimum the variance is the mean squared error, which balances reconstruction against KL without a
    weight to tune (Rybkin, Daniilidis & Levine 2021).
    """

    name = "gaussian-shared"
    description = "a Gaussian with one learned variance, independent per pixel"
    num_shared = 1


def normal_quantile(probability: Tensor) -> Tensor:
    """Return Phi^-1(p) for p in (0, 1), to about 7 digits: all that float32 holds.

    Wichura 1988, algorithm AS 241, PPND7. TensorFlow's own ``ndtri`` has no counterpart in the flatbuffers
    that versions carry for LiteRT; logarithms, roots and polynomials have.
    """
    offset = probability - 0.5
    r = 0.180625 - offset * offset
    central = offset * tf.math.polyval([59.109374720, 159.29113202, 50.434271938, 3.3871327179], r)
    central /= tf.math.polyval([67.187563600, 78.757757664, 17.895169469, 1.0], r)
    depth = tf.sqrt(-tf.math.log(tf.minimum(probability, 1.0 - probability)))
    r = depth - 1.6
    tail = tf.math.polyval([0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777], r)
    tail /= tf.math.polyval([0.12021132975, 0.73700164250, 1.0], r)
    r = depth - 5.0
    far_tail = tf.math.polyval([0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150], r)
    far_tail /= tf.math.polyval([0.012258202635, 0.24197894225, 1.0], r)
    outside = tf.sign(offset) * tf.where(depth <= 5.0, tail, far_tail)
    return tf.where(tf.abs(offset) <= 0.425, central, outside)


def _log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    quadratic = tf.math.squared_difference(x, mean) * tf.exp(-log_variance)
    return -0.5 * (quadratic + log_variance + math.log(2 * math.pi))
