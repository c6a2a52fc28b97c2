"""Residual convolutions: fewer weights for the same work.

The first halving is a rearrangement of 2 x 2 pixels into channels: convolutions at full size would cost four
times as much and see no more. No normalisation over the batch: a code must not depend on others.
"""

import math
from typing import Any

import keras

from training.configs.sections import Residual, Spatial
from training.models.likelihoods.base import Likelihood
from training.models.networks.base import (
    centred_images,
    dense_layers,
    halved,
    own_parameters,
    pixel_parameters,
    posterior,
)


def encoder(network: Residual, image_shape: tuple[int, ...]) -> keras.Model:
    """Build q(z given x): images -> [z_mean (B, D), z_log_var (B, D)].

    Raises:
        ConfigError: the image cannot be halved as often as there are channels.
    """
    images, features = down_to_smallest(network, image_shape)
    hidden = dense_layers(flat(network, features), network.encoder_units)
    return posterior(images, hidden, network.latent_dim)


def decoder(network: Residual, image_shape: tuple[int, ...], likelihood: Likelihood) -> keras.Model:
    """Build g(z): z (B, D) -> (B, *image_shape, P), linear in its last layer.

    Raises:
        ConfigError: the image cannot be halved as often as there are channels.
    """
    z = keras.Input((network.latent_dim,), name="z")
    features = features_of(network, z, image_shape)
    return up_to_image(network, z, features, image_shape, likelihood)


def down_to_smallest(network: Residual | Spatial, image_shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return the encoder's input, and its features at the smallest size."""
    halved(image_shape, len(network.channels))
    images, hidden = centred_images(image_shape)
    hidden = keras.ops.space_to_depth(hidden, 2)
    for index, number in enumerate(network.channels):
        strides = 2 if index else 1
        hidden = keras.layers.Conv2D(number, 3, strides=strides, padding="same", activation="silu")(hidden)
    return images, keras.layers.Activation("silu")(_residual_blocks(network, hidden))


def flat(network: Residual | Spatial, features: Any) -> Any:
    """Return features at the smallest size as rows, in few channels: most weights lie behind them."""
    height, width = features.shape[1:3]
    narrow = keras.layers.Conv2D(_narrow(network), 1, activation="silu")(features)
    return keras.layers.Reshape((height * width * _narrow(network),))(narrow)


def features_of(network: Residual | Spatial, codes: Any, image_shape: tuple[int, ...]) -> Any:
    """Return features at the smallest size of codes (B, number of axes)."""
    height, width = halved(image_shape, len(network.channels))
    narrow = _narrow(network)
    hidden = dense_layers(codes, (*network.decoder_units, height * width * narrow))
    hidden = keras.layers.Reshape((height, width, narrow))(hidden)
    return keras.layers.Conv2D(network.channels[-1], 3, padding="same", activation="silu")(hidden)


def up_to_image(
    network: Residual | Spatial,
    z: Any,
    features: Any,
    image_shape: tuple[int, ...],
    likelihood: Likelihood,
) -> keras.Model:
    """Return the decoder of z that goes from features at the smallest size to every pixel's parameters."""
    hidden = keras.layers.Activation("silu")(_residual_blocks(network, features))
    for number in network.channels[-2::-1]:
        hidden = keras.ops.depth_to_space(keras.layers.Conv2D(4 * number, 1)(hidden), 2)
        hidden = keras.layers.Activation("silu")(hidden)
    outputs = math.prod(image_shape[2:]) * own_parameters(likelihood)
    pixels = keras.ops.depth_to_space(keras.layers.Conv2D(4 * outputs, 3, padding="same")(hidden), 2)
    return pixel_parameters(z, pixels, image_shape, likelihood)


def _residual_blocks(network: Residual | Spatial, hidden: Any) -> Any:
    channels = network.channels[-1]
    for _ in range(network.residual_blocks):
        inner = keras.layers.Conv2D(channels, 3, padding="same", activation="silu")(hidden)
        hidden = keras.layers.Add()([hidden, keras.layers.Conv2D(channels, 1)(inner)])
    return hidden


def _narrow(network: Residual | Spatial) -> int:
    """Return the channels between convolutions and dense layers."""
    return max(1, network.channels[-1] // 3)
