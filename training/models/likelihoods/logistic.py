"""Mixtures of logistics over the 256 levels of a pixel."""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from training.models.likelihoods.base import LEVELS, START, Likelihood, softplus
from training.types import Array, Tensor

MIN_SCALE = 0.1  # in levels: narrower than a level needs, wide enough for float32
START_SCALE = 20.0  # in levels, where the network's output is zero


class DiscretizedLogistic(Likelihood):
    """A mixture of K logistics per pixel, cut into the 256 levels.

    Salimans et al. 2017; with K = 1, Kingma et al. 2016.
    P(v) = sum_k w_k (F((v + 1/2 - m_k) / s_k) - F((v - 1/2 - m_k) / s_k)), F the logistic function, where the
    lowest level takes everything below it and the highest everything above, so that it sums to one.
    The parameters of a pixel are K logits of w, K means and K scales; all components start with a scale of
    START_SCALE levels and means spread evenly over the range.

    Args:
        components: K.

    Raises:
        ValueError: fewer than one component.
    """

    name = "discretized-logistic"
    description = "a mixture of discretized logistics, independent per pixel"
    log_level_width = 0.0

    def __init__(self, components: int) -> None:
        if components < 1:
            raise ValueError(f"components: expected at least 1. Received: {components!r}")
        self.components = components
        self.num_parameters = 3 * components

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"components": self.components}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return the log-probability of each pixel's level."""
        logits, means, scales = self._split(decoded)
        levels = tf.round(images * LEVELS)
        means = self._conditional_means(means, levels, decoded)
        log_prob = log_level_prob(levels[..., None], means, scales)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits, axis=-1) + log_prob, axis=-1)

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        logits, means, scales = self._split(planes_of(decoded), axis=0)
        return mixture_log_prob(tf.round(images * LEVELS), logits, means, 1 / scales)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the mean of the mixture confined to the levels' range, exact to within half a level.

        The mean of a logistic variable clipped to [0, 255] is s (softplus(m / s) - softplus((m - 255) / s)).
        """
        return clipped_mean(self._components(planes_of(decoded), self.components)) / LEVELS

    @property
    def mean_weights(self) -> Array:
        """The logits of w less the last one, as softmax leaves one free; m and s: (P, 3 K - 1)."""
        weights = np.eye(self.num_parameters, 3 * self.components, dtype=np.float32)
        last = self.components - 1
        weights[last, :last] = -1
        return np.delete(weights, last, axis=1)

    def mean_of(self, combined: Tensor) -> Tensor:  # noqa: D102
        return clipped_mean(self._components(planes_of(combined), self.components - 1)) / LEVELS

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return S + (2,): one number chooses the component, one the value."""
        return (*image_shape, 2)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Choose a component by the first number, draw from its logistic by the second, round to a level."""
        components = self._components(planes_of(decoded), self.components)
        value = logistic_draw(components, *tf.unstack(planes_of(noise)))
        return tf.clip_by_value(tf.round(value), 0.0, LEVELS) / LEVELS

    def _split(self, decoded: Tensor, axis: int = -1) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of w, m and s, K of each along `axis`, the first or the last; m and s in levels.

        They are the first 3 K parameters; there may be others behind them.
        """
        mixture = decoded[..., : 3 * self.components] if axis == -1 else decoded[: 3 * self.components]
        logits, means, scales = tf.split(mixture, 3, axis=axis)
        return logits, *self._in_levels(means, scales, axis)

    def _in_levels(self, means: Tensor, scales: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        shape = [1] * len(means.shape)
        shape[axis] = self.components
        centres = (np.arange(self.components, dtype=np.float32) + 0.5) / self.components
        spread = MIN_SCALE + START_SCALE * tf.math.softplus(scales + START)
        return LEVELS * (means + centres.reshape(shape)), spread

    def _components(self, planes: Tensor, num_logits: int) -> list["Component"]:
        """Return the components of every pixel's mixture, from planes of its parameters.

        First come `num_logits` logits of w, of which those left out are zero, then K m and K s.
        """
        count = self.components
        logits = [*tf.unstack(planes[:num_logits]), *[tf.zeros_like(planes[0])] * (count - num_logits)]
        parts = planes[num_logits : num_logits + count], planes[num_logits + count : num_logits + 2 * count]
        means, scales = (tf.unstack(part) for part in self._in_levels(*parts, axis=0))
        largest = functools.reduce(tf.maximum, logits)
        return [
            Component(tf.exp(logit - largest), mean, scale)
            for logit, mean, scale in zip(logits, means, scales, strict=True)
        ]

    def _conditional_means(self, means: Tensor, levels: Tensor, decoded: Tensor) -> Tensor:  # noqa: ARG002
        """Return m given the pixels before, whose levels are (B, *S): of independent pixels m itself."""
        return means


def log_level_prob(levels: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    """Return the log-probability of 8-bit levels under logistics cut at half levels, open at both ends.

    With a and b the cut points below and above a level, F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)), and a - b
    is -1 / s whatever the level: no difference of close numbers is ever taken, so the formula needs no
    special case in the tails. Means m and scales s > 0 are in levels, which are whole numbers 0 to 255.
    """
    log_above = tf.math.log_sigmoid((levels + 0.5 - means) / scales)
    log_below = tf.math.log_sigmoid((means - levels + 0.5) / scales)
    inner = log_above + log_below + tf.math.log(-tf.math.expm1(-1.0 / scales))
    return tf.where(levels <= 0, log_above, tf.where(levels >= LEVELS, log_below, inner))


def planes_of(decoded: Tensor) -> Tensor:
    """Return (P, B, *S) of (B, *S, P): arithmetic between whole planes is vectorised, between columns not."""
    last = len(decoded.shape) - 1
    return tf.transpose(decoded, (last, *range(last)))


def mixture_log_prob(levels: Tensor, logits: Tensor, means: Tensor, sharpness: Tensor) -> Tensor:
    """Return the log-probability of every pixel's level under mixtures of cut logistics, (B, *S).

    The formula of ``log_level_prob``, with F(x) = exp(min(x, 0)) / (1 + exp(-|x|)): the exponents are added
    as logarithms, and what is left of every F lies between 1/2 and 1, so one logarithm a pixel is enough.
    Levels are (B, *S); logits of the components' weights, means, and `sharpness`, 1 / s, are (K, B, *S).
    """
    exponent, rest = level_factors(levels, means, sharpness)
    exponent = logits + exponent
    largest = tf.reduce_max(exponent, axis=0)
    mixed = tf.reduce_sum(tf.exp(exponent - largest) * rest, axis=0)
    return largest + tf.math.log(mixed) - tf.reduce_logsumexp(logits, axis=0)


def level_factors(levels: Tensor, means: Tensor, sharpness: Tensor) -> tuple[Tensor, Tensor]:
    """Return e and r for every component, (K, B, *S): the probability of a pixel's level is exp(e) r.

    e is at most zero, r from 1/4 of the width of a level, in scales, to one; see ``mixture_log_prob``.
    """
    offset = (levels - means) * sharpness
    above, below = 0.5 * sharpness + offset, 0.5 * sharpness - offset
    lowest, highest = levels <= 0, levels >= LEVELS
    exponent = tf.where(highest, 0.0, tf.minimum(above, 0.0)) + tf.where(lowest, 0.0, tf.minimum(below, 0.0))
    factor_above, factor_below = 1 + tf.exp(-tf.abs(above)), 1 + tf.exp(-tf.abs(below))
    inner = -tf.math.expm1(-sharpness) / (factor_above * factor_below)
    return exponent, tf.where(lowest, 1 / factor_above, tf.where(highest, 1 / factor_below, inner))


class Component(NamedTuple):
    """One logistic of every pixel's mixture; planes of any one shape.

    Planes, one for each number, are what LiteRT computes fastest: a sum over a last axis of three takes it
    ten times as long as two additions.
    """

    weight: Tensor  # not normalised
    mean: Tensor  # in levels
    scale: Tensor  # in levels


def clipped_mean(components: list[Component]) -> Tensor:
    """Return the mean of every pixel's mixture confined to the levels' range, in levels."""
    total = sum(component.weight for component in components)
    return sum(w * s * (softplus(m / s) - softplus((m - LEVELS) / s)) for w, m, s in components) / total


def logistic_draw(components: list[Component], choice: Tensor, uniform: Tensor) -> Tensor:
    """Return a draw from each pixel's mixture, in levels, neither rounded nor confined.

    `choice` and `uniform` are noise on (0, 1), of the components' shape: one number chooses the component,
    one the value.
    """
    chosen = chosen_of([component.weight for component in components], choice)
    mean = sum(one * component.mean for one, component in zip(chosen, components, strict=True))
    scale = sum(one * component.scale for one, component in zip(chosen, components, strict=True))
    return mean + scale * (tf.math.log(uniform) - tf.math.log1p(-uniform))


def chosen_of(weights: list[Tensor], choice: Tensor) -> list[Tensor]:
    """Return for each component a plane of ones where a number `choice` on (0, 1) chooses it, else zeros."""
    below = list(itertools.accumulate(weights[:-1]))  # of all components but the first, the weights before
    choice *= sum(weights)
    reached = [tf.ones_like(choice), *(tf.cast(choice >= edge, tf.float32) for edge in below)]
    return [here - beyond for here, beyond in itertools.pairwise([*reached, tf.zeros_like(choice)])]
