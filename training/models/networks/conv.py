"""Convolutions of stride two between the image and the dense layers."""

import dataclasses
import math
from typing import Any

import keras

from training.configs import sections
from training.errors import ConfigError
from training.models.networks.base import Architecture, dense_in_words, reshaped


class Conv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]  # Keras publishes no types
    """Keras' layer of the same name with a kernel of four and a stride of two, which doubles an image.

    Computed as a plain convolution and a rearrangement of pixels. Keras' layer asks for the number of images,
    and what LiteRT then does with batches of any size takes twice as long.
    """

    def __init__(self, filters: int, activation: str | None = None) -> None:
        super().__init__(filters, kernel_size=4, strides=2, padding="same", activation=activation)

    def call(self, inputs: Any) -> Any:
        """Return (B, 2 H, 2 W, filters)."""
        return self.activation(doubled(inputs, self.kernel) + self.bias)


def doubled(maps: Any, kernel: Any) -> Any:
    """Return the transposed convolution of stride two, (B, 2 H, 2 W, filters), of maps (B, H, W, C).

    The kernel is (4, 4, filters, C). Along one side, pixel 2 p of the result is k1 x(p) + k3 x(p - 1), and
    pixel 2 p + 1 is k2 x(p) + k0 x(p + 1): both are sums over two neighbours, so one convolution with a
    kernel of two gives all four kinds of pixel.
    """
    height, width = maps.shape[1:3]
    filters, channels = kernel.shape[2:]
    for side in (0, 1):
        kernel = keras.ops.take(kernel, (3, 1, 2, 0), axis=side)
    split = keras.ops.reshape(kernel, (2, 2, 2, 2, filters, channels))  # kind, neighbour; of rows, columns
    pairs = keras.ops.reshape(keras.ops.transpose(split, (1, 3, 5, 0, 2, 4)), (2, 2, channels, 4 * filters))
    padded = keras.ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kinds = keras.ops.split(keras.ops.conv(padded, pairs, padding="valid"), 4, axis=-1)
    placed = [
        kinds[2 * row + column][:, row : row + height, column : column + width]
        for row in (0, 1)
        for column in (0, 1)
    ]
    return keras.ops.depth_to_space(keras.ops.concatenate(placed, axis=-1), 2)


@dataclasses.dataclass
class Conv(Architecture):
    """Convolutions that halve the image, as often as there are channels, and transposed ones that double it.

    Raises:
        ConfigError: the image cannot be halved as often.
    """

    network: sections.Conv | sections.Residual | sections.Separable | sections.Spatial | sections.Palette

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
        return flattened(hidden)

    def pixels(self, z: Any) -> Any:  # noqa: D102
        first, *rest = self.network.channels[::-1]
        hidden = self.maps_of(z, first)
        for number in rest:
            hidden = Conv2DTranspose(number, activation="silu")(hidden)
        return Conv2DTranspose(self.outputs)(hidden)

    def rows_in_words(self) -> list[str]:  # noqa: D102
        sizes = [self.maps_in_words(number, index + 1) for index, number in enumerate(self.network.channels)]
        return [self.image_in_words(), *(f"{size} (4 x 4, stride 2, SiLU)" for size in sizes)]

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        first, *rest = self.network.channels[::-1]
        sizes = [self.maps_in_words(number, len(rest) - index) for index, number in enumerate(rest)]
        steps = [f"{size} (transposed 4 x 4, stride 2, SiLU)" for size in sizes]
        return [
            self.dense_maps_in_words(first),
            *steps,
            f"{self.numbers} (transposed 4 x 4, stride 2, linear)",
        ]

    def image_in_words(self) -> str:
        """Return what the encoder takes."""
        height, width, colours = self.image_maps
        return f"{height} x {width} pixels" + (f" of {colours} colours" if colours > 1 else "")

    def maps_in_words(self, channels: int, halved: int | None = None) -> str:
        """Return maps of the image halved so often; not given, as often as it ever is."""
        halved = len(self.network.channels) if halved is None else halved
        height, width, _ = self.image_maps
        return f"{channels} channel{'s' * (channels > 1)} at {height >> halved} x {width >> halved}"

    def dense_maps_in_words(self, channels: int) -> str:
        """Return the step of ``maps_of``."""
        units = (*self.network.decoder_units, self.height * self.width * channels)
        (dense,) = dense_in_words(units, self.activation)
        return f"{dense} = {self.maps_in_words(channels)}"

    @property
    def numbers(self) -> str:
        """What the decoder's last layer gives, in words."""
        height, width, _ = self.image_maps
        return f"{height} x {width} x {self.outputs}"

    def centred(self, images: Any) -> Any:
        """Return images as maps (B, H, W, C) in [-1, 1]."""
        return keras.layers.Rescaling(2.0, offset=-1.0)(reshaped(images, self.image_maps))

    def maps_of(self, codes: Any, channels: int) -> Any:
        """Return maps (B, height, width, channels) of codes, by the decoder's dense layers."""
        size = self.height * self.width * channels
        rows = self.dense_layers(codes, (*self.network.decoder_units, size))
        return reshaped(rows, (self.height, self.width, channels))


def flattened(maps: Any) -> Any:
    """Return maps (B, height, width, channels) as rows."""
    return reshaped(maps, (math.prod(maps.shape[1:]),))
