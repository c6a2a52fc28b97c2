"""Parts of a picture: cut, scaled, turned, made grey; and the formats that they are given in."""

import numpy as np
from PIL import Image

from app.pictures import formats
from app.pictures.formats import Drawing, Format, saved
from app.pictures.grids import Pixels

JPEG_QUALITY = 90

Box = tuple[float, float, float, float]  # left, upper, right, lower edge, in pixels


def cut(pixels: Pixels, box: Box) -> Pixels:
    """Return the part of (H, W) grey or (H, W, 3) colour levels within a box of whole pixels."""
    left, upper, right, lower = map(int, box)
    return pixels[upper:lower, left:right]


def scaled(pixels: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    """Return the part of a picture within a box, scaled to `size`, (width, height).

    Levels are means of those below a pixel, or lie between their neighbours: Pillow's bilinear filter, whose
    support grows with the scale. No level is beyond those that it is made of. Pixels beside the box take part
    at its edges, so that neighbouring parts meet.
    """
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))


def turned(pixels: Pixels, mirrored: bool, degrees: int) -> Pixels:
    """Return a picture mirrored, left to right, if asked for, then turned clockwise by a multiple of 90."""
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, -degrees // 90)


def grey(pixels: Pixels) -> Pixels:
    """Return the luma of colours (ITU-R BT.601), (H, W); a grey picture as it is."""
    return pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))


def _jpeg(drawing: Drawing) -> bytes:
    texts = drawing.texts
    options = {"quality": JPEG_QUALITY, "subsampling": 0, "comment": texts.comment, "xmp": texts.xmp}
    return saved([drawing.grid], "JPEG", **options)


# By the name that the Image API has for it.
FORMATS = {
    "jpg": Format("image/jpeg", _jpeg, cost=2),
    "png": formats.FORMATS["png"],
    "webp": formats.FORMATS["webp"],
}
