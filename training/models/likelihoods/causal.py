"""Mixtures of logistics whose parameters follow from the pixels before, by a small causal network."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.likelihoods.autoregressive import shifted
from training.models.likelihoods.base import LEVELS, START, only_parameter
from training.models.likelihoods.logistic import (
    MIN_SCALE,
    START_SCALE,
    DiscretizedLogistic,
    log_level_prob,
    mixture_log_prob,
    planes_of,
)
from training.types import Array, Tensor

DEVIATION = 64.0  # levels that are one for the hidden units: about the deviation of a pixel of a texture
BELOW, ABOVE, REACH = 2, 1, 4  # rows around a pixel that neighbours may lie in; diagonals before its own
LARGEST = 80.0  # softplus' input of the widest scale, 1,600 levels
START_SPREAD = 0.02  # standard deviation of the last layer's first weights: it begins with next to nothing


class CausalLogistic(DiscretizedLogistic):
    """A mixture of discretized logistics whose parameters follow from the pixels before: a model of texture.

    The decoder gives for every pixel a base m(z), the parameters of a mixture, coefficients a_n(z) and the
    input c(z) of some hidden units. With d the neighbours' deviations from their own bases, the mixture is
    that of ``DiscretizedLogistic`` with

        logits, means, scales = what the decoder gives + O relu(c + W d), before they become levels, and
        every mean moved by sum_n tanh(a_n) d_n over the `LINEAR` nearest neighbours.

    W and O are this likelihood's own weights, the same for all pixels, which train with the networks. Every
    neighbour lies on an earlier diagonal i + j, so that p(x given z) is one exact probability by the chain
    rule, as of PixelCNN (van den Oord et al. 2016), and a whole diagonal is drawn at once. Beyond the border
    the deviation is zero.

    With a `block` of b, all pixels of a square of b x b share a and c: each has its own m and mixture, and a
    part of the numbers of its square. To these are added, by a pixel's place in the square, weights of this
    likelihood's own. So a pixel has 22 numbers in place of 55 (3 components, 40 hidden units), and a decoder
    less to give: an image loses little by it, as the numbers of a square come from one place of the maps
    before.

    ``mean`` gives the base m(z), which training pulls to E[x given z] by a squared error
    (``objective.mean_weight``): the expectation itself has no closed form.

    Args:
        components: K, of the mixture.
        hidden_units: of the causal network.
        block: the side of the squares of pixels that share their coefficients and the hidden units' input.

    Raises:
        ValueError: fewer than one component or hidden unit, or no square.
    """

    name = "causal-logistic"
    knows_texture = True
    description = "a mixture of discretized logistics given the pixels before, by a small causal network"
    # (rows up, columns left); the first LINEAR have coefficients of their own.
    NEIGHBOURS: ClassVar = (
        *((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)),
        *((1, 2), (2, 1), (2, 2), (2, -1), (-1, 2)),
    )
    LINEAR = 5
    network: "CausalWeights"

    def __init__(self, components: int, hidden_units: int, block: int = 1) -> None:
        super().__init__(components)
        for name, value in (("hidden_units", hidden_units), ("block", block)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1. Received: {value!r}")
        self.hidden_units, self.block = hidden_units, block
        shared, outputs = self.LINEAR + hidden_units, 3 * components
        self.num_parameters = 1 + outputs + -(-shared // block**2)  # the last are its part of the square's
        self.network = CausalWeights(len(self.NEIGHBOURS), hidden_units, outputs, block**2, shared)

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"components": self.components, "hidden_units": self.hidden_units, "block": self.block}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        logits, means, scales = self._conditionals(levels, decoded)
        log_prob = log_level_prob(levels[..., None], means, scales)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits, axis=-1) + log_prob, axis=-1)

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        logits, means, scales = self._conditionals(levels, decoded)
        # Of 1 / x, x transposed, LiteRT's converter makes x / 1, transposed: so the quotient comes first.
        return mixture_log_prob(levels, *map(planes_of, (logits, means, 1 / scales)))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the base m(z), (B, *S)."""
        return self.mean_of(decoded[..., :1])

    @property
    def mean_weights(self) -> Array:
        """The first parameter alone, (P, 1)."""
        return np.eye(self.num_parameters, 1, dtype=np.float32)

    def mean_of(self, combined: Tensor) -> Tensor:  # noqa: D102
        return only_parameter(combined)

    @property
    def service_weights(self) -> dict[str, Array] | None:
        """W, for deviations in levels, O, what places in a square add: the graph of all diagonals is slow.

        Only differences of logits count: where pixels share, O has a column less, and nothing for the first.
        """
        network, out = self.network, np.array(self.network.out)
        into = np.asarray(network.into) / DEVIATION
        if network.within is None:
            return {"into": into, "out": out}
        out[:, 1 : self.components] -= out[:, :1]
        return {"into": into, "out": out[:, 1:], "within": np.asarray(network.within)}

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw a whole diagonal at a time: its neighbours lie on earlier ones."""
        height, width = decoded.shape[1:3]
        order = diagonals(height, width)
        base, mixture, coefficients, hidden = self._parts(decoded)
        choice, uniform = tf.unstack(noise, axis=-1)
        parts = (
            base[..., 0] * LEVELS,
            mixture[..., None, :],
            tf.tanh(coefficients)[..., None, :],
            hidden[..., None, :],
            choice,
            tf.math.log(uniform) - tf.math.log1p(-uniform),
        )
        network = _Unrolled(self)
        nothing = tf.zeros_like(decoded[:, 0, :1, 0])  # of a batch of any size
        nothing = tf.pad(nothing, [(0, 0), (BELOW, height - 1 + ABOVE)])
        before, drawn = [nothing] * REACH, []  # deviations of the diagonals before, the nearest first
        for pixels, diagonal in zip(order, by_diagonals(parts, order), strict=True):
            centre, given, weights, inputs, choice, deviate = diagonal
            first, count = int(pixels[0]) // width, len(pixels)
            around = tf.stack(before, axis=-1)[:, first : first + count + BELOW + ABOVE]
            mixed = given + network(inputs, weights, around[:, :, None])
            level = self._drawn(mixed, centre, choice, deviate)
            drawn.append(level)
            edges = [(0, 0), (BELOW + first, ABOVE + height - first - count)]
            before = [tf.pad(level - centre, edges), *before[:-1]]
        return of_diagonals(drawn, order, (height, width)) / LEVELS

    def _drawn(self, mixture: Tensor, base: Tensor, choice: Tensor, deviate: Tensor) -> Tensor:
        """Return levels drawn from mixtures whose parameters are (N, n, 1, 3 K), all else (N, n).

        The base is in levels, `choice` uniform on (0, 1), `deviate` a draw of the standard logistic.
        """
        planes = tf.transpose(tf.squeeze(mixture, 2), (2, 0, 1))
        logits, means, scales = tf.split(planes, 3)
        weights = tf.unstack(tf.exp(logits - tf.reduce_max(logits, axis=0, keepdims=True)))
        *edges, total = itertools.accumulate(weights)
        chosen = choice * total
        centres = (np.arange(self.components, dtype=np.float32) + 0.5) / self.components - 0.5
        mean, *means = (each + centre for each, centre in zip(tf.unstack(means), centres, strict=True))
        scale, *scales = tf.unstack(scales)
        for edge, next_mean, next_scale in zip(edges, means, scales, strict=True):
            mean = tf.where(chosen >= edge, next_mean, mean)
            scale = tf.where(chosen >= edge, next_scale, scale)
        # softplus, by a logarithm that float32 has for such an input
        spread = MIN_SCALE - START_SCALE * tf.math.log(tf.sigmoid(-tf.minimum(scale + START, LARGEST)))
        return tf.clip_by_value(tf.round(base + LEVELS * mean + spread * deviate), 0.0, LEVELS)

    def _conditionals(self, levels: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, means and scales of every pixel given those before, (B, *S, K); levels (B, *S)."""
        base, mixture, coefficients, hidden = self._parts(decoded)
        deviation = levels - LEVELS * base[..., 0]
        rows = len(deviation.shape) - 2
        neighbours = tf.stack([shifted(deviation, *by, axis=rows) for by in self.NEIGHBOURS], axis=-1)
        nearest = neighbours[..., : self.LINEAR]
        moved = tf.reduce_sum(tf.tanh(coefficients) * nearest, axis=-1, keepdims=True)
        mixture += self.network(hidden, neighbours / DEVIATION)
        logits, means, scales = tf.split(mixture, 3, axis=-1)
        # Codes that no image has may ask for scales beyond all numbers, of which no level has a probability.
        scales = tf.minimum(scales, LARGEST - START)
        means, scales = self._in_levels(means + base - 0.5, scales, axis=-1)
        return logits, means + moved, scales

    def _parts(self, decoded: Tensor) -> list[Tensor]:
        """Return the base, the mixture's parameters, the coefficients and the hidden units' input."""
        sizes = [1, 3 * self.components, -1]
        base, mixture, shared = tf.split(decoded, sizes, axis=-1, num=3)
        return [base, mixture, *self._of_squares(shared)]

    def _of_squares(self, shares: Tensor) -> list[Tensor]:
        """Return the coefficients and the hidden units' input of every pixel, of the pixels' shares."""
        sizes, block = [self.LINEAR, self.hidden_units], self.block
        if block > 1:
            height, width, share = shares.shape[-3:]
            squares = tf.nn.space_to_depth(tf.reshape(shares, (-1, height, width, share)), block)
            places = tf.tile(squares[..., : sum(sizes)], (1, 1, 1, block**2))
            places += tf.reshape(self.network.within, (-1,))
            shape = tf.concat([tf.shape(shares)[:-1], [sum(sizes)]], axis=0)
            shares = tf.reshape(tf.nn.depth_to_space(places, block), shape)
        return list(tf.split(shares, sizes, axis=-1))


