"""Convolutions of stride two between the image and the dense layers."""

import dataclasses
import functools
import math
from typing import Any

import keras

from training.configs import sections
from training.errors import ConfigError
from training.models.networks.base import Architecture

doubling = functools.partial(keras.layers.Conv2DTranspose, kernel_size=4, strides=2, padding="same")


@dataclasses.dataclass
class Conv(Architecture):
    """Convolutions that halve the image, as often as there are channels, and transposed ones that double it.

    Raises:
        ConfigError: the image cannot be halved as often.
    """

    network: sections.Conv | sections.Residual | sections.Spatial

    def __post_init__(self) -> None:
        height, width, *colours = self.image_shape
        times = len(self.network.channels)
        if times < 1 or height % 2**times or width % 2**times:
            raise ConfigError(
                f"network.channels: expected 1 or more, as often as {height} x {width} can be halved. "
                f"Received: {times}"
            )
        self.image_maps = (height, width, math.prod(colours))
        self.height, self.width = height // 2**times, width // 2**times  # at the smallest size

    def rows(self, images: Any) -> Any:  # noqa: D102
        hidden = self.centred(images)
        for number in self.network.channels:
            hidden = keras.layers.Conv2D(number, 4, strides=2, padding="same", activation="silu")(hidden)
        return keras.layers.Flatten()(hidden)

    def pixels(self, z: Any) -> Any:  # noqa: D102
        first, *rest = self.network.channels[::-1]
        hidden = self.maps_of(z, first)
        for number in rest:
            hidden = doubling(number, activation="silu")(hidden)
        return doubling(self.outputs)(hidden)

    def centred(self, images: Any) -> Any:
        """Return images as maps (B, H, W, C) in [-1, 1]."""
        return keras.layers.Rescaling(2.0, offset=-1.0)(keras.layers.Reshape(self.image_maps)(images))

    def maps_of(self, codes: Any, channels: int) -> Any:
        """Return maps (B, height, width, channels) of codes, by the decoder's dense layers."""
        size = self.height * self.width * channels
        rows = self.dense_layers(codes, (*self.network.decoder_units, size))
        return keras.layers.Reshape((self.height, self.width, channels))(rows)
