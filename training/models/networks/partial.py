"""A decoder that gives some of its parameters only, by the same weights.

The mean of p(x given z) may need fewer parameters of a pixel than a draw does, and the last layer, which
gives them at full size, is a third of a decoder's work.
"""

from typing import Any

import keras

from training.models.likelihoods.base import Likelihood
from training.models.networks.conv import Conv2DTranspose, doubled


def of_mean(decoder: keras.Model, likelihood: Likelihood) -> keras.Model:
    """Return a decoder of the parameters that ``likelihood.mean`` reads: z (B, D) -> (B, *S, those).

    It shares the weights of `decoder`, which is returned itself if the mean reads them all.
    """
    kept, own = likelihood.mean_parameters, likelihood.num_parameters - likelihood.num_shared
    if kept >= own:
        return decoder
    last = [layer for layer in decoder.layers if hasattr(layer, "kernel")][-1]
    if likelihood.num_shared:
        raise ValueError("a decoder with shared parameters: expected a mean that reads all others")

    def shared(layer: keras.layers.Layer) -> keras.layers.Layer:
        return _FirstParameters(layer, own, kept) if layer is last else layer

    return keras.models.clone_model(decoder, clone_function=shared)


class _FirstParameters(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """A decoder's last linear layer, but for outputs that are not among the first of their pixel's.

    Args:
        whole: the layer, whose outputs are groups of `own`, a pixel's parameters side by side.
        own: parameters of a pixel.
        kept: how many of them are computed, the first ones.
    """

    def __init__(self, whole: keras.layers.Layer, own: int, kept: int) -> None:
        super().__init__()
        self.whole, self.own, self.kept = whole, own, kept

    def call(self, inputs: Any) -> Any:
        """Return what `whole` does, (..., outputs * kept / own)."""
        layer = self.whole
        doubling = isinstance(layer, Conv2DTranspose)
        kernel, bias = self._first(layer.kernel, -2 if doubling else -1), self._first(layer.bias, -1)
        if doubling:
            return doubled(inputs, kernel) + bias
        if isinstance(layer, keras.layers.Dense):
            return keras.ops.matmul(inputs, kernel) + bias
        return keras.ops.conv(inputs, kernel, strides=layer.strides, padding=layer.padding) + bias

    def _first(self, weights: Any, axis: int) -> Any:
        groups = weights.shape[axis] // self.own
        indices = [group * self.own + k for group in range(groups) for k in range(self.kept)]
        return keras.ops.take(weights, indices, axis=axis)
