"""``/interpolate``: what it takes, and what is prepared of it."""

from pydantic import Field

from app.errors import InvalidParameter
from app.explore import walks
from app.explore.images import Uploads
from app.explore.paths import Path
from app.explore.points import point_in, points_in
from app.explore.seeds import check_seed
from app.http.addresses import answer_headers, context_of, permanent
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.queries import Code, Inverted, Number, PointsText, PointText, Query, Seed, Whole, contradictory
from app.models import Model
from app.settings import Settings


class InterpolateQuery(Query):
    """What ``GET /interpolate`` takes."""

    axis: Whole | None = Field(
        None, description="Latent axis, from 0; the model's own choice if not given.", examples=[1]
    )
    low: Number | None = Field(None, description="Value of the axis in the first image, -8 to 8.")
    high: Number | None = Field(None, description="Value of the axis in the last image, -8 to 8.")
    steps: Whole | None = Field(None, description="Number of images.")
    at: PointText | None = Field(
        None, description="Holds the other axes at this point; if not given, at the prior's centre."
    )
    seed: Seed | None = Field(None, description="The same as at=seed:..., the first code of a seed.")
    z: Code | None = Field(None, description="The same as at=z:..., numbers with commas between them.")
    from_: PointText | None = Field(
        None, alias="from", description="Begin at this point, and walk to another instead of along an axis."
    )
    to: PointText | None = Field(None, description="End at this point.")
    via: PointsText | None = Field(None, description="Pass through these points, with ; between them.")
    path: Path = Field(
        "linear",
        description="Between points: linear, a straight line; slerp, an arc around zero; density, where "
        "codes of real images lie, of a model whose prior is a mixture.",
    )

    @property
    def held(self) -> dict[str, str]:
        """By parameter, the points at which the other axes are to be held; one is right."""
        seed = None if self.seed is None else f"seed:{self.seed}"
        found = {"at": self.at, "seed": seed, "z": None if self.z is None else f"z:{self.z}"}
        return {name: text for name, text in found.items() if text is not None}


ALONG_AXIS = ("axis", "low", "high", "at", "seed", "z")
BETWEEN = ("from", "to", "via", "path")


def prepare_walk(query: InterpolateQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /interpolate``; see ``app.explore.walks``."""
    given = {name.rstrip("_") for name in query.model_fields_set}
    if given & {"from", "to", "via"}:
        return _prepare_way(query, given, model, settings)
    if "path" in given:
        raise contradictory("path", "from and to beside it", "an axis", "Name two points, or leave path out.")
    walk = walks.resolve_walk(
        model, settings, axis=query.axis, low=query.low, high=query.high, steps=query.steps
    )
    held = query.held
    if len(held) > 1:
        names = list(held)
        raise contradictory(names[-1], f"{' or '.join(names)}, not both", "both", "Leave one of them out.")
    if query.seed is not None:
        check_seed(query.seed)
    at = next((point_in(text, name, model) for name, text in held.items()), None)
    values = dict(query) | vars(walk) | dict.fromkeys(("seed", "z", "path", "from_"))
    values["at"] = None if at is None else at.text(model)
    context = context_of("/interpolate", model, settings, query.style(model), values)
    return permanent(query, context, walks.interpolate(context, walk, at), query.seed)


def _prepare_way(query: InterpolateQuery, given: set[str], model: Model, settings: Settings) -> MakePicture:
    """Check a walk between points."""
    if both := sorted(given & {*ALONG_AXIS}):
        expected = "either an axis or points to walk between"
        raise contradictory(both[0], expected, "both", f"Leave {both[0]} out.")
    for name, text in (("from", query.from_), ("to", query.to)):
        if text is None:
            expected, remedy = "from and to, both", "Name both points."
            raise InvalidParameter.of(name, expected, "(not given)", remedy, "missing")
    via = () if query.via is None else points_in(query.via, "via", model)
    ends = point_in(str(query.from_), "from", model), point_in(str(query.to), "to", model)
    points = (ends[0], *via, ends[1])
    first, *between, last = (point.text(model) for point in points)
    steps = walks.resolve_steps(model, settings, query.steps)
    values = dict(query) | {"from_": None, "from": first, "to": last, "steps": steps}
    values["via"] = ";".join(between) or None
    context = context_of("/interpolate", model, settings, query.style(model), values)
    return permanent(query, context, walks.between(context, points, query.path, steps))


class UploadedWalkQuery(InterpolateQuery):
    """What ``POST /interpolate`` takes beside the images."""

    from_: PointText = Field("image:0", alias="from", description="Begin at this point.")
    to: PointText = Field("image:1", description="End at this point.", examples=["centre"])
    invert: Inverted = "no"


def prepare_uploaded_walk(query: UploadedWalkQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /interpolate`` with its files: a walk between two images, or other points."""
    given = {name.rstrip("_") for name in query.model_fields_set}
    if along := sorted(given & {*ALONG_AXIS}):
        raise contradictory(along[0], "points to walk between", along[0], f"Leave {along[0]} out.")
    steps = walks.resolve_steps(model, settings, query.steps)
    values = dict(query) | {"from_": None, "from": query.from_, "steps": steps}
    context = context_of("/interpolate", model, settings, query.style(model), values).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(files: list[tuple[str, bytes]]) -> PreparedPicture:
        if "to" not in given and len(files) < 2:
            expected, remedy = (
                "two images, or a point named",
                "Send a second image, or name to, like to=centre.",
            )
            raise InvalidParameter.of("to", expected, "1 image", remedy, "missing")
        sent = Uploads(tuple(files), query.invert)
        via = () if query.via is None else points_in(query.via, "via", model, len(files))
        first, last = (
            point_in(text, name, model, len(files))
            for name, text in (("from", query.from_), ("to", query.to))
        )
        return PreparedPicture(walks.between(context, (first, *via, last), query.path, steps, sent), headers)

    return ask
