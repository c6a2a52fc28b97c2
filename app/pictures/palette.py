"""Colours of classes and of counts, and images tinted by them.

Colours are chosen in OKLCH, in which equal steps look equal (B. Ottosson, 2020), so that no class stands out.
"""

import numpy as np
import numpy.typing as npt

from app.pictures.grids import Pixels

Doubles = npt.NDArray[np.float64]

# By whether the ground is white: dark ink needs light colours, light ink dark ones. Classes have two of them
# in turns, so that neighbours among the hues differ in it too.
LIGHTNESS = {True: (0.87, 0.76), False: (0.47, 0.36)}
CHROMA = {True: 0.12, False: 0.1}
BLUE = 255.0  # hue of counts, degrees
MOST = {True: (0.66, 0.14), False: (0.48, 0.14)}  # lightness and chroma of the highest count

# OKLab -> cone responses, and these -> linear sRGB (https://bottosson.github.io/posts/oklab/).
_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def colours(count: int, *, on_white: bool) -> Pixels:
    """Return the colours of so many classes, (count, 3) levels: hues in equal steps."""
    numbers = np.arange(count)
    lightness = np.array(LIGHTNESS[on_white])[numbers % 2]
    return _levels(lightness, np.full(count, CHROMA[on_white]), 20.0 + 360.0 * numbers / max(1, count))


def shades(values: Doubles, *, on_white: bool) -> Pixels:
    """Return the colours of numbers in [0, 1], (N, 3) levels: from the ground, white or black, to a blue."""
    lightness, chroma = MOST[on_white]
    ground = 1.0 if on_white else 0.0
    return _levels(ground + values * (lightness - ground), values * chroma, np.full(len(values), BLUE))


def _levels(lightness: Doubles, chroma: Doubles, hue: Doubles) -> Pixels:
    """Return OKLCH colours, hues in degrees, as (N, 3) levels of sRGB; what sRGB lacks is cut off."""
    angle = np.radians(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    linear: Doubles = np.clip((lab @ _TO_CONES.T) ** 3 @ _TO_LINEAR.T, 0, 1)
    # The transfer curve of sRGB (IEC 61966-2-1).
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    levels: Pixels = np.round(curved * 255).astype(np.uint8)
    return levels


def tinted(images: Pixels, tints: Pixels, *, on_white: bool) -> Pixels:
    """Return images whose ground has a colour, (N, H, W, 3) levels.

    Args:
        images: (N, H, W) or (N, H, W, 3) levels as they are shown.
        tints: (N, 3), the colour of each; that of the ground itself changes nothing.
        on_white: their ground is white, and colours are multiplied; else it is black, and what the two lack
            of white is multiplied.
    """
    shown = (images if images.ndim == 4 else images[..., None]).astype(np.float32)
    tint = tints[:, None, None].astype(np.float32)
    mixed = shown * tint / 255 if on_white else 255 - (255 - shown) * (255 - tint) / 255
    return np.round(mixed).astype(np.uint8)


def as_hex(colour: Pixels) -> str:
    """Return a colour, three levels, as ``#rrggbb``."""
    return "#" + bytes(colour.tolist()).hex()
