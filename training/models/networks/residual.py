"""Residual convolutions: fewer weights for the same work.

The first halving is a rearrangement of 2 x 2 pixels into channels: convolutions at full size would cost four
times as much and see no more. No normalisation over the batch: a code must not depend on others.
"""

from typing import Any

import keras

from training.configs import sections
from training.models.networks.conv import Conv, flattened


class Residual(Conv):
    """Convolutions that halve the image, and residual blocks where it is smallest."""

    network: sections.Residual | sections.Separable | sections.Spatial | sections.Palette

    def rows(self, images: Any) -> Any:  # noqa: D102
        return self.narrow_rows(self.features(images))

    def pixels(self, z: Any) -> Any:  # noqa: D102
        return self.enlarged(self.smallest_maps(z))

    def features(self, images: Any) -> Any:
        """Return the features of images at the smallest size."""
        hidden = keras.ops.space_to_depth(self.centred(images), 2)
        for index, number in enumerate(self.network.channels):
            hidden = self.convolution(number, strides=2 if index else 1)(hidden)
        return self.in_blocks(hidden)

    def narrow_rows(self, features: Any) -> Any:
        """Return features as rows, in few channels: most weights lie behind them."""
        return flattened(self.convolution(self._narrow, 1)(features))

    def smallest_maps(self, codes: Any) -> Any:
        """Return the decoder's features at the smallest size, of codes (B, number of axes)."""
        narrow = self.maps_of(codes, self._narrow)
        return self.convolution(self.network.channels[-1])(narrow)

    def enlarged(self, features: Any) -> Any:
        """Return the numbers of every pixel, from the decoder's features at the smallest size."""
        hidden = self.in_blocks(features)
        for number in self.network.channels[-2::-1]:
            hidden = keras.ops.depth_to_space(keras.layers.Conv2D(4 * number, 1)(hidden), 2)
            hidden = keras.layers.Activation("silu")(hidden)
        return keras.ops.depth_to_space(keras.layers.Conv2D(4 * self.outputs, 3, padding="same")(hidden), 2)

    def rows_in_words(self) -> list[str]:  # noqa: D102
        return [*self.features_in_words(), self.narrow_in_words()]

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        return [*self.smallest_in_words(), *self.enlarged_in_words()]

    def features_in_words(self) -> list[str]:
        """Return the steps of ``features``, the image first."""
        steps = [self.image_in_words(), f"{self.maps_in_words(4 * self.image_maps[2], 1)} (pixel unshuffle)"]
        for index, number in enumerate(self.network.channels):
            stride = ", stride 2" if index else ""
            steps.append(f"{self.maps_in_words(number, index + 1)} (3 x 3{stride}, SiLU)")
        return [*steps, self.blocks_in_words()]

    def narrow_in_words(self) -> str:
        """Return the step of ``narrow_rows``."""
        return f"{self.maps_in_words(self._narrow)} (1 x 1, SiLU)"

    def smallest_in_words(self) -> list[str]:
        """Return the steps of ``smallest_maps``."""
        last = self.maps_in_words(self.network.channels[-1])
        return [self.dense_maps_in_words(self._narrow), f"{last} (3 x 3, SiLU)"]

    def enlarged_in_words(self) -> list[str]:
        """Return the steps of ``enlarged``."""
        times = len(self.network.channels) - 1
        sizes = [
            self.maps_in_words(number, times - index)
            for index, number in enumerate(self.network.channels[-2::-1])
        ]
        steps = [f"{size} (1 x 1, pixel shuffle, SiLU)" for size in sizes]
        return [self.blocks_in_words(), *steps, f"{self.numbers} (3 x 3, pixel shuffle, linear)"]

    def blocks_in_words(self) -> str:
        """Return the step of ``in_blocks``."""
        blocks = self.network.residual_blocks
        return f"{blocks} residual block{'s' * (blocks > 1)} (3 x 3, SiLU, 1 x 1), SiLU"

    def convolution(self, filters: int, size: int = 3, strides: int = 1) -> keras.layers.Layer:
        """Return a convolution with a SiLU, whose result is as large as its input over `strides`."""
        return keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            activation="silu",
            kernel_initializer=self.initializer,
        )

    @property
    def _narrow(self) -> int:
        """The channels between convolutions and dense layers."""
        return max(1, self.network.channels[-1] // 3)

    def in_blocks(self, hidden: Any) -> Any:
        """Return maps at the smallest size after the residual blocks."""
        channels = self.network.channels[-1]
        for _ in range(self.network.residual_blocks):
            inner = self.convolution(channels)(hidden)
            hidden = keras.layers.Add()([hidden, keras.layers.Conv2D(channels, 1)(inner)])
        return keras.layers.Activation("silu")(hidden)
