"""Residual convolutions with two levels of latent axes: global ones, and a map.

The first axes of z are global, as in ``residual``; the others are a map of a few channels at the smallest
size, row by row.
"""

from typing import Any

import keras

from training.configs import sections
from training.errors import ConfigError
from training.models.networks.base import POSTERIOR, dense_in_words, reshaped
from training.models.networks.conv import flattened
from training.models.networks.residual import Residual


class Spatial(Residual):
    """Two levels of latent axes.

    The decoder goes from the top down. The global axes become a map t of features, from which the mean m(t)
    and the scale s(t) of the spatial level follow. The spatial axes u of z are deviations in that unit, so
    the level is m(t) + s(t) u. With N(0, I) for all of z that is the hierarchy p(z_1) p(z_2 given z_1),
    written so that every axis has the same prior.

    Raises:
        ConfigError: the image cannot be halved as often as there are channels, or D leaves no global axis.
    """

    network: sections.Spatial

    def __post_init__(self) -> None:
        super().__post_init__()
        map_size = self.height * self.width * self.network.spatial_channels
        self.global_dim = self.network.latent_dim - map_size
        if self.global_dim < 1:
            raise ConfigError(
                f"network.latent_dim: expected more than {map_size}, the spatial level's axes. "
                f"Received: {self.network.latent_dim}"
            )

    def posterior(self, images: Any) -> list[Any]:  # noqa: D102
        features, channels = self.features(images), self.network.spatial_channels
        maps = [
            keras.layers.Conv2D(channels, 1, bias_initializer=self.start_of(name), name=f"{name}_map")(
                features
            )
            for name in POSTERIOR
        ]
        hidden = self.dense_layers(self.narrow_rows(features), self.network.encoder_units)
        parts = []
        for name, spatial in zip(POSTERIOR, maps, strict=True):
            start = self.start_of(name)
            top = keras.layers.Dense(self.global_dim, bias_initializer=start, name=f"{name}_global")(hidden)
            parts.append(keras.layers.Concatenate(name=name)([top, flattened(spatial)]))
        return parts

    def pixels(self, z: Any) -> Any:  # noqa: D102
        channels = self.network.spatial_channels
        features = self.smallest_maps(z[:, : self.global_dim])
        expected = keras.layers.Conv2D(channels, 1, name="level_mean")(features)
        scale = keras.layers.Conv2D(channels, 1, activation="softplus", name="level_scale")(features)
        deviation = reshaped(z[:, self.global_dim :], (self.height, self.width, channels))
        level = keras.layers.Add()([expected, keras.layers.Multiply()([scale, deviation])])
        both = keras.layers.Concatenate()([features, level])
        return self.enlarged(self.convolution(self.network.channels[-1])(both))

    def encoder_in_words(self) -> str:  # noqa: D102
        features, spatial = self.features_in_words(), self.network.latent_dim - self.global_dim
        level = f"z_mean and z_log_var of {spatial} spatial axes (1 x 1 each, linear)"
        dense = dense_in_words(self.network.encoder_units, self.activation)
        top = f"z_mean and z_log_var of {self.global_dim} global axes (linear)"
        return f"{' -> '.join([*features, level])}; from the same blocks -> " + " -> ".join(
            [self.narrow_in_words(), *dense, top]
        )

    def code_in_words(self) -> str:  # noqa: D102
        return f"{self.global_dim} global axes"

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        level = (
            f"beside them {self.maps_in_words(self.network.spatial_channels)}: a mean (1 x 1, linear) "
            "plus a scale (1 x 1, softplus) times the spatial axes"
        )
        both = f"{self.maps_in_words(self.network.channels[-1])} (3 x 3, SiLU)"
        return [*self.smallest_in_words(), level, both, *self.enlarged_in_words()]
