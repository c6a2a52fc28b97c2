"""Convolutions of stride two between the image and the dense layers."""

from typing import Any

import keras

from training.models.networks.base import Convolutional, centred


class Conv(Convolutional):
    """Convolutions that halve the image, and transposed ones that double it."""

    def rows(self, images: Any) -> Any:  # noqa: D102
        hidden = centred(images)
        for number in self.network.channels:
            hidden = keras.layers.Conv2D(number, 4, strides=2, padding="same", activation="silu")(hidden)
        return keras.layers.Flatten()(hidden)

    def pixels(self, z: Any) -> Any:  # noqa: D102
        first, *rest = self.network.channels[::-1]
        hidden = self.maps_of(z, first)
        for number in rest:
            double = keras.layers.Conv2DTranspose(number, 4, strides=2, padding="same", activation="silu")
            hidden = double(hidden)
        return keras.layers.Conv2DTranspose(self.outputs, 4, strides=2, padding="same")(hidden)
