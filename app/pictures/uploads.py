"""An uploaded file -> the array that an encoder sees.

The fit, one rule for every file:

1. Only the first frame is used. EXIF orientation is applied; colour profiles and gamma are ignored.
2. Transparent pixels show white, as on a page. 16-bit greys are scaled to 8 bits, not clipped.
3. Colours become grey by ITU-R 601 luma, for a model of grey images.
4. The picture is scaled (Lanczos), never stretched, until its longer side fills the model's image. It is
   centred, and padded with the median of its own border. This is noted: scores are compared with those of
   images of the model's size. A picture whose every pixel was only repeated becomes what it was.
5. ``invert=yes`` inverts; ``auto`` does so if the border's median is not on the model's side of the scale.
   Of a model of colours or of mixed grounds nothing is inverted, and nothing noted, unless asked by ``yes``.

A grey 8-bit picture of exactly the model's size passes through untouched.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from app.errors import UploadError
from app.pictures.files import PictureFile, decoding, open_file
from app.pictures.opacity import (
    Mode,
    levels_as_they_are,
    levels_on_white,
    opacity_of,
    repeats,
    scaled_by_opacity,
)
from app.pictures.turns import TURNS

Invert = Literal["auto", "yes", "no"]
Polarity = Literal["dark", "light"] | None  # the ground that a model's images have; None: none in common
Pixels = npt.NDArray[np.uint8]

MAX_ASPECT = 50
# Of an EXIF block: the orientation stands near its beginning.
MAX_EXIF_BYTES = 65_536


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
    *,
    on_white: bool = True,
) -> list[Upload]:
    """Return files decoded and fitted to a model's image.

    Args:
        files: what errors call each file, and its bytes; neither file names nor declared types matter.
        shape: (H, W) for grey or (H, W, 3) for colour.
        invert: see the top of the module.
        limits: checked from the headers, so nothing is decoded of an upload that is too large.
        polarity: decides ``auto`` and the hint at it.
        on_white: transparent pixels show white; else nothing of them shows in those that ``read_seen`` gives.

    Raises:
        UnsupportedUpload: not a PNG, JPEG, WebP, GIF or BMP, or not a variety of these that is decoded.
        UploadError: empty, broken, truncated or beyond a limit.
    """
    opened, pixels = [], 0
    for name, data in files:
        file = open_file(data, name)
        _check_size(file.image, pixels, limits, name)
        pixels += file.image.width * file.image.height
        opened.append(file)
    with TURNS.turn(pixels, limits.max_upload_pixels):
        read = []
        while opened:  # each is given up before the next
            read.append(_read(opened.pop(0), shape, invert, polarity, on_white))
        return read


def read_seen(
    files: Sequence[tuple[str, bytes]], shape: tuple[int, ...], limits: UploadLimits
) -> list[npt.NDArray[np.bool_]]:
    """Return which pixels of each file are opaque, (H, W), fitted as ``read_uploads`` fits the file.

    A pixel that any transparent one had a part in is not; what is padded is, as it is the border's.

    Raises:
        UploadError: as ``read_uploads``.
    """
    return [
        _fit_mask(opacity_of(image), _orientation(image), shape) == 255 for image in _loaded(files, limits)
    ]


def read_masks(
    files: Sequence[tuple[str, bytes]], shape: tuple[int, ...], limits: UploadLimits
) -> list[npt.NDArray[np.bool_]]:
    """Return which pixels each mask lets be seen, (H, W): white hides, black shows.

    Raises:
        UploadError: as ``read_uploads``.
    """
    found = []
    for image in _loaded(files, limits):
        levels = levels_on_white(image, "L").point(lambda level: 255 if level < 128 else 0)
        found.append(_fit_mask(levels, _orientation(image), shape) == 255)
    return found


def _loaded(files: Sequence[tuple[str, bytes]], limits: UploadLimits) -> Iterator[Image.Image]:
    """Yield files decoded, one after the other; see ``read_uploads`` for its errors."""
    for name, data in files:
        file = open_file(data, name)
        _check_size(file.image, 0, limits, name)
        with TURNS.turn(file.image.width * file.image.height, limits.max_upload_pixels):
            yield _decoded(file)


def _fit_mask(opaque: Image.Image, orientation: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return a mask, white where pixels are seen, fitted like an image; every part of a pixel counts."""
    turn = _TURNS.get(orientation)
    turned = opaque if turn is None else opaque.transpose(turn)
    (top, left), size = _placed(turned.size, shape)
    if size != turned.size:
        turned = turned.resize(size, Image.Resampling.BOX)
    fitted = np.full(shape[:2], 255, np.uint8)
    fitted[top : top + size[1], left : left + size[0]] = np.asarray(turned)
    return fitted


