"""Mixtures of logistics whose means depend on the pixels before: a model of texture."""

from typing import ClassVar

import tensorflow as tf

from training.models.likelihoods.base import LEVELS
from training.models.likelihoods.logistic import (
    DiscretizedLogistic,
    logistic_draw,
    mixture_log_prob,
    planes_of,
)
from training.types import Tensor


class AutoregressiveLogistic(DiscretizedLogistic):
    """A mixture of discretized logistics whose means lean on the pixels before: a model of texture.

    Pixels of one image are not independent given z: a code of some dozens of numbers cannot say where each
    thread of a fabric lies. Here every component's mean of pixel (i, j) is moved by

        sum_n a_n(i, j) (x(i - di_n, j - dj_n) - c(i - di_n, j - dj_n)),

    the deviations of the neighbours in ``NEIGHBOURS`` from their own centres c, weighted by coefficients a in
    (-1, 1) that the decoder gives for every pixel. The pixels are then a chain of conditionals in reading
    order, so p(x given z) is still one exact probability: the chain rule of PixelCNN (van den Oord et al.
    2016), but linear, as between the colours of PixelCNN++ (Salimans et al. 2017), and its log-probability
    costs little more than that of independent pixels. The parameters of a pixel are those of
    ``DiscretizedLogistic`` and one for each neighbour; beyond the border the deviation is zero. Colours do
    not lean on each other.

    ``mean`` gives the centres c: each pixel's mean if all its neighbours are at theirs. E[x given z] has no
    closed form; where no level is cut off at black or white, it is c.
    """

    name = "autoregressive-logistic"
    description = "a mixture of discretized logistics whose means lean on the neighbours' deviations"
    NEIGHBOURS: ClassVar = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))  # (rows up, columns left)

    def __init__(self, components: int) -> None:
        super().__init__(components)
        self.num_parameters = 3 * components + len(self.NEIGHBOURS)

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        planes = planes_of(decoded)
        logits, means, scales = self._split(planes, axis=0)
        levels, sharpness = tf.round(images * LEVELS), 1 / scales
        clipped = scales * _softplus_difference(means * sharpness, (means - LEVELS) * sharpness)
        centres = tf.reduce_sum(tf.nn.softmax(logits, axis=0) * clipped, axis=0)
        moved = self._moved(levels - centres, self._coefficients(planes, axis=0))
        return mixture_log_prob(levels, logits, means + moved, sharpness)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw pixel after pixel, a whole diagonal at a time: its neighbours lie on earlier ones."""
        free = logistic_draw(*self._split(decoded), noise)  # what would be drawn if no neighbour deviated
        centres = LEVELS * self.mean(decoded)
        parts = (free, centres, *self._coefficients(decoded))
        diagonals = [tf.unstack(_skewed(part), axis=2) for part in parts]
        deviations: list[Tensor] = []
        drawn = []
        for number, (value, centre, *weights) in enumerate(zip(*diagonals, strict=True)):
            for (up, left), weight in zip(self.NEIGHBOURS, weights, strict=True):
                before = number - up - left
                if before >= 0:
                    value += weight * _shifted(deviations[before], up)
            level = tf.clip_by_value(tf.round(value), 0.0, LEVELS)
            drawn.append(level)
            deviations.append(level - centre)
        return _unskewed(tf.stack(drawn, axis=2), decoded.shape[2]) / LEVELS

    def _split(self, decoded: Tensor, axis: int = -1) -> tuple[Tensor, Tensor, Tensor]:
        return super()._split(self._parts(decoded, axis)[0], axis)

    def _coefficients(self, decoded: Tensor, axis: int = -1) -> list[Tensor]:
        """Return the weight of each neighbour, every one (B, *S)."""
        weights: list[Tensor] = tf.unstack(tf.tanh(self._parts(decoded, axis)[1]), axis=axis)
        return weights

    def _parts(self, decoded: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        mixture, coefficients = tf.split(decoded, [3 * self.components, len(self.NEIGHBOURS)], axis=axis)
        return mixture, coefficients

    def _conditional_means(self, means: Tensor, levels: Tensor, decoded: Tensor) -> Tensor:
        deviation = levels - LEVELS * self.mean(decoded)
        return means + self._moved(deviation, self._coefficients(decoded))[..., None]

    def _moved(self, deviation: Tensor, coefficients: list[Tensor]) -> Tensor:
        """Return by how much the neighbours' deviations move every pixel's means, (B, *S)."""
        pairs = zip(self.NEIGHBOURS, coefficients, strict=True)
        return sum(weight * _shifted(deviation, *neighbour) for neighbour, weight in pairs)


def _shifted(values: Tensor, *by: int) -> Tensor:
    """Return (B, H, W, ...) moved down and to the right, zeros moving in; (B, H, ...) by one number, down."""
    if not any(by):
        return values
    rest = [(0, 0)] * (len(values.shape) - 1 - len(by))
    padded = tf.pad(values, [(0, 0), *((distance, 0) for distance in by), *rest])
    return padded[(slice(None), *(slice(size) for size in values.shape[1 : 1 + len(by)]))]


def _skewed(images: Tensor) -> Tensor:
    """Return (B, H, H + W - 1, ...), row i moved i to the right: column t holds the diagonal i + j = t."""
    height, width, *rest = images.shape[1:]
    padded = tf.pad(images, [(0, 0), (0, 0), (0, height), *[(0, 0)] * len(rest)])
    flat = tf.reshape(padded, (-1, height * (width + height), *rest))
    return tf.reshape(flat[:, : height * (width + height - 1)], (-1, height, width + height - 1, *rest))


def _unskewed(skewed: Tensor, width: int) -> Tensor:
    """Return (B, H, W, ...), the inverse of ``_skewed``."""
    height, columns, *rest = skewed.shape[1:]
    flat = tf.reshape(skewed, (-1, height * columns, *rest))
    padded = tf.pad(flat, [(0, 0), (0, height), *[(0, 0)] * len(rest)])
    return tf.reshape(padded, (-1, height, columns + 1, *rest))[:, :, :width]


def _softplus_difference(a: Tensor, b: Tensor) -> Tensor:
    """Return log(1 + exp(a)) - log(1 + exp(b)), by one logarithm."""
    ratio = (1 + tf.exp(-tf.abs(a))) / (1 + tf.exp(-tf.abs(b)))
    return tf.maximum(a, 0.0) - tf.maximum(b, 0.0) + tf.math.log(ratio)
