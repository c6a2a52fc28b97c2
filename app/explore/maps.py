"""The encoded test set as a picture: every image near its place, or a table of all of them.

The images are the version's own held-out ones: nothing in these pictures is generated.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from app.engine.work import Steps, Work
from app.errors import InvalidParameter, MapUnavailable
from app.explore import legends
from app.explore.grids import Answer, Context, check_columns
from app.explore.tables import TABLES, Table
from app.held_out import Map
from app.manifest import Image, Manifest
from app.models import Model
from app.pictures.formats import point_of

Show = Literal["images", "classes", "sprites"]
Array = Literal["positions", "classes", "z_mean"]
Numbers = npt.NDArray[np.int64]

COLUMNS = 40
TALLEST = 4  # rows for each column


def map_of(model: Model) -> Map:
    """Return the map of a model.

    Raises:
        MapUnavailable: its version was published without one.
    """
    if model.map is None:
        raise MapUnavailable(model.version.reference)
    return model.map


def shows(manifest: Manifest) -> tuple[str, ...]:
    """Return what a map of this version can show."""
    return ("images", *(("classes",) if manifest.map and manifest.map.classes else ()), "sprites")


def resolve_columns(model: Model, columns: int | None, show: Show) -> int:
    """Return the columns of a map, the usual ones unless some are asked for.

    Raises:
        InvalidParameter: there are none; or classes are to be shown of images that have none.
        MapUnavailable: there is no map.
    """
    found = map_of(model)
    check_class_names(found, model, show)
    if columns is None:
        return found.columns if show == "sprites" else COLUMNS
    check_columns(columns)
    return columns


def check_class_names(found: Map, model: Model, show: str) -> None:
    """Refuse to show classes of images that have none."""
    if show == "classes" and not found.names:
        expected, remedy = "a model whose test set has classes", "Ask for show=images."
        raise InvalidParameter.of("show", expected, model.version.reference, remedy, "no_classes")


def draw_map(context: Context, show: Show, array: Array = "positions") -> Work[Answer]:
    """Return the work of drawing a map, `context.style.columns` cells wide, or of writing it as a table.

    Args:
        context: what draws.
        show: what a picture shows.
        array: what a file of a single array holds.

    Raises:
        InvalidParameter: the picture would be too large.
        MapUnavailable: the model has no map.
    """
    found, columns = map_of(context.model), context.style.columns or COLUMNS
    if context.style.format in TABLES:
        return Work(_immediately(lambda: _table(context, found, array)), 1, heavy=True, slow_start=True)
    if show == "sprites":
        columns = context.check_grid(len(found), other_columns=True)
        return Work(_immediately(lambda: _sprites(context, found, columns)), 1, slow_start=True)
    layout = Layout.of(found.positions, columns, context.model.manifest.image)
    context.check_grid(layout.rows * columns, by=["columns"])
    return Work(_immediately(lambda: _scatter(context, found, layout, show)), 1, slow_start=True)


def _immediately(make: Callable[[], Answer]) -> Callable[[], Steps[Answer]]:
    """Return the steps of work that computes no rows."""

    def steps() -> Steps[Answer]:
        return make()
        yield  # a generator, like the steps of all work

    return steps


class Layout(NamedTuple):
    """A grid over a map, in which a pixel to the right is as far as one upwards.

    Args:
        columns: of the grid.
        rows: of it.
        middle: of the map, where the grid's own middle is.
        size: width and height of a cell on the map.
    """

    columns: int
    rows: int
    middle: tuple[float, float]
    size: tuple[float, float]

    @classmethod
    def of(cls, positions: npt.NDArray[np.float32], columns: int, image: Image) -> Layout:
        """Return the grid of `columns` around positions, (N, 2), whose cells hold such images."""
        low, high = (each.tolist() for each in (positions.min(axis=0), positions.max(axis=0)))
        width, height = high[0] - low[0], high[1] - low[1]
        aspect = image.height / image.width
        cell = max(width / columns, height / (TALLEST * columns * aspect)) or 1.0
        rows = max(1, math.ceil(height / (cell * aspect) - 1e-6))
        return cls(columns, rows, ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2), (cell, cell * aspect))

    def images_in(self, positions: npt.NDArray[np.float32]) -> Numbers:
        """Return which image each cell shows, row by row from the top, -1 for none.

        Of the images that lie in a cell it is the one nearest to its middle.
        """
        columns, rows = self.columns, self.rows
        away = (positions.astype(np.float64) - self.middle) / self.size
        places = away * (1, -1) + (columns / 2, rows / 2)
        cells = np.clip(np.floor(places), 0, (columns - 1, rows - 1)).astype(np.int64)
        off = np.square(places - cells - 0.5).sum(axis=1)
        shown = np.full(columns * rows, -1, np.int64)
        order = np.argsort(off, kind="stable")[::-1]  # the nearest one is written last
        shown[cells[order, 1] * columns + cells[order, 0]] = order
        return shown


def _sprites(context: Context, found: Map, columns: int) -> Answer:
    """Return all images in their order."""
    return context.draw(found.images, columns, facts=(_shown(found, len(found)),))


def _scatter(context: Context, found: Map, layout: Layout, show: Show) -> Answer:
    """Return the picture of a map."""
    cells = layout.images_in(found.positions)
    filled = cells >= 0
    images = np.full((len(cells), *found.images.shape[1:]), context.style.blank, np.uint8)
    images[filled] = found.images[cells[filled]]
    facts = [_shown(found, int(filled.sum()))]
    if show == "classes":
        legend = legends.of_classes(found, found.classes[cells[filled]], context.style)
        ground = 255 if legends.is_on_white(context.style) else 0
        tints = np.full((len(cells), 3), ground, np.uint8)
        tints[filled] = legend.tints
        context, images = legends.tinted(context, images, tints)
        facts.append(legend.fact)
    return context.draw(images, layout.columns, facts=tuple(facts))


def _shown(found: Map, count: int) -> tuple[str, str]:
    """Return the fact of how many images an answer shows."""
    return "shown", f"{count} of {len(found)}"


def _table(context: Context, found: Map, first: Array) -> Answer:
    """Return positions, classes, places in the sprite sheet and codes; a single array is the `first`."""
    rows: list[dict[str, Any]] = [
        {
            "x": float(x),
            "y": float(y),
            "class": found.class_of(index),
            "cell": [index % found.columns, index // found.columns],
            "point": point_of(found.z_mean[index]),
        }
        for index, (x, y) in enumerate(found.positions)
    ]
    legend = legends.of_classes(found, found.classes, context.style)
    about = {
        "model": context.model.version.pinned,
        "method": found.method,
        "sprite_columns": found.columns,
        **legend.data,
    }
    own = {"positions": found.positions, "classes": found.classes, "z_mean": found.z_mean}
    arrays: dict[str, npt.NDArray[Any]] = {
        first: own[first],
        **own,
        "images": found.images,
        "names": np.array(found.names, np.str_),
    }
    media_type, write = TABLES[context.style.format]
    return Answer(write(Table(arrays, rows, about)), media_type, (_shown(found, len(found)),))
