"""Mixtures of logistics over colours: one for the three levels of a pixel, which lean on each other."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from training.models.likelihoods.base import LEVELS
from training.models.likelihoods.logistic import (
    Component,
    DiscretizedLogistic,
    chosen_of,
    clipped_mean,
    level_factors,
    log_level_prob,
)
from training.types import Array, Tensor

# The second colour of a pair leans on the first, and the coefficients lie in this order: of red, green, blue.
PAIRS = ((0, 1), (0, 2), (1, 2))
COLOURS = 3


class ColourLogistic(DiscretizedLogistic):
    """A mixture of K components per pixel, each three discretized logistics that lean on each other.

    Salimans et al. 2017 (PixelCNN++), section 2.2. One choice of a component holds for all three colours. In
    component k, with m the means, r and g the levels of red and green,

        green's mean = m_green + tanh(a_rg) (r - m_red),
        blue's mean  = m_blue + tanh(a_rb) (r - m_red) + tanh(a_gb) (g - m_green),

    where the means that are subtracted are confined to the levels. The paper adds multiples of the levels
    themselves, which is the same family; counted from the means, a coefficient moves no mean picture.
    The probability of a pixel is sum_k w_k P_k(red) P_k(green given red) P_k(blue given red, green), each
    factor that of ``DiscretizedLogistic``. Pixels are independent of each other given z.

    The parameters of one colour of a pixel are K logits of w, K means, K scales and K coefficients; the
    logits of the three colours are added, the coefficients are those of ``PAIRS``.

    Args:
        components: K.

    Raises:
        ValueError: fewer than one component.
    """

    name = "colour-logistic"
    description = "a mixture of discretized logistics whose colours lean on each other, independent per pixel"

    def __init__(self, components: int) -> None:
        super().__init__(components)
        self.num_parameters = 4 * components

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log P(red), log P(green given red), log P(blue given both) of every pixel, (B, *S).

        Raises:
            ValueError: the images are not in colour, (B, H, W, 3).
        """
        check_colours(images)
        logits, means, scales = self._split(decoded)
        coefficients = tf.tanh(decoded[..., 3 * self.components :])
        return log_prob_of_colours(
            tf.round(images * LEVELS), tf.reduce_sum(logits, axis=-2), means, scales, coefficients
        )

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        check_colours(images)
        colours, logits = self._colours(decoded, self.components)
        colours = [(means, 1 / scales, coefficients) for means, scales, coefficients in colours]
        return log_prob_by_planes(tf.unstack(tf.round(images * LEVELS), axis=-1), logits, colours)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the mean of the mixture, component after component and colour after colour in closed form.

        Exact to within half a level where what is before the cut has no part of green or blue beyond black or
        white; else the expectation of the cut is replaced by the cut at the expected red and green.
        """
        return self._mean(*self._colours(decoded, self.components))

    @property
    def mean_weights(self) -> Array:
        """The logits of w less the last one, as softmax leaves one free; all else as it is: (P, 4 K - 1)."""
        weights = np.eye(self.num_parameters, dtype=np.float32)
        last = self.components - 1
        weights[last, :last] = -1
        return np.delete(weights, last, axis=1)

    def mean_of(self, combined: Tensor) -> Tensor:  # noqa: D102
        return self._mean(*self._colours(combined, self.components - 1))

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (H, W, 4): one number chooses the component of a pixel, three its colours."""
        return (*image_shape[:-1], 1 + COLOURS)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Choose a component by the first number, then draw red, green and blue, each rounded to a level."""
        colours, logits = self._colours(decoded, self.components)
        choice, *uniform = tf.unstack(noise, axis=-1)
        weights = tf.unstack(tf.exp(logits - tf.reduce_max(logits, axis=0, keepdims=True)))
        chosen = tf.stack(chosen_of(weights, choice))
        picked = [[tf.reduce_sum(chosen * part, axis=0) for part in colour] for colour in colours]
        means, scales, coefficients = zip(*picked, strict=True)
        return tf.stack(drawn_levels(means, scales, coefficients, uniform), axis=-1) / LEVELS

    def _colours(self, decoded: Tensor, num_logits: int) -> tuple[list[tuple[Tensor, ...]], Tensor]:
        """Return of each colour its means, scales and coefficients, and logits of w: all (K, B, H, W).

        Of the logits, `num_logits` are given and those left out are zero.
        """
        last = len(decoded.shape) - 1
        planes = tf.transpose(decoded, (last - 1, last, *range(last - 1)))
        sizes = [num_logits, *[self.components] * 3]
        parts = [tf.split(colour, sizes, axis=0) for colour in tf.unstack(planes)]
        red, green, blue = (logits for logits, *_ in parts)
        left_out = [(0, self.components - num_logits), *[(0, 0)] * (last - 1)]
        return [
            (*self._in_levels(means, scales, axis=0), tf.tanh(coefficients))
            for _, means, scales, coefficients in parts
        ], tf.pad(red + green + blue, left_out)

    def _mean(self, colours: list[tuple[Tensor, ...]], logits: Tensor) -> Tensor:
        means, scales, coefficients = zip(*colours, strict=True)
        weights = tf.unstack(tf.nn.softmax(logits, axis=0))
        expected: list[Tensor] = []  # of every component
        for number, scale in enumerate(scales):
            mean = moved_mean(number, expected, means, coefficients)
            expected.append(clipped_mean([Component(1.0, mean, scale)]))
        mixed = [
            sum(weight * each for weight, each in zip(weights, tf.unstack(colour), strict=True))
            for colour in expected
        ]
        return tf.stack(mixed, axis=-1) / LEVELS


def check_colours(images: Tensor) -> None:
    """Raise a ValueError if images are not in colour, (..., H, W, 3)."""
    if images.shape[-1] != COLOURS:
        raise ValueError(
            f"images: expected red, green and blue, (B, H, W, 3). Received: {tuple(images.shape)}"
        )


def moved_mean(
    number: int, before: Sequence[Tensor], means: Sequence[Tensor], coefficients: Sequence[Tensor]
) -> Tensor:
    """Return the means of a colour given the levels of those before it.

    Args:
        number: 0, 1 or 2, of red, green and blue.
        before: levels of at least that many colours.
        means: of the three colours, where those before are at theirs.
        coefficients: of each of ``PAIRS``, in (-1, 1).
    """
    moved = means[number]
    for (first, second), coefficient in zip(PAIRS, coefficients, strict=True):
        if second == number:
            moved += coefficient * (before[first] - tf.clip_by_value(means[first], 0.0, LEVELS))
    return moved


def moved_means(
    levels: Sequence[Tensor], means: Sequence[Tensor], coefficients: Sequence[Tensor]
) -> list[Tensor]:
    """Return the means of all three colours given those before them; see ``moved_mean``."""
    return [moved_mean(number, levels, means, coefficients) for number in range(COLOURS)]


def log_prob_of_colours(
    levels: Tensor, logits: Tensor, means: Tensor, scales: Tensor, coefficients: Tensor
) -> Tensor:
    """Return log P(red), log P(green given red), log P(blue given both), (..., 3).

    Args:
        levels: of the three colours, (..., 3).
        logits: of the components' weights, (..., K).
        means: of each colour, in levels, where those before it are at theirs, (..., 3, K).
        scales: in levels, (..., 3, K).
        coefficients: of each of ``PAIRS``, in (-1, 1), (..., 3, K).
    """
    each = levels[..., None]
    parts = (tf.unstack(part, axis=-2) for part in (each, means, coefficients))
    log_prob = log_level_prob(each, tf.stack(moved_means(*parts), axis=-2), scales)
    # Of red, of red and green, of all three.
    weights = tf.nn.log_softmax(logits, axis=-1)[..., None, :]
    joint = tf.reduce_logsumexp(weights + tf.cumsum(log_prob, axis=-2), axis=-1)
    return tf.concat([joint[..., :1], joint[..., 1:] - joint[..., :-1]], axis=-1)


def log_prob_by_planes(
    levels: Sequence[Tensor], logits: Tensor, colours: Sequence[tuple[Tensor, ...]]
) -> Tensor:
    """Return what ``log_prob_of_colours`` does, up to rounding, in operations that evaluation is fast with.

    Args:
        levels: of each colour, (B, H, W).
        logits: (K, B, H, W).
        colours: of each its means, sharpness (1 / scale) and coefficients, (K, B, H, W).
    """
    means, sharpness, coefficients = zip(*colours, strict=True)
    exponent, rest, joint = logits, 1.0, [tf.reduce_logsumexp(logits, axis=0)]
    for level, mean, sharp in zip(levels, moved_means(levels, means, coefficients), sharpness, strict=True):
        of_colour, rest_of_colour = level_factors(level, mean, sharp)
        exponent, rest = exponent + of_colour, rest * rest_of_colour
        largest = tf.reduce_max(exponent, axis=0)
        joint.append(largest + tf.math.log(tf.reduce_sum(tf.exp(exponent - largest) * rest, axis=0)))
    return tf.stack([joint[number + 1] - joint[number] for number in range(COLOURS)], axis=-1)


def drawn_levels(
    means: Sequence[Tensor],
    scales: Sequence[Tensor],
    coefficients: Sequence[Tensor],
    uniform: Sequence[Tensor],
) -> list[Tensor]:
    """Return levels of red, green and blue of the component that was chosen; `uniform` is noise on (0, 1)."""
    drawn: list[Tensor] = []
    for number, (scale, one) in enumerate(zip(scales, uniform, strict=True)):
        value = moved_mean(number, drawn, means, coefficients)
        value += scale * (tf.math.log(one) - tf.math.log1p(-one))
        drawn.append(tf.clip_by_value(tf.round(value), 0.0, LEVELS))
    return drawn
