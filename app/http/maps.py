"""``/map``: what it takes, and what is prepared of it."""

import dataclasses
from typing import ClassVar

from pydantic import Field

from app.errors import MapUnavailable
from app.explore import maps
from app.explore.maps import Show
from app.explore.tables import TABLES
from app.http.addresses import context_of, permanent
from app.http.endpoint import MakePicture
from app.http.queries import StillQuery, Whole, contradictory
from app.models import Model
from app.settings import Settings

REFUSALS = (MapUnavailable,)  # of what shows the map


class MapQuery(StillQuery):
    """What ``GET /map`` takes."""

    columns: Whole | None = Field(
        None,
        description=f"Cells in a row; {maps.COLUMNS} if not given, of sprites as many as /map.json names.",
    )
    show: Show = Field(
        "images",
        description="images: in every cell the image that is nearest; classes: these on the colours of their "
        "classes; sprites: all images in their order, as a sprite sheet.",
    )
    array: maps.Array | None = Field(
        None, description="Which array npy holds: positions (if not given), classes or z_mean."
    )
    format: str = Field(
        "png",
        description=f"Format: png, webp; or a table: {', '.join(TABLES)}. It may stand behind the path too.",
    )

    formats: ClassVar = ("png", "webp", *TABLES)


def prepare_map(query: MapQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /map``; see ``app.explore.maps``."""
    style = query.style(model)  # what is refused of every model comes first
    columns = maps.resolve_columns(model, query.columns, query.show)
    if query.array is not None and query.format != "npy":
        raise contradictory("array", "format=npy with it", query.format, "Leave array out, or ask for npy.")
    values = dict(query) | {"columns": columns}
    # The images are no model's work, and nobody knows how they came to be.
    context = context_of("/map", model, settings, dataclasses.replace(style, columns=columns), values, None)
    return permanent(query, context, maps.draw_map(context, query.show, query.array or "positions"))