class CausalWeights(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """W and O: from the deviations of `neighbours` pixels to additions to `outputs` parameters.

    Attributes:
        within: by the place of a pixel in its square, what is added to the coefficients and the hidden units'
            input of the square, (places, shared); None where squares are single pixels.
    """

    def __init__(
        self, neighbours: int, hidden_units: int, outputs: int, places: int = 1, shared: int = 0
    ) -> None:
        super().__init__(name="causal")
        self.into = self.add_weight((neighbours, hidden_units), "glorot_uniform", name="into")
        start = keras.initializers.RandomNormal(stddev=START_SPREAD)
        self.out = self.add_weight((hidden_units, outputs), start, name="out")
        self.within = self.add_weight((places, shared), "zeros", name="within") if places > 1 else None

    def call(self, hidden: Any, neighbours: Any) -> Any:
        """Return O relu(hidden + W neighbours): (..., outputs)."""
        inner = keras.ops.relu(hidden + keras.ops.matmul(neighbours, self.into))
        return keras.ops.matmul(inner, self.out)


class _Unrolled:
    """The causal network and the linear part as two convolutions along a diagonal.

    Args:
        likelihood: whose weights they are.
    """

    def __init__(self, likelihood: CausalLogistic) -> None:
        network, nearest = likelihood.network, likelihood.LINEAR
        # Where each neighbour lies in a window of rows of the diagonals before, the nearest diagonal first.
        place = np.zeros((BELOW + ABOVE + 1, REACH, len(likelihood.NEIGHBOURS)), np.float32)
        for number, (up, left) in enumerate(likelihood.NEIGHBOURS):
            place[BELOW - up, up + left - 1, number] = 1
        shape = (BELOW + ABOVE + 1, 1, REACH, -1)
        self._into = tf.reshape(tf.tensordot(place, network.into / DEVIATION, 1), shape)
        self._nearest = place[..., :nearest].reshape(shape)
        moved = np.zeros((nearest, 3, likelihood.components), np.float32)
        moved[:, 1] = 1 / LEVELS  # every mean
        self._out = tf.concat([network.out, moved.reshape(nearest, -1)], axis=0)[None, None]

    def __call__(self, hidden: Tensor, coefficients: Tensor, around: Tensor) -> Tensor:
        """Return what to add to the mixture's parameters, (N, n, 1, 3 K).

        Args:
            hidden: the hidden units' input, (N, n, 1, hidden_units).
            coefficients: of the nearest neighbours, (N, n, 1, LINEAR).
            around: deviations of the diagonals before, in levels, (N, BELOW + n + ABOVE, 1, REACH).
        """
        inner = tf.nn.relu(hidden + tf.nn.conv2d(around, self._into, 1, "VALID"))
        linear = coefficients * tf.nn.conv2d(around, self._nearest, 1, "VALID")
        return tf.nn.conv2d(tf.concat([inner, linear], axis=-1), self._out, 1, "VALID")


def diagonals(height: int, width: int) -> list[npt.NDArray[np.int32]]:
    """Return the pixels of every diagonal i + j, by their numbers in reading order, the highest row first."""
    rows, columns = np.mgrid[:height, :width]
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return [numbers[rows + columns == number] for number in range(height + width - 1)]


def by_diagonals(parts: Iterable[Tensor], order: list[npt.NDArray[np.int32]]) -> Iterator[tuple[Tensor, ...]]:
    """Yield of each diagonal what it has of every part: of (B, H, W, ...) its n pixels', (B, n, ...)."""
    sizes = [len(diagonal) for diagonal in order]
    flat = [tf.reshape(part, (-1, sum(sizes), *part.shape[3:])) for part in parts]
    split = [tf.split(tf.gather(part, np.concatenate(order), axis=1), sizes, axis=1) for part in flat]
    yield from zip(*split, strict=True)


def of_diagonals(drawn: list[Tensor], order: list[npt.NDArray[np.int32]], shape: tuple[int, ...]) -> Tensor:
    """Return (B, *shape) of the pixels of diagonals: the inverse of ``by_diagonals``."""
    levels = tf.gather(tf.concat(drawn, axis=1), np.argsort(np.concatenate(order)), axis=1)
    return tf.reshape(levels, (-1, *shape))
