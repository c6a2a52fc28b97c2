"""What the classes, and the number, of held-out images near cells of a plane look like."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from app.explore.grids import Context
from app.held_out import Map
from app.pictures import palette
from app.pictures.formats import Codes
from app.pictures.grids import GridStyle, Pixels

LISTED = 40  # classes that a header names
_CELLS = 256  # whose distances are computed at a time

Numbers = npt.NDArray[np.int64]


class Legend(NamedTuple):
    """Colours of images, and what they mean.

    Args:
        tints: (N, 3) levels, the colour of each image's ground.
        fact: of the answer; see ``Answer``.
        data: what JSON says of it.
    """

    tints: Pixels
    fact: tuple[str, str]
    data: Mapping[str, Any]


def is_on_white(style: GridStyle) -> bool:
    """Say whether the ground of images is drawn white."""
    return (style.blank == 0) == (style.ink == "dark")


def of_classes(found: Map, numbers: npt.NDArray[np.integer[Any]], style: GridStyle) -> Legend:
    """Return the legend of images of these classes, (N,), drawn in this style."""
    colours = palette.colours(len(found.names), on_white=is_on_white(style))
    counts = Counter(numbers.tolist())
    classes: list[dict[str, Any]] = [
        {"class": name, "colour": palette.as_hex(colour), "images": counts[number]}
        for number, (name, colour) in enumerate(zip(found.names, colours, strict=True))
    ]
    listed = [f"{quote(each['class'], safe=' /')}={each['colour']}" for each in classes[:LISTED]]
    return Legend(colours[numbers], ("classes", ", ".join(listed)), {"classes": classes})


def of_counts(counts: Numbers, total: int, style: GridStyle) -> Legend:
    """Return the legend of cells in which so many of `total` images lie: shades are of the counts' roots."""
    most = int(counts.max())
    tints = palette.shades(np.sqrt(counts / max(1, most)), on_white=is_on_white(style))
    data = {"most": most, "inside": int(counts.sum()), "num_images": total, "counts": counts.tolist()}
    return Legend(tints, ("density", f"0..{most}"), data)


def nearest(found: Map, codes: Codes) -> Numbers:
    """Return the number of the image of a map that is nearest to each code, (N,)."""
    known = found.z_mean.astype(np.float64)
    parts = []
    for start in range(0, len(codes), _CELLS):
        apart = codes[start : start + _CELLS, None].astype(np.float64) - known[None]
        parts.append(np.square(apart).sum(axis=-1).argmin(axis=1))
    return np.concatenate(parts)


def tinted(context: Context, images: Pixels, tints: Pixels) -> tuple[Context, Pixels]:
    """Return images in the data's polarity as colour images on tinted grounds, and what draws these."""
    style = context.style
    shown = 255 - images if style.ink == "dark" else images
    pixels = palette.tinted(shown, tints, on_white=is_on_white(style))
    return dataclasses.replace(context, style=dataclasses.replace(style, ink="light")), pixels
