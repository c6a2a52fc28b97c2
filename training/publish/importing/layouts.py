"""How a network lays out the pixels of an image, and the scale that it has them on.

Images of the project are (B, H, W) or (B, H, W, 3) in [0, 1]; a network from elsewhere may take and give
them with a channel axis at either end or flat, on other scales, and with red and blue exchanged.
"""

import math
from typing import Literal, NamedTuple

import tensorflow as tf

from training.errors import RunError
from training.types import Tensor

Order = Literal["last", "first", "none", "flat"]
Scale = Literal["[0, 1]", "[-1, 1]", "[0, 255]", "logits"]


class Layout(NamedTuple):
    """Where a network has the pixels of an image.

    Args:
        order: of the axes: channels last, first, without a channel axis, or all pixels in one axis.
        shape: of an image of the project: (H, W) or (H, W, 3).
    """

    order: Order
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """1 of grey images, 3 of colour."""
        return 3 if len(self.shape) == 3 else 1

    def to_network(self, images: Tensor) -> Tensor:
        """Return images (B, *shape) as the network has them."""
        if self.order == "none":
            return images
        height, width = self.shape[:2]
        images = tf.reshape(images, (-1, height, width, self.channels))
        if self.order == "first":
            images = tf.transpose(images, (0, 3, 1, 2))
        return tf.reshape(images, (-1, math.prod(self.shape))) if self.order == "flat" else images

    def from_network(self, pixels: Tensor) -> Tensor:
        """Return what the network gives as images (B, *shape)."""
        height, width = self.shape[:2]
        if self.order == "first":
            pixels = tf.reshape(pixels, (-1, self.channels, height, width))
            pixels = tf.transpose(pixels, (0, 2, 3, 1))
        return tf.reshape(pixels, (-1, *self.shape))

    def describe(self) -> str:
        """Return the order in words."""
        return {
            "last": "channels last",
            "first": "channels first",
            "none": "no channel axis",
            "flat": "flat",
        }[self.order]


def layout_of(shape: tuple[int | None, ...], flat_size: tuple[int, int] | None = None) -> Layout | None:
    """Return where a network with arrays of a shape, without the batch, has the pixels.

    Args:
        shape: of one row; None, like a flat one whose size is not known: the answer is None.
        flat_size: height and width of images that are flat.

    Raises:
        RunError: no grey or colour image has that shape.
    """
    if any(size is None for size in shape):
        return None
    sizes = tuple(int(size) for size in shape if size is not None)
    if len(sizes) == 3 and sizes[2] in (1, 3):
        return Layout("last", sizes[:2] if sizes[2] == 1 else sizes)
    if len(sizes) == 3 and sizes[0] in (1, 3):
        return Layout("first", sizes[1:] if sizes[0] == 1 else (*sizes[1:], 3))
    if len(sizes) == 2:
        return Layout("none", sizes)
    if len(sizes) == 1:
        if flat_size is None:
            return None
        pixels = math.prod(flat_size)
        if sizes[0] in (pixels, 3 * pixels):
            return Layout("flat", flat_size if sizes[0] == pixels else (*flat_size, 3))
    raise RunError(f"an array of {' x '.join(map(str, sizes))} is no grey or colour image")


def square_of(values: int) -> tuple[int, int] | None:
    """Return height and width of a square image of so many numbers, grey or colour; None if there is none."""
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if channels * side * side == values:
            return side, side
    return None


def to_scale(images: Tensor, scale: Scale) -> Tensor:
    """Return pixels in [0, 1] on the scale that a network takes."""
    return {"[0, 1]": images, "[-1, 1]": 2 * images - 1, "[0, 255]": 255 * images}[scale]


def from_scale(pixels: Tensor, scale: Scale) -> Tensor:
    """Return pixels that a network gives on a scale as what is about [0, 1]."""
    if scale == "logits":
        return tf.sigmoid(pixels)
    return {"[0, 1]": pixels, "[-1, 1]": (pixels + 1) / 2, "[0, 255]": pixels / 255}[scale]


def exchanged(images: Tensor, swapped: bool) -> Tensor:
    """Return images with red and blue exchanged, if they are to be."""
    return tf.reverse(images, axis=[-1]) if swapped else images
