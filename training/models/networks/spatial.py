"""Residual convolutions with two levels of latent axes: global ones, and a map.

The first axes of z are global, as in ``residual``; the others are a map of a few channels at the smallest
size, row by row.
"""

import keras

from training.configs.sections import Spatial
from training.errors import ConfigError
from training.models.likelihoods.base import Likelihood
from training.models.networks.base import dense_layers, halved
from training.models.networks.residual import down_to_smallest, features_of, flat, up_to_image


def encoder(network: Spatial, image_shape: tuple[int, ...]) -> keras.Model:
    """Build q(z given x) of both levels: images -> [z_mean (B, D), z_log_var (B, D)].

    Raises:
        ConfigError: the image cannot be halved as often as there are channels, or D leaves no global axis.
    """
    map_shape, global_dim = _levels(network, image_shape)
    images, features = down_to_smallest(network, image_shape)
    names = ("z_mean", "z_log_var")
    maps = [keras.layers.Conv2D(map_shape[-1], 1, name=f"{name}_map")(features) for name in names]
    hidden = dense_layers(flat(network, features), network.encoder_units)
    parts = []
    for name, spatial in zip(names, maps, strict=True):
        top = keras.layers.Dense(global_dim, name=f"{name}_global")(hidden)
        rows = keras.layers.Reshape((network.latent_dim - global_dim,))(spatial)
        parts.append(keras.layers.Concatenate(name=name)([top, rows]))
    return keras.Model(images, parts, name="encoder")


def decoder(network: Spatial, image_shape: tuple[int, ...], likelihood: Likelihood) -> keras.Model:
    """Build g(z) of two levels, from the top down: z (B, D) -> (B, *image_shape, P), linear.

    The global axes become a map t of features, and t says what is to be expected of the spatial level: its
    mean m(t) and scale s(t). The spatial axes u of z are deviations in that unit, so the level is
    m(t) + s(t) u. With N(0, I) for all of z that is the hierarchy p(z_1) p(z_2 given z_1), written so that
    every axis has the same prior.

    Raises:
        ConfigError: the image cannot be halved as often as there are channels, or D leaves no global axis.
    """
    map_shape, global_dim = _levels(network, image_shape)
    z = keras.Input((network.latent_dim,), name="z")
    features = features_of(network, z[:, :global_dim], image_shape)
    expected = keras.layers.Conv2D(map_shape[-1], 1, name="level_mean")(features)
    scale = keras.layers.Conv2D(map_shape[-1], 1, activation="softplus", name="level_scale")(features)
    deviation = keras.layers.Reshape(map_shape)(z[:, global_dim:])
    level = keras.layers.Add()([expected, keras.layers.Multiply()([scale, deviation])])
    hidden = keras.layers.Concatenate()([features, level])
    hidden = keras.layers.Conv2D(network.channels[-1], 3, padding="same", activation="silu")(hidden)
    return up_to_image(network, z, hidden, image_shape, likelihood)


def _levels(network: Spatial, image_shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """Return the shape of the spatial level's map, and the number of global axes."""
    height, width = halved(image_shape, len(network.channels))
    map_size = height * width * network.spatial_channels
    if network.latent_dim <= map_size:
        raise ConfigError(
            f"network.latent_dim: expected more than {map_size}, the spatial level's axes. "
            f"Received: {network.latent_dim}"
        )
    return (height, width, network.spatial_channels), network.latent_dim - map_size
