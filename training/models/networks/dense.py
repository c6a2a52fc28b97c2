"""Dense ReLU layers alone."""

import math
from typing import Any

import keras

from training.models.networks.base import Architecture, reshaped


class Dense(Architecture):
    """Dense layers between the pixels and z, and back."""

    activation = "relu"

    def rows(self, images: Any) -> Any:  # noqa: D102
        return reshaped(images, (math.prod(self.image_shape),))

    def pixels(self, z: Any) -> Any:  # noqa: D102
        hidden = self.dense_layers(z, self.network.decoder_units)
        return keras.layers.Dense(math.prod(self.image_shape[:2]) * self.outputs)(hidden)
