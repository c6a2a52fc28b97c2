"""Dense ReLU layers alone."""

import math

import keras

from training.configs.sections import Network
from training.models.likelihoods.base import Likelihood
from training.models.networks.base import dense_layers, own_parameters, pixel_parameters, posterior


def encoder(network: Network, image_shape: tuple[int, ...]) -> keras.Model:
    """Build q(z given x): images -> [z_mean (B, D), z_log_var (B, D)]."""
    images = keras.Input(image_shape, name="images")
    hidden = dense_layers(keras.layers.Flatten()(images), network.encoder_units, "relu")
    return posterior(images, hidden, network.latent_dim)


def decoder(network: Network, image_shape: tuple[int, ...], likelihood: Likelihood) -> keras.Model:
    """Build g(z): z (B, D) -> (B, *image_shape, P), linear in its last layer."""
    z = keras.Input((network.latent_dim,), name="z")
    hidden = dense_layers(z, network.decoder_units, "relu")
    pixels = keras.layers.Dense(math.prod(image_shape) * own_parameters(likelihood))(hidden)
    return pixel_parameters(z, pixels, image_shape, likelihood)
