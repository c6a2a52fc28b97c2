"""Encoders and decoders, as plain Keras models.

B is the batch, D the number of latent axes; images are (B, H, W) float32 in [0, 1].
"""

import math
from collections.abc import Sequence
from typing import Any

import keras


def dense_encoder(image_shape: tuple[int, ...], units: Sequence[int], latent_dim: int) -> keras.Model:
    """Build q(z given x): images (B, H, W) -> [z_mean (B, D), z_log_var (B, D)].

    Args:
        image_shape: (H, W).
        units: widths of the hidden ReLU layers.
        latent_dim: D.
    """
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Flatten()(images)
    for width in units:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    z_mean = keras.layers.Dense(latent_dim, name="z_mean")(hidden)
    z_log_var = keras.layers.Dense(latent_dim, name="z_log_var")(hidden)
    return keras.Model(images, [z_mean, z_log_var], name="encoder")


def dense_decoder(
    latent_dim: int,
    units: Sequence[int],
    image_shape: tuple[int, ...],
    num_parameters: int = 1,
    num_shared: int = 0,
) -> keras.Model:
    """Build g(z): z (B, D) -> (B, *image_shape, P), what a likelihood needs for every pixel; linear.

    Args:
        latent_dim: D.
        units: widths of the hidden ReLU layers.
        image_shape: (H, W).
        num_parameters: P, numbers for each pixel.
        num_shared: how many of the P, the last ones, are one learned number for all pixels and images.
    """
    z = keras.Input((latent_dim,), name="z")
    hidden = z
    for width in units:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    own = num_parameters - num_shared
    pixels = keras.layers.Dense(math.prod(image_shape) * own)(hidden)
    parameters = keras.layers.Reshape((*image_shape, own))(pixels)
    if num_shared:
        parameters = SharedParameters(num_shared)(parameters)
    return keras.Model(z, parameters, name="decoder")


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
