"""Mixtures of logistics whose means depend on the pixels before: a model of texture."""

from typing import ClassVar

import tensorflow as tf

from training.models.likelihoods.base import LEVELS
from training.models.likelihoods.logistic import (
    DiscretizedLogistic,
    clipped_mean,
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
    knows_texture = True
    description = "a mixture of discretized logistics whose means lean on the neighbours' deviations"
    NEIGHBOURS: ClassVar = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))  # (rows up, columns left)

    def __init__(self, components: int) -> None:
        super().__init__(components)
        self.num_parameters = 3 * components + len(self.NEIGHBOURS)

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        planes = planes_of(decoded)
        logits, means, scales = self._split(planes, axis=0)
        levels, sharpness = tf.round(images * LEVELS), 1 / scales
        clipped = scales * _softplus_difference(means * sharpness, (means - LEVELS) * sharpness)
        centres = tf.reduce_sum(tf.nn.softmax(logits, axis=0) * clipped, axis=0)
        moved = self._moved(levels - centres, self._coefficients(planes, axis=0))
        return mixture_log_prob(levels, logits, means + moved, sharpness)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw pixel after pixel, a whole diagonal at a time: its neighbours lie on earlier ones."""
        height, width, *colours = decoded.shape[1:-1]
        planes, (choice, uniform) = _pictures(decoded), tf.unstack(_pictures(noise))
        components = self._components(planes, self.components)
        free = logistic_draw(components, choice, uniform)  # what would be drawn if no neighbour deviated
        leaning = self._coefficients(planes, axis=0)
        diagonals = _diagonals(tf.stack([free, clipped_mean(components), *leaning]))
        most = max(up for up, _ in self.NEIGHBOURS)
        deviations: list[Tensor] = []  # from the centres, below `most` rows of zeros
        drawn = []
        for number, (value, centre, *weights) in enumerate(diagonals):
            for (up, left), weight in zip(self.NEIGHBOURS, weights, strict=True):
                before = number - up - left
                if before >= 0:
                    value += weight * deviations[before][most - up : most - up + height]
            level = tf.clip_by_value(tf.round(value), 0.0, LEVELS)
            drawn.append(level)
            deviations.append(tf.pad(level - centre, [(most, 0), (0, 0)]))
        images = tf.reshape(_of_diagonals(drawn, width), (-1, *colours, height, width))
        return tf.transpose(images, (0, 2, 3, 1) if colours else (0, 1, 2)) / LEVELS

    def _coefficients(self, decoded: Tensor, axis: int = -1) -> list[Tensor]:
        """Return the weight of each neighbour, every one (B, *S); parameters lie along `axis`."""
        rest = decoded[..., 3 * self.components :] if axis == -1 else decoded[3 * self.components :]
        weights: list[Tensor] = tf.unstack(tf.tanh(rest), axis=axis)
        return weights

    def _conditional_means(self, means: Tensor, levels: Tensor, decoded: Tensor) -> Tensor:
        deviation = levels - LEVELS * self.mean(decoded)
        return means + self._moved(deviation, self._coefficients(decoded))[..., None]

    def _moved(self, deviation: Tensor, coefficients: list[Tensor]) -> Tensor:
        """Return by how much the neighbours' deviations move every pixel's means, (B, *S)."""
        pairs = zip(self.NEIGHBOURS, coefficients, strict=True)
        return sum(weight * shifted(deviation, *neighbour) for neighbour, weight in pairs)


def shifted(values: Tensor, down: int, right: int, axis: int = 1) -> Tensor:
    """Return `values` moved down and to the right, or by less than nothing up and to the left; zeros move in.

    Rows lie along `axis`, columns along the one behind it.
    """
    around = [(0, 0)] * len(values.shape)
    kept = [slice(None)] * len(values.shape)
    for number, by in ((axis, down), (axis + 1, right)):
        around[number] = (max(by, 0), max(-by, 0))
        kept[number] = slice(max(-by, 0), max(-by, 0) + values.shape[number])
    return tf.pad(values, around)[tuple(kept)]


def _pictures(values: Tensor) -> Tensor:
    """Return (P, N, H, W) of (B, H, W, P), or of (B, H, W, C, P): N is B, or B * C."""
    last = len(values.shape) - 1
    planes = tf.transpose(values, (last, 0, *range(3, last), 1, 2))
    return tf.reshape(planes, (values.shape[-1], -1, *values.shape[1:3]))


def _diagonals(planes: Tensor) -> list[list[Tensor]]:
    """Return (P, N, H, W) by diagonals i + j = t, t from 0 to H + W - 2: of each the P planes, (H, N).

    Row i of a plane is pixel (i, t - i); what lies beyond the image is zero. A diagonal's numbers lie in one
    piece, and so do those of some of its rows: LiteRT then needs a microsecond for an operation on them.
    """
    count, _, height, width = planes.shape
    padded = tf.reshape(
        tf.pad(planes, [(0, 0), (0, 0), (0, 0), (0, height)]), (count, -1, height * (width + height))
    )
    skewed = tf.reshape(
        padded[:, :, : height * (width + height - 1)], (count, -1, height, width + height - 1)
    )
    flat = tf.unstack(
        tf.reshape(tf.transpose(skewed, (3, 0, 2, 1)), ((width + height - 1) * count, height, -1))
    )
    return [flat[start : start + count] for start in range(0, len(flat), count)]


def _of_diagonals(diagonals: list[Tensor], width: int) -> Tensor:
    """Return (N, H, W) of diagonals, (H, N) each: the inverse of ``_diagonals``."""
    height = diagonals[0].shape[0]
    skewed = tf.transpose(tf.stack(diagonals), (2, 1, 0))
    padded = tf.pad(tf.reshape(skewed, (-1, height * len(diagonals))), [(0, 0), (0, height)])
    return tf.reshape(padded, (-1, height, len(diagonals) + 1))[:, :, :width]


def _softplus_difference(a: Tensor, b: Tensor) -> Tensor:
    """Return log(1 + exp(a)) - log(1 + exp(b)), by one logarithm."""
    ratio = (1 + tf.exp(-tf.abs(a))) / (1 + tf.exp(-tf.abs(b)))
    return tf.maximum(a, 0.0) - tf.maximum(b, 0.0) + tf.math.log(ratio)
