"""``/decode``, ``/directions`` and ``/compare``: what they take, and what is prepared of it."""

from typing import Any

from pydantic import Field

from app.errors import InvalidParameter
from app.explore import comparison, decoding, directions, walks
from app.explore.images import Uploads
from app.explore.points import MAX_CHARACTERS, point_in, points_in
from app.http.addresses import answer_headers, context_of, permanent
from app.http.bodies import SentPoints
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.queries import (
    Inverted,
    Number,
    PointsText,
    PointText,
    Query,
    Reference,
    Whole,
    contradictory,
)
from app.models import Model
from app.settings import Settings

COLUMNS = Field(7, description="Images in a row; a shorter grid has as many as there are images.")


class DecodeQuery(Query):
    """What ``GET /decode`` takes."""

    columns: Whole = COLUMNS
    points: PointsText = Field(
        description="What is decoded, with ; between the points.",
        examples=["seed:42/3;seed:7;0.5*seed:42/3~0.5*seed:7"],
    )


def prepare_decode(query: DecodeQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /decode``; see ``app.explore.decoding``."""
    points = points_in(query.points, "points", model)
    values = dict(query) | {"points": ";".join(point.text(model) for point in points)}
    context = context_of("/decode", model, settings, query.style(model, query.columns), values)
    return permanent(query, context, decoding.decode(context, points))


class SentDecodeQuery(Query):
    """What ``POST /decode`` takes beside its body."""

    columns: Whole = COLUMNS
    points: PointsText | None = Field(
        None, description="What is decoded, if the body holds images: image:0 if not given."
    )
    invert: Inverted = "no"


def prepare_sent_decode(query: SentDecodeQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /decode`` with its points, codes or images."""
    style = query.style(model, query.columns)
    values = dict(query)
    with_default = values | {"points": query.points or "image:0"}
    of_images = context_of("/decode", model, settings, style, with_default).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(sent: SentPoints) -> PreparedPicture:
        uploads = Uploads(sent.files, query.invert)
        if sent.files:
            points = points_in(query.points or "image:0", "points", model, len(sent.files))
            return PreparedPicture(decoding.decode(of_images, points, uploads), headers)
        if query.points is not None:
            remedy = "Leave it out, or send images."
            raise InvalidParameter.of("points", "points in the body alone", "points", remedy, "contradictory")
        for point in sent.points:
            point.check(model)
        names = ";".join(point.text(model) for point in sent.points)
        # What GET would be asked for, so that the picture can be drawn again, if the address can be so long.
        context = context_of("/decode", model, settings, style, values | {"points": names, "invert": None})
        if len(str(context.recipe.address)) > MAX_CHARACTERS:
            context = context.without_address()
        return PreparedPicture(decoding.decode(context, sent.points), headers)

    return ask


class DirectionQuery(Query):
    """What ``GET /directions`` takes."""

    plus: PointsText = Field(
        description="Points that have it, with ; between them.", examples=["seed:42/0;seed:42/1"]
    )
    minus: PointsText = Field(description="Points that lack it.", examples=["seed:42/2"])
    at: PointText | None = Field(
        None, description="Where the walk passes through, at strength 0; the first of minus if not given."
    )
    low: Number = Field(0.0, description="Strength of the first image; 1 is the whole difference.")
    high: Number = Field(1.0, description="Strength of the last image.")
    steps: Whole | None = Field(None, description="Number of images.")

    def direction(self, model: Model, settings: Settings, uploads: int = 0) -> directions.Direction:
        """Return the direction that is meant, its points checked."""
        minus = points_in(self.minus, "minus", model, uploads)
        at = minus[0] if self.at is None else point_in(self.at, "at", model, uploads)
        steps = walks.resolve_steps(model, settings, self.steps)
        plus = points_in(self.plus, "plus", model, uploads)
        return directions.Direction(plus, minus, at, self.low, self.high, steps)


def prepare_direction(query: DirectionQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /directions``; see ``app.explore.directions``."""
    found = query.direction(model, settings)
    values = dict(query) | {"at": found.at.text(model), "steps": found.steps}
    for name, points in (("plus", found.plus), ("minus", found.minus)):
        values[name] = ";".join(point.text(model) for point in points)
    context = context_of("/directions", model, settings, query.style(model), values)
    return permanent(query, context, directions.follow(context, found))


class SentDirectionQuery(DirectionQuery):
    """What ``POST /directions`` takes beside the images."""

    plus: PointsText = Field(description="Points that have it, with ; between them.", examples=["image:0"])
    invert: Inverted = "no"


def prepare_sent_direction(query: SentDirectionQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /directions`` with its files: points may mean them by ``image:``."""
    at = query.at or query.minus.partition(";")[0]
    values = dict(query) | {"at": at, "steps": walks.resolve_steps(model, settings, query.steps)}
    context = context_of("/directions", model, settings, query.style(model), values).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(files: list[tuple[str, bytes]]) -> PreparedPicture:
        found = query.direction(model, settings, len(files))
        return PreparedPicture(
            directions.follow(context, found, Uploads(tuple(files), query.invert)), headers
        )

    return ask


class CompareQuery(Query):
    """What ``GET /compare`` takes."""

    columns: Whole | None = Field(None, description="Images in a row; all in one row if not given.")
    # No example: the service may have any models, and its API's documentation names one that it has.
    with_: Reference = Field(alias="with", description="The second model, drawn below the first.")
    points: PointsText = Field(
        ";".join(f"seed:0/{number}" for number in range(7)), description="What both decode."
    )

    @property
    def others(self) -> dict[str, str]:
        """The second model."""
        return {"with": self.with_}


def prepare_comparison(query: CompareQuery, model: Model, other: Model, settings: Settings) -> MakePicture:
    """Check ``GET /compare``; see ``app.explore.comparison``."""
    points, points_of_other = (points_in(query.points, "points", each) for each in (model, other))
    names = ";".join(point.text(model) for point in points)
    of_other = ";".join(point.text(other) for point in points_of_other)
    if names != of_other:  # a class' number, say: an address that names it by one model means another by both
        remedy = "Name classes by names that both models have."
        raise contradictory("points", f"points of one name in both models, as {names}", of_other, remedy)
    values: dict[str, Any] = dict(query) | {"points": names, "with_": None, "with": other.version.pinned}
    context = context_of("/compare", model, settings, query.style(model, query.columns), values)
    return permanent(query, context, comparison.compare(context, other, points, points_of_other))
