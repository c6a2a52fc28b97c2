"""Encoders and decoders, as plain Keras models.

B is the batch, D the number of latent axes, P the numbers that a likelihood needs for every pixel and colour;
images are (B, H, W) grey or (B, H, W, C) in colour, float32 in [0, 1].
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

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


def residual_encoder(
    image_shape: tuple[int, ...], channels: Sequence[int], blocks: int, units: Sequence[int], latent_dim: int
) -> keras.Model:
    """Build q(z given x) of residual convolutions: images -> [z_mean (B, D), z_log_var (B, D)].

    The first halving is a rearrangement of 2 x 2 pixels into channels: convolutions at full size would cost
    four times as much and see no more. No normalisation over the batch: a code must not depend on others.

    Args:
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        channels: widths at half the size, a quarter ..., from the image inwards.
        blocks: residual blocks at the smallest size.
        units: widths of the dense layers after them.
        latent_dim: D.

    Raises:
        ConfigError: the image cannot be halved that often.
    """
    height, width = halved(image_shape, len(channels))
    images, hidden = _down_to_smallest(image_shape, channels, blocks)
    narrow = _narrow(channels)
    hidden = keras.layers.Conv2D(narrow, 1, activation="silu")(hidden)
    hidden = keras.layers.Reshape((height * width * narrow,))(hidden)
    return _posterior(images, _widened(hidden, units), latent_dim)


def residual_decoder(
    latent_dim: int,
    units: Sequence[int],
    channels: Sequence[int],
    blocks: int,
    image_shape: tuple[int, ...],
    num_parameters: int = 1,
    num_shared: int = 0,
) -> keras.Model:
    """Build g(z) of residual convolutions: z (B, D) -> (B, *image_shape, P), linear.

    Args:
        latent_dim: D.
        units: widths of the dense layers.
        channels: widths of the convolutions, from z outwards; the last at half the image's size.
        blocks: residual blocks at the smallest size.
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        num_parameters: P.
        num_shared: how many of the P, the last ones, are one learned number for all pixels and images.

    Raises:
        ConfigError: the image cannot be halved that often.
    """
    height, width = halved(image_shape, len(channels))
    narrow = _narrow(channels[::-1])
    z = keras.Input((latent_dim,), name="z")
    hidden = keras.layers.Reshape((height, width, narrow))(_widened(z, (*units, height * width * narrow)))
    hidden = keras.layers.Conv2D(channels[0], 3, padding="same", activation="silu")(hidden)
    return _up_to_image(z, hidden, channels, blocks, image_shape, num_parameters, num_shared)


def spatial_encoder(
    image_shape: tuple[int, ...],
    channels: Sequence[int],
    blocks: int,
    units: Sequence[int],
    latent_dim: int,
    spatial_channels: int,
) -> keras.Model:
    """Build q(z given x) of two levels: images -> [z_mean (B, D), z_log_var (B, D)].

    The first axes of z are global, as in ``residual_encoder``; the others are a map of `spatial_channels` at
    the smallest size, row by row.

    Args:
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        channels: widths at half the size, a quarter ..., from the image inwards.
        blocks: residual blocks at the smallest size.
        units: widths of the dense layers before the global axes.
        latent_dim: D, of both levels.
        spatial_channels: channels of the map.

    Raises:
        ConfigError: the image cannot be halved that often, or D leaves no global axis.
    """
    height, width = halved(image_shape, len(channels))
    global_dim = _global_dim(latent_dim, height * width * spatial_channels)
    images, hidden = _down_to_smallest(image_shape, channels, blocks)
    mean_map = keras.layers.Conv2D(spatial_channels, 1, name="z_mean_map")(hidden)
    log_var_map = keras.layers.Conv2D(spatial_channels, 1, name="z_log_var_map")(hidden)
    narrow = _narrow(channels)
    hidden = keras.layers.Conv2D(narrow, 1, activation="silu")(hidden)
    hidden = _widened(keras.layers.Reshape((height * width * narrow,))(hidden), units)
    parts = []
    for name, spatial in (("z_mean", mean_map), ("z_log_var", log_var_map)):
        top = keras.layers.Dense(global_dim, name=f"{name}_global")(hidden)
        flat = keras.layers.Reshape((height * width * spatial_channels,))(spatial)
        parts.append(keras.layers.Concatenate(name=name)([top, flat]))
    return keras.Model(images, parts, name="encoder")


def spatial_decoder(
    latent_dim: int,
    units: Sequence[int],
    channels: Sequence[int],
    blocks: int,
    image_shape: tuple[int, ...],
    spatial_channels: int,
    num_parameters: int = 1,
    num_shared: int = 0,
) -> keras.Model:
    """Build g(z) of two levels, from the top down: z (B, D) -> (B, *image_shape, P), linear.

    The global axes become a map t of features, and t says what is to be expected of the spatial level: its
    mean m(t) and scale s(t). The spatial axes u of z are deviations in that unit, so the level is
    m(t) + s(t) u. With N(0, I) for all of z that is the hierarchy p(z_1) p(z_2 given z_1), written so that
    every axis has the same prior.

    Args:
        latent_dim: D, of both levels.
        units: widths of the dense layers after the global axes.
        channels: widths of the convolutions, from z outwards; the last at half the image's size.
        blocks: residual blocks at the smallest size.
        image_shape: (H, W) or (H, W, C); H and W divisible by two as often as there are channels.
        spatial_channels: channels of the map of the spatial level.
        num_parameters: P.
        num_shared: how many of the P, the last ones, are one learned number for all pixels and images.

    Raises:
        ConfigError: the image cannot be halved that often, or D leaves no global axis.
    """
    height, width = halved(image_shape, len(channels))
    map_size = height * width * spatial_channels
    global_dim = _global_dim(latent_dim, map_size)
    narrow = _narrow(channels[::-1])
    z = keras.Input((latent_dim,), name="z")
    top = _widened(z[:, :global_dim], (*units, height * width * narrow))
    top = keras.layers.Reshape((height, width, narrow))(top)
    features = keras.layers.Conv2D(channels[0], 3, padding="same", activation="silu")(top)
    expected = keras.layers.Conv2D(spatial_channels, 1, name="level_mean")(features)
    scale = keras.layers.Conv2D(spatial_channels, 1, activation="softplus", name="level_scale")(features)
    deviation = keras.layers.Reshape((height, width, spatial_channels))(z[:, global_dim:])
    level = keras.layers.Add()([expected, keras.layers.Multiply()([scale, deviation])])
    hidden = keras.layers.Concatenate()([features, level])
    hidden = keras.layers.Conv2D(channels[0], 3, padding="same", activation="silu")(hidden)
    return _up_to_image(z, hidden, channels, blocks, image_shape, num_parameters, num_shared)


def _global_dim(latent_dim: int, map_size: int) -> int:
    if latent_dim <= map_size:
        raise ConfigError(
            f"latent_dim: expected more than {map_size}, the spatial level's axes. Received: {latent_dim}"
        )
    return latent_dim - map_size


def _down_to_smallest(image_shape: tuple[int, ...], channels: Sequence[int], blocks: int) -> tuple[Any, Any]:
    """Return the input, and its features at the smallest size."""
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Reshape((*image_shape[:2], math.prod(image_shape[2:])))(images)
    hidden = keras.layers.Rescaling(2.0, offset=-1.0)(hidden)
    hidden = SpaceToDepth()(hidden)
    for index, number in enumerate(channels):
        strides = 2 if index else 1
        hidden = keras.layers.Conv2D(number, 3, strides=strides, padding="same", activation="silu")(hidden)
    return images, keras.layers.Activation("silu")(_residual(hidden, channels[-1], blocks))


def _widened(hidden: Any, units: Sequence[int]) -> Any:
    for number in units:
        hidden = keras.layers.Dense(number, activation="silu")(hidden)
    return hidden


def _up_to_image(
    z: Any,
    hidden: Any,
    channels: Sequence[int],
    blocks: int,
    image_shape: tuple[int, ...],
    num_parameters: int,
    num_shared: int,
) -> keras.Model:
    """Return the decoder that goes from features at the smallest size to the parameters of every pixel."""
    own = num_parameters - num_shared
    hidden = keras.layers.Activation("silu")(_residual(hidden, channels[0], blocks))
    for number in channels[1:]:
        hidden = DepthToSpace()(keras.layers.Conv2D(4 * number, 1)(hidden))
        hidden = keras.layers.Activation("silu")(hidden)
    outputs = math.prod(image_shape[2:]) * own
    pixels = DepthToSpace()(keras.layers.Conv2D(4 * outputs, 3, padding="same")(hidden))
    return keras.Model(z, _parameters(pixels, image_shape, own, num_shared), name="decoder")


def _residual(hidden: Any, channels: int, blocks: int) -> Any:
    for _ in range(blocks):
        inner = keras.layers.Conv2D(channels, 3, padding="same", activation="silu")(hidden)
        hidden = keras.layers.Add()([hidden, keras.layers.Conv2D(channels, 1)(inner)])
    return hidden


def _narrow(channels: Sequence[int]) -> int:
    """Return the channels between convolutions and dense layers, where most weights are."""
    return max(1, channels[-1] // 3)


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


class SpaceToDepth(keras.layers.Layer):  # type: ignore[misc]
    """Rearranges 2 x 2 pixels into channels: (B, H, W, C) -> (B, H / 2, W / 2, 4 C)."""

    def call(self, images: Any) -> Any:
        """Return the rearranged images."""
        return tf.nn.space_to_depth(images, 2)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (B, H / 2, W / 2, 4 C)."""
        batch, height, width, channels = input_shape
        return batch, height // 2, width // 2, 4 * channels


class DepthToSpace(keras.layers.Layer):  # type: ignore[misc]
    """Rearranges channels into 2 x 2 pixels: (B, H, W, 4 C) -> (B, 2 H, 2 W, C)."""

    def call(self, images: Any) -> Any:
        """Return the rearranged images."""
        return tf.nn.depth_to_space(images, 2)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (B, 2 H, 2 W, C)."""
        batch, height, width, channels = input_shape
        return batch, 2 * height, 2 * width, channels // 4


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
