"""Layers that several kinds of network share.

B is the batch, D the number of latent axes, P the numbers that a likelihood needs for every pixel and colour;
images are (B, H, W) grey or (B, H, W, C) in colour, float32 in [0, 1].
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from training.errors import ConfigError
from training.models.likelihoods.base import Likelihood


def centred_images(image_shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return an input for images, and what it holds as maps (B, H, W, C) in [-1, 1]."""
    images = keras.Input(image_shape, name="images")
    maps = keras.layers.Reshape((*image_shape[:2], math.prod(image_shape[2:])))(images)
    return images, keras.layers.Rescaling(2.0, offset=-1.0)(maps)


def dense_layers(hidden: Any, units: Sequence[int], activation: str = "silu") -> Any:
    """Return `hidden` after dense layers of these widths."""
    for width in units:
        hidden = keras.layers.Dense(width, activation=activation)(hidden)
    return hidden


def posterior(images: Any, hidden: Any, latent_dim: int) -> keras.Model:
    """Return the encoder that ends in two linear layers: images -> [z_mean (B, D), z_log_var (B, D)]."""
    z_mean = keras.layers.Dense(latent_dim, name="z_mean")(hidden)
    z_log_var = keras.layers.Dense(latent_dim, name="z_log_var")(hidden)
    return keras.Model(images, [z_mean, z_log_var], name="encoder")


def own_parameters(likelihood: Likelihood) -> int:
    """Return how many of the P numbers every pixel has for itself."""
    return likelihood.num_parameters - likelihood.num_shared


def pixel_parameters(
    z: Any, pixels: Any, image_shape: tuple[int, ...], likelihood: Likelihood
) -> keras.Model:
    """Return the decoder z (B, D) -> (B, *image_shape, P) that ends in `pixels`, own numbers in any shape."""
    parameters = keras.layers.Reshape((*image_shape, own_parameters(likelihood)))(pixels)
    if likelihood.num_shared:
        parameters = SharedParameters(likelihood.num_shared)(parameters)
    return keras.Model(z, parameters, name="decoder")


def halved(image_shape: tuple[int, ...], times: int) -> tuple[int, int]:
    """Return height and width after halving an image `times` times.

    Raises:
        ConfigError: they do not divide.
    """
    height, width = image_shape[:2]
    if times < 1 or height % 2**times or width % 2**times:
        raise ConfigError(
            f"network.channels: expected 1 or more, as often as {height} x {width} can be halved. "
            f"Received: {times}"
        )
    return height // 2**times, width // 2**times


class SharedParameters(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Appends learned numbers, the same for every pixel and image, to the last axis; they start at zero.

    Args:
        num_shared: how many.
    """

    def __init__(self, num_shared: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_shared = num_shared

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002  Keras' signature
        """Create the numbers."""
        self.shared = self.add_weight(shape=(self.num_shared,), initializer="zeros", name="shared")

    def call(self, parameters: Any) -> Any:
        """Return (..., P) of (..., P - num_shared)."""
        shape = (*keras.ops.shape(parameters)[:-1], self.num_shared)
        return keras.ops.concatenate([parameters, keras.ops.broadcast_to(self.shared, shape)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with the last axis grown."""
        return (*input_shape[:-1], (input_shape[-1] or 0) + self.num_shared)
