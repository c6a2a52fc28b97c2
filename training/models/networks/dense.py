"""Dense ReLU layers alone."""

import math
from typing import Any

import keras

from training.models.networks.base import Architecture, dense_in_words, reshaped


class Dense(Architecture):
    """Dense layers between the pixels and z, and back."""

    activation = "relu"

    def rows(self, images: Any) -> Any:  # noqa: D102
        return reshaped(images, (math.prod(self.image_shape),))

    def pixels(self, z: Any) -> Any:  # noqa: D102
        hidden = self.dense_layers(z, self.network.decoder_units)
        return keras.layers.Dense(math.prod(self.image_shape[:2]) * self.outputs)(hidden)

    def rows_in_words(self) -> list[str]:  # noqa: D102
        return [f"{math.prod(self.image_shape)} pixels"]

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        dense = dense_in_words(self.network.decoder_units, self.activation)
        return [*dense, f"{math.prod(self.image_shape[:2])} x {self.outputs} (linear)"]
