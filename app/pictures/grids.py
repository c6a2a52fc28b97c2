"""Arrays -> 8-bit levels -> one grid.

One mapping for every image: clip to [0, 1] and cut into 256 equal bins. Nothing is rescaled per image, so the
cells of a grid stay comparable. A value k/255 becomes level k, so 8-bit pictures pass through unchanged.
The 256-colour maps of matplotlib cut into the same bins: every value lands within one level of theirs.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ink = Literal["dark", "light"]
Loop = Literal["forever", "once", "bounce"]
Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class GridStyle:
    """How images are drawn."""

    columns: int | None = None  # images in a row; None: everything in one row
    zoom: int = 1  # integer scale of the pixels
    ink: Ink = "dark"  # 0 is drawn white, or if light, black
    format: str = "png"  # a key of ``formats.FORMATS``
    blank: int = 0  # level of cells that hold no image
    fps: int = 10  # images a second of an animation
    loop: Loop = "forever"  # how an animation goes on; bounce: there and back, forever


def to_pixels(images: npt.NDArray[np.floating[Any]], *, overwrite: bool = False) -> Pixels:
    """Return `images` as 8-bit levels: min(255, floor(256 x)) of x clipped to [0, 1].

    Args:
        images: of any shape.
        overwrite: nobody needs `images` afterwards, so that no memory but theirs is needed.
    """
    scaled = np.multiply(images, 256.0, out=images if overwrite else None)
    np.clip(scaled, 0.0, 255.0, out=scaled)
    levels: Pixels = scaled.astype(np.uint8)
    return levels


def levels_of(compute: Callable[..., npt.NDArray[np.floating[Any]]]) -> Callable[..., Pixels]:
    """Return a function of the same arguments whose result is that of `compute` as 8-bit levels."""
    return lambda *arrays: to_pixels(compute(*arrays), overwrite=True)


def grid(images: Pixels, columns: int, zoom: int = 1, ink: Ink = "dark", blank: int = 0) -> Pixels:
    """Return images side by side, row by row, without gaps.

    Args:
        images: (N, H, W) grey or (N, H, W, 3) colour, in the data's own polarity.
        columns: cells in a row; with fewer images than that, the row is as long as there are images.
        zoom: every pixel becomes a square of zoom x zoom.
        ink: ``dark`` draws 0 as white and 255 as black, like ink on paper; ``light`` draws the levels as
            they are.
        blank: level of the cells left over in the last row, drawn like any other level.

    Returns:
        (rows * H * zoom, columns * W * zoom) uint8, with a last axis of 3 for colour.
    """
    count, height, width, *colours = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    pixels = np.empty((rows, height, columns, width, *colours), np.uint8)
    cells = pixels.swapaxes(1, 2)  # (rows, columns, H, W), and what is written there lies in place
    if rows * columns > count:
        left_over = np.full((rows * columns - count, *images.shape[1:]), blank, np.uint8)
        images = np.concatenate([images, left_over])
    images = images.reshape(cells.shape)
    if ink == "dark":
        np.subtract(255, images, out=cells)
    else:
        cells[...] = images
    pixels = pixels.reshape(rows * height, columns * width, *colours)
    return pixels if zoom == 1 else pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)
