"""Convolutions of stride two between the image and the dense layers."""

import math

import keras

from training.configs.sections import Conv
from training.models.likelihoods.base import Likelihood
from training.models.networks.base import (
    centred_images,
    dense_layers,
    halved,
    own_parameters,
    pixel_parameters,
    posterior,
)


def encoder(network: Conv, image_shape: tuple[int, ...]) -> keras.Model:
    """Build q(z given x) of convolutions that halve the image: images -> [z_mean (B, D), z_log_var (B, D)].

    Raises:
        ConfigError: the image cannot be halved as often as there are channels.
    """
    height, width = halved(image_shape, len(network.channels))
    images, hidden = centred_images(image_shape)
    for number in network.channels:
        hidden = keras.layers.Conv2D(number, 4, strides=2, padding="same", activation="silu")(hidden)
    hidden = keras.layers.Reshape((height * width * network.channels[-1],))(hidden)
    return posterior(images, dense_layers(hidden, network.encoder_units), network.latent_dim)


def decoder(network: Conv, image_shape: tuple[int, ...], likelihood: Likelihood) -> keras.Model:
    """Build g(z) of transposed convolutions that double the image: z (B, D) -> (B, *image_shape, P), linear.

    Raises:
        ConfigError: the image cannot be halved as often as there are channels.
    """
    first, *rest = network.channels[::-1]
    height, width = halved(image_shape, len(network.channels))
    z = keras.Input((network.latent_dim,), name="z")
    hidden = dense_layers(z, (*network.decoder_units, height * width * first))
    hidden = keras.layers.Reshape((height, width, first))(hidden)
    for number in rest:
        hidden = keras.layers.Conv2DTranspose(number, 4, strides=2, padding="same", activation="silu")(hidden)
    outputs = math.prod(image_shape[2:]) * own_parameters(likelihood)
    pixels = keras.layers.Conv2DTranspose(outputs, 4, strides=2, padding="same")(hidden)
    return pixel_parameters(z, pixels, image_shape, likelihood)
