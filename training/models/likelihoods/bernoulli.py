"""Bernoullis: a probability for pixels that are 0 or 1, and a density over [0, 1]."""

import math

import tensorflow as tf

from training.models.likelihoods.base import LEVELS, Likelihood, only_parameter, softplus
from training.types import Tensor


class Bernoulli(Likelihood):
    """A coin for every pixel, by its log-odds. A probability for black and white pixels, 0 or 1, alone."""

    name = "bernoulli"
    description = "a Bernoulli distribution, independent per pixel, for pixels that are 0 or 1"
    log_level_width = 0.0

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return x * logit - log(1 + exp(logit)), which is normalised over x in {0, 1} only."""
        logits = only_parameter(decoded)
        return images * logits - softplus(logits)

    def mean(self, decoded: Tensor) -> Tensor:  # noqa: D102
        return tf.sigmoid(only_parameter(decoded))

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return 1 where the noise is below the probability, else 0."""
        return tf.cast(noise < self.mean(decoded), tf.float32)


class ContinuousBernoulli(Likelihood):
    """The Bernoulli's formula made a density over [0, 1] by its constant (Loaiza-Ganem & Cunningham 2019).

    With log-odds h: p(x) = h exp(h x) / (exp(h) - 1). At black or white that is about |h|, so h is confined
    to +-LEVELS: further out a density over pixels of 256 values could be driven beyond every bound.
    """

    name = "continuous-bernoulli"
    description = "a continuous Bernoulli density, independent per pixel"
    log_level_width = -math.log(LEVELS)

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return h x - log((exp(h) - 1) / h)."""
        logits = self._log_odds(decoded)
        # log((e^h - 1) / h) = h / 2 + log(sinh(h / 2) / (h / 2)), whose second term is even.
        return images * logits - (logits / 2 + _log_sinhc(logits / 2))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return 1/2 + (coth(h / 2) - 2 / h) / 2, the slope of the constant."""
        half = self._log_odds(decoded) / 2
        near = tf.abs(half) < 0.1
        far = tf.where(near, tf.ones_like(half), half)
        series = half / 3 - half**3 / 45
        return 0.5 + 0.5 * tf.where(near, series, 1 / tf.tanh(far) - 1 / far)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return log(1 + u (exp(h) - 1)) / h, the inverse of the distribution function."""
        logits = self._log_odds(decoded)
        near = tf.abs(logits) < 1e-3
        far = tf.where(near, tf.ones_like(logits), logits)
        # For h > 0 the mirror image keeps every exponent below zero: x(u; h) = 1 - x(1 - u; -h).
        size = -tf.abs(far)
        mirrored = tf.where(far > 0, 1 - noise, noise)
        drawn = tf.math.log1p(mirrored * tf.math.expm1(size)) / size
        return tf.where(near, noise, tf.where(far > 0, 1 - drawn, drawn))

    def _log_odds(self, decoded: Tensor) -> Tensor:
        return LEVELS * tf.tanh(only_parameter(decoded) / LEVELS)


def _log_sinhc(u: Tensor) -> Tensor:
    """Return log(sinh(u) / u), even in u, by its series near zero and without overflow far from it."""
    size = tf.abs(u)
    near = size < 0.3
    far = tf.where(near, tf.ones_like(size), size)  # both branches are differentiated: neither may overflow
    small = tf.where(near, size, tf.zeros_like(size))
    series = small**2 / 6 - small**4 / 180 + small**6 / 2835
    return tf.where(near, series, far + tf.math.log1p(-tf.exp(-2 * far)) - tf.math.log(2 * far))
