"""A decoder of separable convolutions: what a picture costs is mostly its multiplications."""

from typing import Any

import keras

from training.configs import sections
from training.errors import ConfigError
from training.models.networks.residual import Residual

EXPANSION = 2  # channels inside a block, for each one outside


class Separable(Residual):
    """The encoder of ``residual``, and a decoder whose blocks are inverted residuals.

    An inverted residual (Sandler et al. 2018) widens by a 1 x 1 convolution, mixes neighbours channel by
    channel, and narrows again: a fraction of the multiplications of a full 3 x 3 convolution. Its activations
    are ReLU: LiteRT computes them within the convolution, where SiLU takes as long as the convolution itself.

    Raises:
        ConfigError: as ``Residual``; the decoder has another number of widths than the encoder.
    """

    network: sections.Separable

    def __post_init__(self) -> None:
        super().__post_init__()
        expected, found = len(self.network.channels), len(self.network.decoder_channels)
        if found != expected:
            raise ConfigError(
                f"network.decoder_channels: expected {expected}, as many as network.channels. "
                f"Received: {found}"
            )

    def pixels(self, z: Any) -> Any:  # noqa: D102
        smallest = self.network.decoder_channels[-1]
        narrow = self.maps_of(z, max(1, smallest // 3))
        hidden = keras.layers.Conv2D(smallest, 3, padding="same", activation="relu")(narrow)
        hidden = _block(hidden)
        for number in self.network.decoder_channels[-2::-1]:
            hidden = keras.layers.Conv2D(4 * number, 1)(keras.layers.Activation("relu")(hidden))
            hidden = keras.layers.Activation("relu")(keras.ops.depth_to_space(hidden, 2))
            hidden = _block(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
        return keras.ops.depth_to_space(keras.layers.Conv2D(4 * self.outputs, 1)(hidden), 2)

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        first, *rest = self.network.decoder_channels[::-1]
        dense = self.dense_maps_in_words(max(1, first // 3))
        steps = [dense, f"{self.maps_in_words(first)} (3 x 3, ReLU)", _block_in_words(first)]
        for index, number in enumerate(rest):
            size = self.maps_in_words(number, len(rest) - index)
            steps += [f"{size} (1 x 1, pixel shuffle, ReLU)", _block_in_words(number)]
        return [*steps, f"{self.numbers} (1 x 1, pixel shuffle, linear)"]


def _block(hidden: Any) -> Any:
    """Return `hidden` after an inverted residual."""
    channels = hidden.shape[-1]
    inner = keras.layers.Conv2D(EXPANSION * channels, 1, activation="relu")(hidden)
    inner = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(inner)
    return keras.layers.Add()([hidden, keras.layers.Conv2D(channels, 1)(inner)])


def _block_in_words(channels: int) -> str:
    """Return an inverted residual and the activation after it."""
    inner = EXPANSION * channels
    return f"inverted residual ({inner} channels 1 x 1, ReLU, depthwise 3 x 3, ReLU, {channels} 1 x 1), ReLU"
