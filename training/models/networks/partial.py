"""A decoder that gives no more than the mean of p(x given z) needs, by the same weights.

The mean depends on fewer numbers of a pixel than a draw does, and the last layer, which gives them at full
size, is a third of a decoder's work.
"""

from collections.abc import Callable
from typing import Any

import keras

from training.models.likelihoods.base import Likelihood
from training.models.networks.conv import Conv2DTranspose, doubled
from training.types import Array, Tensor


class MeanDecoder:
    """Decodes codes (B, D) to means (B, *S), as ``likelihood.mean`` does what `decoder` gives.

    Args:
        decoder: of all parameters; its weights are shared.
        likelihood: what they are for.
    """

    def __init__(self, decoder: keras.Model, likelihood: Likelihood) -> None:
        combine = likelihood.mean_weights
        self._mean: Callable[[Tensor], Tensor] = likelihood.mean
        self._decoder = decoder
        if combine is None:
            return
        last = [layer for layer in decoder.layers if hasattr(layer, "kernel")][-1]

        def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
            return _Combined(layer, combine) if layer is last else layer

        self._decoder = keras.models.clone_model(decoder, clone_function=replaced)
        self._mean = likelihood.mean_of

    def __call__(self, z: Tensor) -> Tensor:
        """Return the means of codes."""
        return self._mean(self._decoder(z, training=False))


class _Combined(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Linear combinations of the outputs of a decoder's last layer, computed without these.

    Args:
        layer: linear, with outputs in groups of P, a pixel's parameters side by side.
        combine: (P, Q), the combinations of each group.
    """

    def __init__(self, layer: keras.layers.Layer, combine: Array) -> None:
        super().__init__()
        self.layer, self.combine = layer, combine

    def call(self, inputs: Any) -> Any:
        """Return what the layer does, times `combine`: (..., outputs * Q / P)."""
        layer = self.layer
        kernel, bias = layer.kernel, self._combined(layer.bias)
        if isinstance(layer, Conv2DTranspose):
            kernel = keras.ops.swapaxes(self._combined(keras.ops.swapaxes(kernel, -1, -2)), -1, -2)
            return doubled(inputs, kernel) + bias
        kernel = self._combined(kernel)
        if isinstance(layer, keras.layers.Dense):
            return keras.ops.matmul(inputs, kernel) + bias
        return keras.ops.conv(inputs, kernel, strides=layer.strides, padding=layer.padding) + bias

    def _combined(self, weights: Any) -> Any:
        """Return (..., groups * Q) of (..., groups * P)."""
        size, combined = self.combine.shape
        rest, groups = weights.shape[:-1], weights.shape[-1] // size
        by_group = keras.ops.reshape(weights, (*rest, groups, size))
        return keras.ops.reshape(keras.ops.matmul(by_group, self.combine), (*rest, groups * combined))
