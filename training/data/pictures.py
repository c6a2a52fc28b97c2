"""A picture file -> 8-bit levels of one shape; the only module of training that knows Pillow.

The fit, one rule for every picture:

1. Only the first frame is used. EXIF orientation is applied; colour profiles and gamma are ignored.
2. Transparent pixels show white, as on a page. 16-bit greys are scaled to 8 bits, not clipped.
3. For grey images, colours become grey by ITU-R 601 luma.
4. The largest part of the wanted ratio of width to height is cut out of the centre and scaled (Lanczos).

A picture that has the wanted size already passes through untouched.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from training.types import Pixels

# Nothing else is ever opened: Pillow knows sixty formats, and some start other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 100_000_000  # of one picture; known from the header, so nothing larger is ever decoded
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
# JPEGs are decoded at a fraction of their size, but at least this many times the wanted one, before the fit.
DRAFT_MARGIN = 4

_MODES = {1: "L", 3: "RGB"}  # by channels
# EXIF orientation -> what makes the picture upright; from 5 on, height and width change places.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(Exception):
    """A file cannot be used; the message is the reason, in a few words."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded."""

    height: int  # of the upright picture
    width: int
    grey: bool  # it cannot hold colours
    animated: bool  # it has more frames than the one that is used


def read_header(path: Path) -> Header:
    """Return what a picture is, without decoding it, or raise ``PictureError``: no picture, or too large."""
    with _opened(path) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        # A phone's JPEG may carry a second, smaller version of itself: no animation.
        animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
        return Header(height, width, image.mode in GREY_MODES, animated)


def read_pixels(path: Path, height: int, width: int, channels: int) -> Pixels:
    """Return a picture, fitted by the rule above: (height, width) of 1 channel, (height, width, 3) of 3.

    Raises:
        PictureError: not a picture, too large, broken or cut off.
    """
    with _opened(path) as image:
        side = DRAFT_MARGIN * max(height, width)
        image.draft(None, (side, side))
        image.load()
        turn = _TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        levels = _levels(upright, _MODES[channels])
        return np.asarray(ImageOps.fit(levels, (width, height), Image.Resampling.LANCZOS))


def fit_levels(levels: Pixels, height: int, width: int, channels: int) -> Pixels:
    """Fit levels that are decoded already, (H, W) or (H, W, 3), by the same rule."""
    image = Image.fromarray(levels).convert(_MODES[channels])
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever a decoder raises becomes one error: Pillow's plugins raise a dozen kinds."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureError(f"{image.height} x {image.width} are too many pixels")
            yield image
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise PictureError(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from error
    except Image.DecompressionBombError as error:
        raise PictureError("too many pixels") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"broken or cut off ({reason[:80]})") from error


def _orientation(image: Image.Image) -> int:
    with contextlib.suppress(Exception):  # a broken EXIF block says nothing about the pixels
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _levels(image: Image.Image, mode: str) -> Image.Image:
    """Return the picture in 8-bit grey or RGB, transparency composited on white."""
    if image.mode == "F":
        raise PictureError("its pixels are fractions of an unknown range; save it with 8 bits")
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65_535:
            raise PictureError("its pixels have more than 16 bits; save it with 8")
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8)).convert(mode)
    if not image.has_transparency_data:
        # Palettes, CMYK and YCbCr have a way to RGB, not all have one to grey.
        return (image if image.mode in ("L", "RGB", "1") else image.convert("RGB")).convert(mode)
    colours = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    white = Image.new(mode, image.size, "white")
    return Image.composite(colours.convert(mode), white, colours.getchannel("A"))
