"""A decoder that says apart which colours an image has and where each of them is.

A decoder of convolutions alone learns the pairs of form and colour that it saw, of a few hundred pictures a
few hundred pairs. One that multiplies the two learns each of them for itself.
"""

from typing import Any, ClassVar

import keras

from training.configs import sections
from training.models.networks.base import dense_in_words, reshaped
from training.models.networks.residual import Residual


class Palette(Residual):
    """The encoder of ``residual``, and a decoder that mixes K vectors of the image's own in every pixel.

    Dense layers take z to the palette c, (K, numbers of a pixel); convolutions take it to K maps, whose
    softmax over K gives the shares s of a pixel p: the pixel's numbers are sum_k s_k(p) c_k. So a Gaussian's
    mean is a colour between those of the palette.

    Kernels start as He et al. (2015) propose: by Glorot's rule each SiLU halves what is left of z, until the
    first hundreds of steps teach nothing but the mean picture.
    """

    network: sections.Palette

    initializer: ClassVar[str] = "he_normal"

    def pixels(self, z: Any) -> Any:
        """Return the numbers of the pixels of images, (B, H W, numbers of a pixel)."""
        height, width, _ = self.image_maps
        shares = keras.ops.softmax(reshaped(self.shares(z), (height * width, self.network.colours)), axis=-1)
        return keras.ops.matmul(shares, self.palette(z))

    def palette(self, z: Any) -> Any:
        """Return the palettes of codes, (B, K, numbers of a pixel); before training its vectors differ."""
        apart = keras.initializers.RandomUniform(0.0, 1.0)  # as means of pixels do
        last = keras.layers.Dense(self.network.colours * self.outputs, name="palette", bias_initializer=apart)
        rows = last(self.dense_layers(z, self.network.decoder_units))
        return ByColour(self.network.colours)(rows)

    def pixels_in_words(self) -> list[str]:  # noqa: D102
        colours, times = self.network.colours, len(self.network.channels) - 1
        steps = [*self.smallest_in_words(), self.blocks_in_words()]
        for index, number in enumerate(self.network.channels[-2::-1]):
            size = self.maps_in_words(number, times - index)
            steps.append(f"{size} (1 x 1, SiLU, pixel shuffle, then 3 x 3, SiLU)")
        height, width, _ = self.image_maps
        steps.append(f"{height} x {width} x {colours} shares (3 x 3, pixel shuffle, softmax)")
        dense = dense_in_words(self.network.decoder_units, self.activation)
        palette = [str(self.network.latent_dim), *dense, f"{colours} x {self.outputs} (dense, linear)"]
        steps[-1] += f"; {' -> '.join(palette)}, the palette; shares times palette"
        return [*steps, self.numbers]

    def shares(self, z: Any) -> Any:
        """Return the logarithms of the shares, up to a constant of each pixel, (B, H, W, K)."""
        hidden = self.in_blocks(self.smallest_maps(z))
        for number in self.network.channels[-2::-1]:
            hidden = keras.ops.depth_to_space(self.convolution(4 * number, 1)(hidden), 2)
            hidden = self.convolution(number)(hidden)
        last = keras.layers.Conv2D(4 * self.network.colours, 3, padding="same", name="shares")
        return keras.ops.depth_to_space(last(hidden), 2)


class ByColour(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Takes numbers (B, K n) to (B, K, n), whatever n is: a mean needs fewer than a draw."""

    def __init__(self, colours: int) -> None:
        super().__init__()
        self.colours = colours

    def call(self, rows: Any) -> Any:
        """Return (B, K, n)."""
        return reshaped(rows, (self.colours, rows.shape[-1] // self.colours))
