"""What every use case has in common: a grid of images, how it is drawn, and what a request may choose."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.errors import InvalidParameter
from app.models import Model
from app.pictures.formats import FORMATS, Codes, Drawing
from app.pictures.grids import GridStyle, Pixels
from app.pictures.provenance import Provenance, Recipe
from app.settings import Settings, variable

MAX_CODE = 8.0  # further out a decoder has never been trained; N(0, 1) goes there once in 10^15 draws

MAX_WHOLE = 10**19 - 1  # columns: a shorter grid has as many as images, and permanent addresses may name more
MAX_FPS = 50  # what the slowest of the formats knows
LONGEST_WHOLE = 2.0**53  # beyond, a float is not every whole number

# What a request for a smaller picture asks for, by parameter, where that is no smaller number.
_SMALLER = {"file": "fewer images"} | {
    name: f"fewer {name}" for name in ("columns", "points", "rows", "steps")
}

# Pixels that are drawn and deflated on the event loop: a quarter of a millisecond.
LIGHT_PIXELS = 65_536


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer: a file, and what is to be known of it beside.

    Args:
        content: the file.
        media_type: of it.
        facts: by name, what a program may want to know without reading the file, in ASCII.
        notes: what was done to uploads that their sender may not expect.
    """

    content: bytes
    media_type: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Context:
    """What every use case works with.

    Args:
        model: what computes.
        limits: what a request may ask for.
        style: how images are drawn.
        recipe: how the answer is made again.
    """

    model: Model
    limits: Settings
    style: GridStyle
    recipe: Recipe

    def draw(
        self,
        images: Pixels,
        columns: int,
        codes: Codes | None = None,
        provenance: Provenance | None = None,
        facts: tuple[tuple[str, str], ...] = (),
        data: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Return `images`, (N, H, W) or (N, H, W, 3) levels, in rows of `columns`, in the format asked for.

        Args:
            images: in the data's polarity.
            columns: images in a row.
            codes: (N, D), what the images were decoded from.
            provenance: of the recipe, if that is there already.
            facts: see ``Answer``.
            data: what JSON says beside.
        """
        media_type, encode = FORMATS[self.style.format][:2]
        told = provenance or self.provenance
        content = encode(Drawing(images, columns, self.style, self.recipe, told, codes, data))
        return Answer(content, media_type, (("grid", f"{columns}x{-(-len(images) // columns)}"), *facts))

    @functools.cached_property
    def provenance(self) -> Provenance:
        """What a file says of how it was made, by the recipe."""
        return self.recipe.provenance

    def seeded(self, seed: int) -> "Context":
        """Return the same with a recipe of this seed."""
        return dataclasses.replace(self, recipe=self.recipe.seeded(seed))

    def without_address(self) -> "Context":
        """Return the same for an answer that has no address, as uploads are not kept."""
        return dataclasses.replace(self, recipe=self.recipe._replace(address=None))

    @property
    def has_codes(self) -> bool:
        """Whether the answer's format carries codes."""
        return FORMATS[self.style.format].has_codes

    def is_heavy(self, count: int) -> bool:
        """Say whether drawing `count` images takes too long for the event loop."""
        image, style = self.model.manifest.image, self.style
        pixels = count * image.height * image.width * style.zoom**2
        return pixels * FORMATS[style.format].cost > LIGHT_PIXELS

    def interleaved(self, images: Sequence[Pixels], columns: int) -> Pixels:
        """Return several images of each thing, (N, H, W) each, in rows: the first of all above the others.

        A row that is not full is filled up with blank cells. In a format that carries images apart from each
        other, all of the first kind come before all of the next.
        """
        if FORMATS[self.style.format].apart:
            columns = len(images[0])
        rows = []
        for start in range(0, len(images[0]), columns):
            for each in images:
                row = np.full((columns, *each.shape[1:]), self.style.blank, np.uint8)
                part = each[start : start + columns]
                row[: len(part)] = part
                rows.append(row)
        return np.concatenate(rows)

    def check_grid(
        self, count: int, rows_each: int = 1, by: Sequence[str] = (), other_columns: bool = False
    ) -> int:
        """Return the columns of a grid of `count` images, or refuse one that is malformed or too large.

        Every row of images takes `rows_each` rows of the grid: two where reconstructions stand below.

        Args:
            count: images, of those that stand below one another one.
            rows_each: see above.
            by: the parameters by which a request may ask for fewer cells.
            other_columns: the request may choose `columns`, which leaves the number of images as it is.
        """
        style, limits = self.style, self.limits
        if style.columns is not None:
            check_columns(style.columns)
        check_count("zoom", style.zoom, 1, limits.max_zoom, "max_zoom")
        check_range("fps", style.fps, 1, MAX_FPS)
        image = self.model.manifest.image
        columns = min(style.columns or count, count)
        rows = rows_each * math.ceil(count / columns)
        pixels = rows * columns * image.height * image.width * style.zoom**2
        if pixels > limits.max_pixels:
            expected = f"at most {limits.max_pixels} pixels in all ({variable('max_pixels')})"
            raise self._too_large(expected, pixels, limits.max_pixels * style.zoom**2, by)
        longest = FORMATS[style.format].max_side
        side = max(columns * image.width, rows * image.height) * style.zoom
        if longest is not None and side > longest:
            expected = f"at most {longest} pixels a side of a {style.format}"
            others = (*(["other columns"] if other_columns else []), "a png")
            raise self._too_large(expected, side, longest * style.zoom, by, others)
        return columns

    def _too_large(
        self, expected: str, pixels: int, most: int, by: Sequence[str], others: Sequence[str] = ()
    ) -> InvalidParameter:
        """Return the refusal of a grid that is too large.

        Args:
            expected: how large it may be.
            pixels: that it has.
            most: that it may have to be small enough without the zoom: beyond it, the zoom is not to blame.
            by: see ``check_grid``.
            others: what helps beside smaller values of parameters.
        """
        zoomed = pixels <= most
        smaller = [_SMALLER.get(name, f"a smaller {name}") for name in (*by, *(["zoom"] if zoomed else []))]
        *first, last = [*smaller, *others] or ["a model of smaller images"]
        remedy = f"Ask for {', '.join(first)}{' or ' if first else ''}{last}."
        name = "zoom" if zoomed or not by else by[0]
        return InvalidParameter.of(name, expected, f"{pixels} pixels", remedy, "too_many_pixels")


def check_columns(columns: int) -> None:
    """Refuse a grid of no columns, or of a number that is meant to be no columns."""
    if not 1 <= columns <= MAX_WHOLE:
        expected = f"1 or more, in at most {len(str(MAX_WHOLE))} digits"
        raise InvalidParameter.of("columns", expected, columns, "Use a number in this range.", "out_of_range")


def check_count(name: str, value: int, least: int, most: int, setting: str) -> None:
    """Refuse a count outside `least` to `most`, naming the setting that holds the limit."""
    if not least <= value <= most:
        expected = f"{least}..{most} (the limit is {variable(setting)})"
        raise InvalidParameter.of(name, expected, value, f"Use {least} to {most}.", "out_of_range")


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside `least` to `most`."""
    if not least <= value <= most:  # also refuses what is not a number
        low, high = map(_written, (least, most))
        raise InvalidParameter.of(name, f"{low}..{high}", value, f"Use {low} to {high}.", "out_of_range")


def _written(limit: float) -> str:
    """Return a limit as a request may have it: a whole one without an exponent, unless it is long."""
    return f"{limit:.0f}" if float(limit).is_integer() and abs(limit) < LONGEST_WHOLE else f"{limit:g}"
