"""An uploaded file -> the array that an encoder sees.

The fit, one rule for every file:

1. Only the first frame is used. EXIF orientation is applied; colour profiles and gamma are ignored.
2. Transparent pixels show white, as on a page. 16-bit greys are scaled to 8 bits, not clipped.
3. Colours become grey by ITU-R 601 luma, for a model of grey images.
4. The picture is scaled (Lanczos), never stretched, until its longer side fills the model's image. It is
   centred, and padded with the median of its own border.
5. ``invert=yes`` inverts; ``auto`` does so if the border's median is not on the model's side of the scale.
   Of a model of colours or of mixed grounds nothing is inverted, and nothing noted, unless asked by ``yes``.

A grey 8-bit picture of exactly the model's size passes through untouched.
"""

import contextlib
import dataclasses
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from app.errors import UnsupportedUpload, UploadError

Invert = Literal["auto", "yes", "no"]
Polarity = Literal["dark", "light"] | None  # the ground that a model's images have; None: none in common
Pixels = npt.NDArray[np.uint8]

# Nothing else is ever opened: Pillow knows sixty formats, and some start other programs.
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM.{4}\x00\x00", re.DOTALL),
}
MAX_ASPECT = 50
# A progressive JPEG is decoded once a scan. Encoders write about ten; thousands are an attack.
MAX_JPEG_SCANS = 100
# Marker, length and number of components, which agree: telling a scan from chance bytes behind the picture.
_SCAN_HEADER = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
# JPEGs are decoded at a fraction of their size, but at least this many times the model's, before the fit.
DRAFT_MARGIN = 4

# Pillow's own guard warns at 89 megapixels and lets 81 through; the limit here is checked before decoding.
Image.MAX_IMAGE_PIXELS = None
# A camera's odd EXIF block or a picture's odd palette is nothing that the operator's log should fill with.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UploadLimits(Protocol):
    """The settings that bound an upload."""

    @property
    def max_upload_pixels(self) -> int: ...  # noqa: D102

    @property
    def max_upload_side(self) -> int: ...  # noqa: D102


@dataclasses.dataclass(frozen=True)
class Upload:
    """What the encoder will see of one file."""

    name: str  # what errors and notes call the file
    pixels: Pixels  # (H, W) grey or (H, W, 3) colour, in the data's polarity
    notes: tuple[str, ...]  # what was done or left out that the sender may not expect


def read_uploads(
    files: Sequence[tuple[str, bytes]],
    shape: tuple[int, ...],
    invert: Invert,
    limits: UploadLimits,
    polarity: Polarity = "dark",
) -> list[Upload]:
    """Return files decoded and fitted to a model's image.

    Args:
        files: what errors call each file, and its bytes; neither file names nor declared types matter.
        shape: (H, W) for grey or (H, W, 3) for colour.
        invert: see the top of the module.
        limits: checked from the headers, so nothing is decoded of an upload that is too large.
        polarity: decides ``auto`` and the hint at it.

    Raises:
        UnsupportedUpload: not a PNG, JPEG, WebP, GIF or BMP.
        UploadError: empty, broken, truncated or beyond a limit.
    """
    opened, pixels = [], 0
    for name, data in files:
        kind, image = _open(data, name)
        _check_size(image, pixels, limits, name)
        pixels += image.width * image.height
        opened.append((name, data, kind, image))
    return [_read(name, data, kind, image, shape, invert, polarity) for name, data, kind, image in opened]


def _compare(paper: int, invert: Invert, polarity: Polarity) -> tuple[bool, tuple[str, ...]]:
    """Say whether a picture with this luma at its border is inverted, and what its sender should know."""
    border = "light" if paper > 127 else "dark"
    differs = polarity is not None and border != polarity
    if invert == "yes" or (invert == "auto" and differs):
        return True, ("inverted",)
    hint = f"the border is {border}, the model expects {polarity}: inverted? use invert=auto"
    return False, (hint,) if differs else ()


def _read(
    name: str,
    data: bytes,
    kind: str,
    image: Image.Image,
    shape: tuple[int, ...],
    invert: Invert,
    polarity: Polarity,
) -> Upload:
    notes = []
    if kind == "JPEG":
        image.draft(image.mode, (shape[1] * DRAFT_MARGIN, shape[0] * DRAFT_MARGIN))
    with _decoding(data, kind, name):
        image.load()
    with contextlib.suppress(Exception):  # a broken second frame is no reason to refuse the first
        if getattr(image, "is_animated", False):
            notes.append("only the first frame is used, the other frames are ignored")
    if kind == "PNG":
        _scale_transparent_level(image, data)
    levels = _levels(_upright(image), "RGB" if len(shape) == 3 else "L")
    fitted, paper = _fit(levels, shape)
    inverts, hints = _compare(paper, invert, polarity)
    return Upload(name, 255 - fitted if inverts else fitted, (*notes, *hints))


def sniff(data: bytes) -> str | None:
    """Return the format that a file's first bytes announce, or None."""
    return next((name for name, signature in _SIGNATURES.items() if signature.match(data)), None)


