"""Encoders and decoders, as plain Keras models.

B is the batch, D the number of latent axes, P the numbers that a likelihood needs for every pixel and colour;
images are (B, H, W) grey or (B, H, W, C) in colour, float32 in [0, 1].
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from training.errors import ConfigError


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
    return _posterior(images, hidden, latent_dim)


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
    return keras.Model(z, _parameters(pixels, image_shape, own, num_shared), name="decoder")


def conv_encoder(
    image_shape: tuple[int, ...], channels: Sequence[int], units: Sequence[int], latent_dim: int
) -> keras.Model:
    """Build q(z given x) of convolutions that halve the image: images -> [z_mean (B, D), z_log_var (B, D)].

    Args:
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        channels: widths of the convolutions, from the image inwards.
        units: widths of the dense layers after them.
        latent_dim: D.

    Raises:
        ConfigError: the image cannot be halved that often.
    """
    height, width = halved(image_shape, len(channels))
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Reshape((*image_shape[:2], math.prod(image_shape[2:])))(images)
    hidden = keras.layers.Rescaling(2.0, offset=-1.0)(hidden)
    for number in channels:
        hidden = keras.layers.Conv2D(number, 4, strides=2, padding="same", activation="silu")(hidden)
    hidden = keras.layers.Reshape((height * width * channels[-1],))(hidden)
    for number in units:
        hidden = keras.layers.Dense(number, activation="silu")(hidden)
    return _posterior(images, hidden, latent_dim)


def conv_decoder(
    latent_dim: int,
    units: Sequence[int],
    channels: Sequence[int],
    image_shape: tuple[int, ...],
    num_parameters: int = 1,
    num_shared: int = 0,
) -> keras.Model:
    """Build g(z) of transposed convolutions that double the image: z (B, D) -> (B, *image_shape, P), linear.

    Args:
        latent_dim: D.
        units: widths of the dense layers.
        channels: widths of the convolutions, from z outwards.
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        num_parameters: P.
        num_shared: how many of the P, the last ones, are one learned number for all pixels and images.

    Raises:
        ConfigError: the image cannot be halved that often.
    """
    height, width = halved(image_shape, len(channels))
    own = num_parameters - num_shared
    z = keras.Input((latent_dim,), name="z")
    hidden = z
    for number in (*units, height * width * channels[0]):
        hidden = keras.layers.Dense(number, activation="silu")(hidden)
    hidden = keras.layers.Reshape((height, width, channels[0]))(hidden)
    for number in channels[1:]:
        hidden = keras.layers.Conv2DTranspose(number, 4, strides=2, padding="same", activation="silu")(hidden)
    outputs = math.prod(image_shape[2:]) * own
    pixels = keras.layers.Conv2DTranspose(outputs, 4, strides=2, padding="same")(hidden)
    return keras.Model(z, _parameters(pixels, image_shape, own, num_shared), name="decoder")


def halved(image_shape: tuple[int, ...], times: int) -> tuple[int, int]:
    """Return height and width after halving an image `times` times.

    Raises:
        ConfigError: they do not divide.
    """
    height, width = image_shape[:2]
    if times < 1 or height % 2**times or width % 2**times:
        raise ConfigError(
            f"channels: expected 1 or more, as often as {height} x {width} can be halved. Received: {times}"
        )
    return height // 2**times, width // 2**times


def _posterior(images: Any, hidden: Any, latent_dim: int) -> keras.Model:
    z_mean = keras.layers.Dense(latent_dim, name="z_mean")(hidden)
    z_log_var = keras.layers.Dense(latent_dim, name="z_log_var")(hidden)
    return keras.Model(images, [z_mean, z_log_var], name="encoder")


def _parameters(pixels: Any, image_shape: tuple[int, ...], own: int, num_shared: int) -> Any:
    parameters = keras.layers.Reshape((*image_shape, own))(pixels)
    return SharedParameters(num_shared)(parameters) if num_shared else parameters


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
