"""A picture file -> 8-bit levels of one shape; with ``emoji`` the only module of training that knows Pillow.

The fit, one rule for every picture:

1. Only the first frame is used. EXIF orientation is applied; colour profiles and gamma are ignored.
2. Transparent pixels show white, as on a page. 16-bit greys are scaled to 8 bits, not clipped.
3. For grey images, colours become grey by ITU-R 601 luma.
4. The largest part of the wanted ratio of width to height is cut out of the centre and scaled (Lanczos).

A picture that has the wanted size already passes through untouched. Metadata is never inflated, and no size
of it is a reason to leave a picture out.
"""

import contextlib
import dataclasses
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from training.types import Pixels

# Nothing else is ever opened: Pillow knows sixty formats, and some start other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 100_000_000  # of one picture; known from the header, so nothing larger is ever decoded
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# How Pillow says that a file may be right, but is of a kind that it does not decode.
_UNSUPPORTED = re.compile("unsupported|cannot handle", re.IGNORECASE)

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
    with _opened(path) as (image, animated):
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        # A phone's JPEG may carry a second, smaller version of itself: no animation.
        animated |= image.format != "MPO" and bool(getattr(image, "is_animated", False))
        return Header(height, width, image.mode in GREY_MODES, animated)


def read_pixels(path: Path, height: int, width: int, channels: int) -> Pixels:
    """Return a picture, fitted by the rule above: (height, width) of 1 channel, (height, width, 3) of 3.

    Raises:
        PictureError: not a picture, too large, broken or cut off.
    """
    with _opened(path) as (image, _):
        frame = image.tile[0].extents if image.format == "GIF" else None
        image.load()
        levels = _levels(image, _MODES[channels])
        if frame not in (None, (0, 0, *image.size)):  # Pillow puts a colour of the palette around the frame
            ground = Image.new(levels.mode, levels.size, "white")
            ground.paste(levels.crop(frame), frame)
            levels = ground
        turn = _TURNS.get(_orientation(image))
        upright = levels if turn is None else levels.transpose(turn)
        # From all of its pixels: a JPEG decoded at a fraction of its size gives other levels, by up to 9.
        return np.asarray(ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS))


def fit_levels(levels: Pixels, height: int, width: int, channels: int) -> Pixels:
    """Fit levels that are decoded already, (H, W) or (H, W, 3), by the same rule."""
    image = Image.fromarray(levels).convert(_MODES[channels])
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[ImageFile.ImageFile, bool]]:
    """Open a picture and say whether frames were left out.

    Whatever a decoder raises becomes one error: Pillow's plugins raise a dozen kinds.
    """
    try:
        source, animated = _source(path)
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureError(f"{image.height} x {image.width} are too many pixels")
            yield image, animated
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("too many pixels") from error
    except Exception as error:
        raise PictureError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    """Return why a picture cannot be used, in a few words."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        with path.open("rb") as file:
            beginning = file.read(16)
            plugin = _plugin(beginning)
            if plugin is None:
                return f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture"
            reason = "its header cannot be read"
            try:  # the plugin says why, which Pillow keeps to itself
                file.seek(0)
                plugin(file, "")
            except Exception as own:
                reason = " ".join(str(own).split()) or reason
    unsupported = _UNSUPPORTED.search(reason)
    return f"{'of a kind that is not decoded' if unsupported else 'broken or cut off'} ({reason[:80]})"


def _plugin(beginning: bytes) -> Callable[..., ImageFile.ImageFile] | None:
    """Return what opens files that begin so."""
    found = (Image.OPEN[name] for name in FORMATS if name in Image.OPEN)
    return next((plugin for plugin, accepts in found if accepts and accepts(beginning)), None)


def _source(path: Path) -> tuple[Path | io.BytesIO, bool]:
    """Return what Pillow is given of a file, a PNG without metadata, and whether frames were left out."""
    with path.open("rb") as file:
        beginning = file.read(21)
        if beginning.startswith(_PNG_SIGNATURE):
            data, animated = _without_metadata(beginning + file.read())
            return io.BytesIO(data), animated
        if beginning[:4] == b"RIFF" and beginning[8:16] == b"WEBPVP8X" and beginning[20] & 0x02:
            # An animation's first frame may leave a part of the picture out: that is transparent, not black.
            return io.BytesIO(beginning[:20] + bytes([beginning[20] | 0x10]) + file.read()), False
    return path, False


def _without_metadata(png: bytes) -> tuple[bytes, bool]:
    """Return a PNG's critical chunks, its transparency and EXIF, and whether it is an animation.

    Checksums of critical chunks must be right, and the last one, IEND, complete. Any other chunk with a wrong
    checksum is passed over, as browsers do. APNG's frames go, which leaves its default image.
    """
    kept, start, animated = [_PNG_SIGNATURE], len(_PNG_SIGNATURE), False
    while start + 12 <= len(png):
        length, name = struct.unpack_from(">I4s", png, start)
        chunk = png[start : start + length + 12]
        if len(chunk) < length + 12:
            break
        critical = not name[0] & 0x20
        right = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if critical and not right:
            raise ValueError(f"wrong checksum of {name!r}")
        if critical or (right and name in (b"tRNS", b"eXIf")):
            kept.append(chunk)
        animated |= name == b"acTL" and chunk[8:12] > b"\0\0\0\1"
        if name == b"IEND":
            return b"".join(kept), animated
        start += len(chunk)
    raise ValueError("its end is missing")


def _orientation(image: Image.Image) -> int:
    """Return EXIF's word on how to turn the picture; another place, like XMP, does not count."""
    image.info.pop("xmp", None)
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
