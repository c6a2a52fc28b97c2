"""Mixtures over colours given the pixels before: around neighbours' colours, or around what the code says."""

import numpy as np
import tensorflow as tf

from training.models.likelihoods.autoregressive import shifted
from training.models.likelihoods.base import LEVELS, START
from training.models.likelihoods.causal import (
    ABOVE,
    BELOW,
    LARGEST,
    REACH,
    CausalLogistic,
    CausalWeights,
    by_diagonals,
    diagonals,
    of_diagonals,
)
from training.models.likelihoods.colour import (
    COLOURS,
    check_colours,
    drawn_levels,
    log_prob_by_planes,
    log_prob_of_colours,
)
from training.models.likelihoods.logistic import MIN_SCALE, START_SCALE, chosen_of, planes_of
from training.types import Array, Tensor

NUM_COPIES = 3  # components around neighbours: the left one, the one above, the plane through three
# Pairs of neighbours, by their numbers, whose differences the network sees: whether an edge lies between.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 4), (2, 7))
COMPRESSION = 4.0  # of log(1 + |d|): a difference of fifty levels is one for the hidden units


class CausalColourLogistic(CausalLogistic):
    """A mixture over the colours of a pixel: copies of neighbours, or new colours by the code.

    The decoder gives a base m(z) for every colour of a pixel. With d the differences of the neighbours from
    the base of the pixel itself, the mean of component k is

        m + p_k + s_k o_k

    where s_k is its scale, and m + p_k the left neighbour, the one above, or left + above - the one between,
    as PNG and WebP predict, for the first three components; p_k is zero for the `components` others. What
    the decoder gives plus O relu(c + W f) are: the logits of the weights, which the three colours add and
    share; o; the scales; the coefficients by which the colours lean on each other (``ColourLogistic``). c(z)
    is the decoder's, f are the d and the differences of ``EDGES`` as sign(d) log(1 + |d|), W and O are the
    likelihood's own weights. Beyond the border d is zero.

    So a flat region costs next to nothing and is drawn flat: a copy is exact however far off the base is.
    ``mean`` gives the base, and a whole diagonal is drawn at once, both as of ``CausalLogistic``.

    Args:
        components: those around the base; there are three more.
        hidden_units: of the causal network, for each colour.

    Raises:
        ValueError: fewer than one component or hidden unit.
    """

    name = "causal-colour-logistic"
    description = (
        "a mixture of discretized logistics around neighbours' colours and the code's, by a small causal "
        "network; colours lean on each other"
    )
    LINEAR = 0

    def __init__(self, components: int, hidden_units: int) -> None:
        super().__init__(components, hidden_units)
        self.total = NUM_COPIES + components  # K
        self.num_parameters = 1 + 4 * self.total + hidden_units
        inputs = COLOURS * (len(self.NEIGHBOURS) + len(EDGES))
        self.network = CausalWeights(inputs, COLOURS * hidden_units, COLOURS * 4 * self.total)

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"components": self.components, "hidden_units": self.hidden_units}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log P(red), log P(green given red), log P(blue given both) of every pixel, (B, *S).

        Raises:
            ValueError: the images are not in colour, (B, H, W, 3).
        """
        levels = _levels(images)
        return log_prob_of_colours(levels, *self._mixture(self._differences(levels, decoded), decoded))

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = _levels(images)
        logits, means, scales, coefficients = self._mixture(self._differences(levels, decoded), decoded)
        # Of 1 / x, x transposed, LiteRT's converter makes x / 1, transposed: so the quotient comes first.
        parts = (means, 1 / scales, coefficients)
        planes = (map(planes_of, tf.unstack(part, axis=-2)) for part in parts)
        return log_prob_by_planes(
            tf.unstack(levels, axis=-1), planes_of(logits), list(zip(*planes, strict=True))
        )

    @property
    def service_weights(self) -> None:
        """None: the graph draws."""

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (H, W, 4): one number chooses the component of a pixel, three its colours."""
        return (*image_shape[:-1], 1 + COLOURS)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw a whole diagonal at a time: its neighbours lie on earlier ones."""
        height, width = decoded.shape[1:3]
        order, inside = diagonals(height, width), _inside(height, width, self.NEIGHBOURS)
        nothing = tf.zeros_like(decoded[:, 0, :1, :, 0])  # (B, 1, 3), of a batch of any size
        nothing = tf.pad(nothing, [(0, 0), (BELOW, height - 1 + ABOVE), (0, 0)])
        before, drawn = [nothing] * REACH, []  # levels of the diagonals before, the nearest first
        for pixels, (given, numbers) in zip(order, by_diagonals((decoded, noise), order), strict=True):
            first, count = int(pixels[0]) // width, len(pixels)
            starts = [(before[up + left - 1], BELOW + first - up) for up, left in self.NEIGHBOURS]
            around = tf.stack([rows[:, start : start + count] for rows, start in starts], axis=-1)
            mask = inside.reshape(height * width, 1, -1)[pixels]
            differences = (around - LEVELS * given[..., :1]) * mask
            levels = _drawn(self._mixture(differences, given), numbers)
            drawn.append(levels)
            edges = [(0, 0), (BELOW + first, ABOVE + height - first - count), (0, 0)]
            before = [tf.pad(levels, edges), *before[:-1]]
        return of_diagonals(drawn, order, (height, width, COLOURS)) / LEVELS

    def _differences(self, levels: Tensor, decoded: Tensor) -> Tensor:
        """Return the neighbours' differences from every pixel's base, in levels, (B, H, W, 3, N)."""
        rows = len(levels.shape) - 3
        around = tf.stack([shifted(levels, *by, axis=rows) for by in self.NEIGHBOURS], axis=-1)
        height, width = levels.shape[rows : rows + 2]
        inside = _inside(height, width, self.NEIGHBOURS)
        return (around - LEVELS * decoded[..., :1]) * inside[:, :, None]

    def _mixture(self, differences: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return logits (..., K), means, scales and coefficients (..., 3, K); of differences (..., 3, N)."""
        base, given, hidden = tf.split(decoded, [1, 4 * self.total, self.hidden_units], axis=-1)
        each = tf.unstack(differences, axis=-1)
        seen = tf.stack([*each, *(each[one] - each[other] for one, other in EDGES)], axis=-1)
        seen = tf.sign(seen) * tf.math.log1p(tf.abs(seen)) / COMPRESSION
        side_by_side = (tf.concat(tf.unstack(part, axis=-2), axis=-1) for part in (hidden, seen))
        given += tf.stack(tf.split(self.network(*side_by_side), COLOURS, axis=-1), axis=-2)
        logits, offsets, scales, coefficients = tf.split(given, 4, axis=-1)
        scales = MIN_SCALE + START_SCALE * tf.math.softplus(tf.minimum(scales + START, LARGEST))
        left, above, between, *_ = each
        copies = [left, above, left + above - between]
        around = tf.stack([*copies, *[tf.zeros_like(left)] * self.components], axis=-1)
        means = LEVELS * base + around + scales * offsets
        return tf.reduce_sum(logits, axis=-2), means, scales, tf.tanh(coefficients)


def _levels(images: Tensor) -> Tensor:
    check_colours(images)
    return tf.round(images * LEVELS)


def _inside(height: int, width: int, neighbours: tuple[tuple[int, int], ...]) -> Array:
    """Return one where a pixel's neighbour lies in the image, else zero, (H, W, N) float32."""
    rows, columns = np.mgrid[:height, :width]
    known = [
        (rows >= up) & (columns >= left) & (rows - up < height) & (columns - left < width)
        for up, left in neighbours
    ]
    return np.stack(known, axis=-1).astype(np.float32)


def _drawn(mixture: tuple[Tensor, Tensor, Tensor, Tensor], noise: Tensor) -> Tensor:
    """Return levels, (B, n, 3), by noise (B, n, 4)."""
    logits, *parts = mixture
    choice, *uniform = tf.unstack(noise, axis=-1)
    weights = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    chosen = tf.stack(chosen_of(tf.unstack(weights, axis=-1), choice), axis=-1)[..., None, :]
    means, scales, coefficients = (
        tf.unstack(tf.reduce_sum(chosen * part, axis=-1), axis=-1) for part in parts
    )
    return tf.stack(drawn_levels(means, scales, coefficients, uniform), axis=-1)
