"""A decoded picture -> its levels, and how opaque each of its pixels is.

Pictures are worked on in strips: beside a large one there is one copy of it, and not one for each step.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Mode = Literal["L", "RGB"]

STRIP_PIXELS = 1_048_576


def levels_on_white(image: Image.Image, mode: Mode) -> Image.Image:
    """Return a picture's 8-bit levels, transparency composited on white."""
    if image.mode.startswith("I"):  # 16-bit grey, which only PNG brings here
        return _in_strips("L", _from_16_bits, image).convert(mode)
    if image.has_transparency_data:
        return _in_strips(mode, lambda strip: _composited(strip, mode), image)
    if image.mode == mode:
        return image
    direct = image.mode in ("L", "RGB", "1")  # palettes, CMYK and YCbCr have a way to RGB, not all to grey
    return _in_strips(mode, lambda strip: (strip if direct else strip.convert("RGB")).convert(mode), image)


def levels_as_they_are(image: Image.Image, mode: Mode) -> Image.Image:
    """Return a picture's 8-bit levels, those under transparency too."""
    return _in_strips(mode, lambda strip: strip.convert("RGBA").convert("RGB").convert(mode), image)


def opacity_of(image: Image.Image) -> Image.Image:
    """Return how opaque each pixel is, 255 for altogether."""
    if image.has_transparency_data:
        return _in_strips("L", lambda strip: strip.convert("RGBA").getchannel("A"), image)
    return Image.new("L", image.size, 255)


def scaled_by_opacity(image: Image.Image, opacity: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return levels scaled by what their pixels weigh: a transparent one does not show in those beside it.

    Args:
        image: levels, grey or RGB.
        opacity: of the same size.
        size: width and height to scale to.
    """

    def scaled(channel: str | None) -> npt.NDArray[np.float32]:
        weighted = _in_strips("F", lambda *strips: _weighted(channel, *strips), opacity, image)
        return np.asarray(weighted.resize(size, Image.Resampling.LANCZOS))

    below = np.maximum(scaled(None), np.float32(1e-3))
    channels = [scaled(channel) / below for channel in image.getbands()]
    levels = np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if len(channels) == 1 else levels)


def repeats(image: Image.Image, size: tuple[int, int]) -> bool:
    """Say whether a picture is one of this size with every pixel repeated, as often across as down."""
    times = image.width // size[0]
    if times < 2 or image.size != (times * size[0], times * size[1]):
        return False
    for top in range(0, image.height, times):  # a photograph differs in the first strip already
        strip = np.asarray(image.crop((0, top, image.width, top + times)))
        if not np.array_equal(strip, strip[:1, ::times].repeat(times, axis=1).repeat(times, axis=0)):
            return False
    return True


def _in_strips(mode: str, made_of: Callable[..., Image.Image], *images: Image.Image) -> Image.Image:
    """Return what `made_of` makes of the strips of images of one size: no pixel may depend on another."""
    size = width, height = images[0].size
    whole = Image.new(mode, size)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        whole.paste(made_of(*(image.crop(box) for image in images)), box)
    return whole


def _from_16_bits(strip: Image.Image) -> Image.Image:
    levels = np.asarray(strip).astype(np.uint32)
    grey = ((levels + 128) // 257).astype(np.uint8)
    if "transparency" in strip.info:
        grey[levels == strip.info["transparency"]] = 255
    return Image.fromarray(grey)


def _composited(strip: Image.Image, mode: Mode) -> Image.Image:
    colours = strip if strip.mode in ("LA", "RGBA") else strip.convert("RGBA")
    white = Image.new(mode, strip.size, "white")
    return Image.composite(colours.convert(mode), white, colours.getchannel("A"))


def _weighted(channel: str | None, opacity: Image.Image, strip: Image.Image) -> Image.Image:
    """Return one channel times its opacity, or the opacity alone, in 32-bit floats."""
    weights = np.asarray(opacity, np.float32) / np.float32(255)
    if channel is None:
        return Image.fromarray(weights)
    return Image.fromarray(np.asarray(strip.getchannel(channel), np.float32) * weights)