def _placed(size: tuple[int, int], shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where a picture of a size, (width, height), lies in an image: top, left, and its size there."""
    height, width = shape[:2]
    scale = min(width / size[0], height / size[1])
    scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    return ((height - scaled[1]) // 2, (width - scaled[0]) // 2), scaled


def _compare(paper: int, invert: Invert, polarity: Polarity) -> tuple[bool, tuple[str, ...]]:
    """Say whether a picture with this luma at its border is inverted, and what its sender should know."""
    border = "light" if paper > 127 else "dark"
    differs = polarity is not None and border != polarity
    if invert == "yes" or (invert == "auto" and differs):
        return True, ("inverted",)
    hint = f"the border is {border}, the model expects {polarity}: inverted? use invert=auto"
    return False, (hint,) if differs else ()


def _read(
    file: PictureFile, shape: tuple[int, ...], invert: Invert, polarity: Polarity, on_white: bool
) -> Upload:
    name, notes = file.name, []
    extents = file.image.tile[0].extents if file.kind == "GIF" else None
    image = _decoded(file)
    if file.animated or _is_animated(file.image):
        notes.append("only the first frame is used, the other frames are ignored")
    del file
    mode: Mode = "RGB" if len(shape) == 3 else "L"
    opacity = None if on_white or not image.has_transparency_data else opacity_of(image)
    if opacity is None:
        levels = _on_white(levels_on_white(image, mode), extents)
    else:
        levels = levels_as_they_are(image, mode)
    turn = _TURNS.get(_orientation(image))
    del image
    if turn is not None:
        levels, opacity = levels.transpose(turn), opacity and opacity.transpose(turn)
    fitted, paper, changes = _fit(levels, shape, opacity)
    if changes:
        size = f"{levels.width} x {levels.height}"
        notes.append(f"{' and '.join(changes)} from {size}: scores hold for {shape[1]} x {shape[0]}")
    inverts, hints = _compare(paper, invert, polarity)
    return Upload(name, 255 - fitted if inverts else fitted, (*notes, *hints))


def _decoded(file: PictureFile) -> Image.Image:
    """Return a file's pixels alone: some decoders keep another two copies of them."""
    image = file.image
    with decoding(file.data, file.kind, file.name):
        image.load()
        if image.mode == "P" and image.palette is None:
            raise ValueError("no palette")
    if file.kind == "PNG":
        _scale_transparent_level(image, file.data)
    return image.copy()


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


def _is_animated(image: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # a broken second frame is no reason to refuse the first
        return bool(getattr(image, "is_animated", False))
    return False


def _orientation(image: Image.Image) -> int:
    """Return EXIF's word on how to turn the picture; another place, like XMP, does not count."""
    if not (exif := image.info.get("exif")):
        return 1
    image.info["exif"] = exif[:MAX_EXIF_BYTES]
    image.info.pop("xmp", None)
    with contextlib.suppress(Exception):  # a camera's broken EXIF block says nothing about the pixels
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


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


def _on_white(image: Image.Image, frame: tuple[int, int, int, int] | None) -> Image.Image:
    """Return the picture, white where its first frame is not; Pillow puts a colour of the palette there."""
    if frame is None or frame == (0, 0, *image.size):
        return image
    ground = Image.new(image.mode, image.size, "white")
    ground.paste(image.crop(frame), frame)
    return ground


def _fit(
    image: Image.Image, shape: tuple[int, ...], opacity: Image.Image | None = None
) -> tuple[Pixels, int, list[str]]:
    """Return `image` scaled, centred and padded to `shape`, its border's luma, and what was done to it.

    It is scaled from all of its pixels: a JPEG decoded at a fraction of its size gives another picture, by up
    to 9 grey levels. The luma is that of the border's median.
    """
    (top, left), size = _placed(image.size, shape)
    changes = []
    if size != image.size:
        if repeats(image, size) and (opacity is None or repeats(opacity, size)):
            image = image.resize(size, Image.Resampling.NEAREST)
        else:
            changes.append("scaled")
            image = (
                image.resize(size, Image.Resampling.LANCZOS)
                if opacity is None
                else scaled_by_opacity(image, opacity, size)
            )
    if size != (shape[1], shape[0]):
        changes.append("padded")
    levels = np.asarray(image)
    edges = [levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]]
    paper = np.median(np.concatenate(edges), axis=0).astype(np.uint8)  # a level for each channel
    fitted = np.empty(shape, np.uint8)
    fitted[:] = paper
    fitted[top : top + size[1], left : left + size[0]] = levels
    weights = [1.0] if paper.ndim == 0 else [0.299, 0.587, 0.114]  # ITU-R 601, as greys are made of colours
    return fitted, round(float(np.dot(weights, np.atleast_1d(paper)))), changes
