"""What every use case has in common: a grid of images, how it is drawn, and what a request may choose."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from app.errors import InvalidParameter
from app.models import Model
from app.pictures import grids
from app.pictures.encode import FORMATS
from app.pictures.grids import Ink
from app.settings import Settings, variable

MAX_CODE = 8.0  # further out a decoder has never been trained; N(0, 1) goes there once in 10^15 draws

# Pixels that are drawn and deflated on the event loop: a quarter of a millisecond.
LIGHT_PIXELS = 65_536


@dataclasses.dataclass(frozen=True)
class Picture:
    """One answer: a file, and the columns and rows of its grid."""

    content: bytes
    media_type: str
    columns: int
    rows: int
    notes: tuple[str, ...] = ()  # what was done to uploads that their sender may not expect


@dataclasses.dataclass(frozen=True)
class GridStyle:
    """How a grid is drawn."""

    columns: int | None = None  # images in a row; None: everything in one row
    zoom: int = 1  # integer scale of the pixels
    ink: Ink = "dark"  # 0 is drawn white, or if light, black
    format: str = "png"  # a key of ``FORMATS``
    blank: int = 0  # level of cells that hold no image


def draw_grid(
    images: npt.NDArray[np.uint8], columns: int, style: GridStyle, notes: tuple[str, ...] = ()
) -> Picture:
    """Return the picture of `images`, (N, H, W) or (N, H, W, 3) levels, in rows of `columns`."""
    pixels = grids.grid(images, columns, style.zoom, style.ink, style.blank)
    media_type, encode = FORMATS[style.format]
    return Picture(encode(pixels), media_type, columns, math.ceil(len(images) / columns), notes)


def is_heavy(count: int, model: Model, style: GridStyle) -> bool:
    """Say whether drawing `count` images takes too long for the event loop."""
    image = model.manifest.image
    return count * image.height * image.width * style.zoom**2 > LIGHT_PIXELS


def check_grid(style: GridStyle, count: int, model: Model, limits: Settings, rows_each: int = 1) -> int:
    """Return the columns of a grid of `count` images, or refuse one that is malformed or too large.

    Every row of images takes `rows_each` rows of the grid: two where reconstructions stand below.
    """
    if style.columns is not None and style.columns < 1:
        raise InvalidParameter.of("columns", "1 or more", style.columns, "Use 1 or more.", "out_of_range")
    check_count("zoom", style.zoom, 1, limits.max_zoom, "max_zoom")
    image = model.manifest.image
    columns = min(style.columns or count, count)
    cells = rows_each * math.ceil(count / columns) * columns
    pixels = cells * image.height * image.width * style.zoom**2
    if pixels > limits.max_pixels:
        expected = f"at most {limits.max_pixels} pixels in all ({variable('max_pixels')})"
        remedy = "Ask for fewer images or a smaller zoom."
        raise InvalidParameter.of("zoom", expected, f"{pixels} pixels", remedy, "too_many_pixels")
    return columns


def check_count(name: str, value: int, least: int, most: int, setting: str) -> None:
    """Refuse a count outside `least` to `most`, naming the setting that holds the limit."""
    if not least <= value <= most:
        expected = f"{least}..{most} (the limit is {variable(setting)})"
        raise InvalidParameter.of(name, expected, value, f"Use {least} to {most}.", "out_of_range")


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside `least` to `most`."""
    if not least <= value <= most:  # also refuses what is not a number
        expected = f"{least:g}..{most:g}"
        raise InvalidParameter.of(name, expected, value, f"Use {least:g} to {most:g}.", "out_of_range")
