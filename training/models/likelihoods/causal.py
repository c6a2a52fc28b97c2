"""Mixtures of logistics whose parameters follow from the pixels before, by a small causal network."""

from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from training.models.likelihoods.autoregressive import (
    by_diagonals,
    of_diagonals,
    pictures,
    shifted,
)
from training.models.likelihoods.base import LEVELS, only_parameter
from training.models.likelihoods.logistic import (
    DiscretizedLogistic,
    log_level_prob,
    logistic_draw,
    mixture_log_prob,
    planes_of,
)
from training.types import Array, Tensor

DEVIATION = 64.0  # levels that are one for the hidden units: about the deviation of a pixel of a texture
BELOW, ABOVE = 2, 1  # rows around a diagonal that neighbours may lie in
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

    ``mean`` gives the base m(z), which training pulls to E[x given z] by a squared error
    (``objective.mean_weight``): the expectation itself has no closed form.

    Args:
        components: K, of the mixture.
        hidden_units: of the causal network.

    Raises:
        ValueError: fewer than one component or hidden unit.
    """

    name = "causal-logistic"
    description = "a mixture of discretized logistics given the pixels before, by a small causal network"
    # (rows up, columns left); the first LINEAR have coefficients of their own.
    NEIGHBOURS: ClassVar = (
        *((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)),
        *((1, 2), (2, 1), (2, 2), (2, -1), (-1, 2)),
    )
    LINEAR = 5

    def __init__(self, components: int, hidden_units: int) -> None:
        super().__init__(components)
        if hidden_units < 1:
            raise ValueError(f"hidden_units: expected at least 1. Received: {hidden_units!r}")
        self.hidden_units = hidden_units
        self._sizes = [1, 3 * components, self.LINEAR, hidden_units]
        self.num_parameters = sum(self._sizes)
        self.network = CausalWeights(len(self.NEIGHBOURS), hidden_units, 3 * components)

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"components": self.components, "hidden_units": self.hidden_units}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        logits, means, scales = self._conditionals(levels, decoded)
        log_prob = log_level_prob(levels[..., None], means, scales)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits, axis=-1) + log_prob, axis=-1)

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        levels = tf.round(images * LEVELS)
        logits, means, scales = (planes_of(part) for part in self._conditionals(levels, decoded))
        return mixture_log_prob(levels, logits, means, 1 / scales)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the base m(z), (B, *S)."""
        return self.mean_of(decoded[..., :1])

    @property
    def mean_weights(self) -> Array:
        """The first parameter alone, (P, 1)."""
        return np.eye(self.num_parameters, 1, dtype=np.float32)

    def mean_of(self, combined: Tensor) -> Tensor:  # noqa: D102
        return only_parameter(combined)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw a whole diagonal at a time: its neighbours lie on earlier ones."""
        height, width = decoded.shape[1:3]
        planes = tf.concat([pictures(decoded), pictures(noise)], axis=0)
        deviations: list[Tensor] = []  # of the diagonals before, (rows around + H, N)
        drawn = []
        for number, diagonal in enumerate(by_diagonals(planes)):  # (P + 2, H, N)
            first, last = max(0, number - width + 1), min(height, number + 1)
            base, *rest = tf.split(diagonal[:, first:last], [*self._sizes, 2], axis=0)
            neighbours = [
                deviations[number - up - left][BELOW - up + first : BELOW - up + last]
                if number >= up + left
                else tf.zeros_like(base[0])
                for up, left in self.NEIGHBOURS
            ]
            level = self._drawn(base[0], rest, neighbours)
            around = [(BELOW + first, ABOVE + height - last), (0, 0)]
            deviations.append(tf.pad(level - LEVELS * base[0], around))
            drawn.append(tf.pad(level, [(first, height - last), (0, 0)]))
        images = tf.reshape(of_diagonals(drawn, width), (-1, height, width))
        return images / LEVELS

    def _drawn(self, base: Tensor, rest: list[Tensor], neighbours: list[Tensor]) -> Tensor:
        """Return the levels drawn for some pixels, (n, N), given their neighbours' deviations."""
        mixture, coefficients, hidden, noise = rest
        nearest = zip(tf.unstack(tf.tanh(coefficients)), neighbours, strict=False)
        moved = tf.add_n([weight * deviation for weight, deviation in nearest])
        mixture += self.network.of_planes(hidden, tf.stack(neighbours) / DEVIATION)
        logits, means, scales = tf.split(mixture, 3, axis=0)
        planes = tf.concat([logits, means + (base - 0.5), scales], axis=0)
        value = logistic_draw(self._components(planes, self.components), *tf.unstack(noise))
        return tf.clip_by_value(tf.round(value + moved), 0.0, LEVELS)

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
        means, scales = self._in_levels(means + base - 0.5, scales, axis=-1)
        return logits, means + moved, scales

    def _parts(self, decoded: Tensor) -> list[Tensor]:
        """Return the base, the mixture's parameters, the coefficients and the hidden units' input."""
        return tf.split(decoded, self._sizes, axis=-1)


class CausalWeights(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """W and O: from the deviations of `neighbours` pixels to additions to `outputs` parameters."""

    def __init__(self, neighbours: int, hidden_units: int, outputs: int) -> None:
        super().__init__(name="causal")
        self.into = self.add_weight((neighbours, hidden_units), "glorot_uniform", name="into")
        start = keras.initializers.RandomNormal(stddev=START_SPREAD)
        self.out = self.add_weight((hidden_units, outputs), start, name="out")

    def call(self, hidden: Any, neighbours: Any) -> Any:
        """Return O relu(hidden + W neighbours): (..., outputs)."""
        inner = keras.ops.relu(hidden + keras.ops.matmul(neighbours, self.into))
        return keras.ops.matmul(inner, self.out)

    def of_planes(self, hidden: Tensor, neighbours: Tensor) -> Tensor:
        """Return what ``call`` does with the last axis first, (outputs, n, N)."""
        count = hidden.shape[1]

        def flat(planes: Tensor) -> Tensor:
            return tf.reshape(planes, (planes.shape[0], -1))

        inner = tf.nn.relu(flat(hidden) + tf.matmul(self.into, flat(neighbours), transpose_a=True))
        outputs = tf.matmul(self.out, inner, transpose_a=True)
        return tf.reshape(outputs, (outputs.shape[0], count, -1))