def _open(data: bytes, parameter: str) -> tuple[str, Image.Image]:
    """Return the format and the picture, of which nothing but the header has been read."""
    if not data:
        raise UploadError.of(parameter, "an image", "an empty file", "Send the file's content.", "empty_file")
    kind = sniff(data)
    if kind is None:
        expected, remedy = "a PNG, JPEG, WebP, GIF or BMP image", "Convert the file to one of these formats."
        received = f"{len(data)} bytes that begin with {data[:8]!r}"
        raise UnsupportedUpload.of(parameter, expected, received, remedy, "not_an_image")
    scans = sum(1 for _ in _SCAN_HEADER.finditer(data)) if kind == "JPEG" else 0
    if scans > MAX_JPEG_SCANS:
        expected, received = f"a JPEG of at most {MAX_JPEG_SCANS} scans", f"{scans} scans"
        remedy = "Save the picture as a baseline JPEG or a PNG."
        raise UploadError.of(parameter, expected, received, remedy, "too_many_scans")
    with _decoding(data, kind, parameter):
        return kind, Image.open(io.BytesIO(data), formats=[kind])


@contextlib.contextmanager
def _decoding(data: bytes, kind: str, parameter: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one error; Pillow's plugins raise a dozen kinds of exception."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        truncated = _is_truncated(data, kind)
        raise UploadError.of(
            parameter,
            f"a complete {kind} image",
            f"{len(data)} bytes that end too early" if truncated else f"{len(data)} bytes, broken inside",
            "The file is cut off: send it again in full." if truncated else "Open it and save it again.",
            "image_truncated" if truncated else "image_corrupt",
        ) from error


def _is_truncated(data: bytes, kind: str) -> bool:
    """Say whether a file stops before the end that its format marks."""
    if kind == "PNG":
        return b"IEND" not in data[-4096:]
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if kind == "WEBP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    if kind == "GIF":
        return not data.rstrip(b"\x00").endswith(b";")
    return kind == "BMP" and len(data) < int.from_bytes(data[2:6], "little")


def _check_size(image: Image.Image, before: int, limits: UploadLimits, parameter: str) -> None:
    """Refuse an image that breaks a limit, alone or together with the pixels of those `before` it."""
    short, long = sorted(image.size)
    most, most_along = limits.max_upload_pixels, limits.max_upload_side
    size, together = f"{image.width} x {image.height}", f"{before + short * long} with those before it"
    in_all = f"at most {most} pixels in all (VITRINE_MAX_UPLOAD_PIXELS)"
    along = f"at most {most_along} pixels along a side (VITRINE_MAX_UPLOAD_SIDE)"
    ratio = f"sides in a ratio of at most {MAX_ASPECT} to 1"
    fewer = "Make the pictures smaller, or send fewer at once."
    cut = "Cut the picture to a part that is less narrow."
    for wrong, expected, received, remedy, code in (
        (short < 1, "at least 1 x 1 pixels", size, "Send a picture.", "no_pixels"),
        (short * long > most, in_all, size, fewer, "too_many_pixels"),
        (long > most_along, along, size, "Make the picture smaller.", "side_too_long"),
        (long > MAX_ASPECT * short, ratio, size, cut, "too_narrow"),
        (before + short * long > most, in_all, together, fewer, "too_many_pixels"),
    ):
        if wrong:
            raise UploadError.of(parameter, expected, received, remedy, code)


def _upright(image: Image.Image) -> Image.Image:
    orientation = 1
    with contextlib.suppress(Exception):  # a camera's broken EXIF block says nothing about the pixels
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


# EXIF orientation -> what makes the picture upright. Pillow's own function rewrites the whole EXIF block and
# gives up on any odd tag in it.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _scale_transparent_level(image: Image.Image, data: bytes) -> None:
    """Bring a PNG's transparent level to the scale of its decoded pixels, which Pillow leaves to us."""
    depth, level = data[24], image.info.get("transparency")
    if image.mode == "L" and isinstance(level, int) and depth in (2, 4):
        image.info["transparency"] = level * (255 // (2**depth - 1))
    elif image.mode == "RGB" and isinstance(level, tuple) and depth == 16:
        image.info["transparency"] = tuple(part >> 8 for part in level)


def _levels(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Return the picture in 8-bit grey or RGB, transparency composited on white."""
    if image.mode.startswith("I"):  # 16-bit grey, which only PNG brings here
        levels = np.asarray(image).astype(np.uint32)
        grey = ((levels + 128) // 257).astype(np.uint8)
        if "transparency" in image.info:
            grey[levels == image.info["transparency"]] = 255
        return Image.fromarray(grey).convert(mode)
    if not image.has_transparency_data:
        # Palettes, CMYK and YCbCr have a way to RGB, not all have one to grey.
        return (image if image.mode in ("L", "RGB", "1") else image.convert("RGB")).convert(mode)
    colours = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return Image.composite(
        colours.convert(mode), Image.new(mode, image.size, "white"), colours.getchannel("A")
    )


def _fit(image: Image.Image, shape: tuple[int, ...]) -> tuple[Pixels, int]:
    """Return `image` scaled, centred and padded to `shape`, and the luma of its border's median."""
    height, width = shape[:2]
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    levels = np.asarray(image)
    edges = [levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]]
    paper = np.median(np.concatenate(edges), axis=0).astype(np.uint8)  # a level for each channel
    fitted = np.empty(shape, np.uint8)
    fitted[:] = paper
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    fitted[top : top + size[1], left : left + size[0]] = levels
    weights = [1.0] if paper.ndim == 0 else [0.299, 0.587, 0.114]  # ITU-R 601, as greys are made of colours
    return fitted, round(float(np.dot(weights, np.atleast_1d(paper))))
