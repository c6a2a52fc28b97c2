"""``/axes`` and ``/manifold``: what they take, and what is prepared of it."""

from pydantic import Field

from app.errors import InvalidParameter
from app.explore import axes, planes, walks
from app.explore.points import point_in, points_in
from app.http.addresses import context_of, permanent
from app.http.endpoint import MakePicture
from app.http.queries import PointsText, PointText, Query, Whole, contradictory
from app.models import Model
from app.settings import Settings

HELD = "Holds the other axes at this point; if not given, at the code of the model's first example."


class AxesQuery(Query):
    """What ``GET /axes`` takes."""

    at: PointText | None = Field(None, description=HELD)
    steps: Whole | None = Field(None, description="Images in the strip of an axis.")


def prepare_axes(query: AxesQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /axes``; see ``app.explore.axes``."""
    at = point_in(query.at or axes.default_point(model), "at", model)
    steps = walks.resolve_steps(model, settings, query.steps)
    values = dict(query) | {"at": at.text(model), "steps": steps}
    context = context_of("/axes", model, settings, query.style(model, steps), values)
    return permanent(query, context, axes.contact_sheet(context, at, steps))


class ManifoldQuery(Query):
    """What ``GET /manifold`` takes."""

    columns: Whole = Field(15, description="Images in a row.")
    rows: Whole = Field(15, description="Rows of images.")
    x: Whole | None = Field(None, description="Axis that grows to the right; by default that of highest KL.")
    y: Whole | None = Field(None, description="Axis that grows upwards; by default that of next highest KL.")
    at: PointText | None = Field(None, description=HELD)
    points: PointsText | None = Field(
        None,
        description="Three points that span the plane instead: its top left, top right and bottom left "
        "corner, with ; between them.",
        examples=["seed:1;seed:2;seed:3"],
    )
    show: planes.Show = Field(
        "images",
        description="Of a model of two axes with a map of its test set. classes: the ground of a cell has "
        "the colour of the class of the nearest held-out image; density: it is the darker, the more of them "
        "lie in it.",
    )


def prepare_manifold(query: ManifoldQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /manifold``; see ``app.explore.planes``."""
    plane = plane_of(query, model)
    values = dict(query) | dict.fromkeys(("x", "y", "at", "points"))
    names = [point.text(model) for point in plane.points]
    if query.points is None:
        values |= {"x": plane.axes[0], "y": plane.axes[1], "at": names[0]}
    else:
        values["points"] = ";".join(names)
    if query.show == "images":  # as addresses are from before there was another
        values["show"] = None
    context = context_of("/manifold", model, settings, query.style(model, query.columns), values)
    return permanent(query, context, planes.manifold(context, plane, query.show))


def plane_of(query: ManifoldQuery, model: Model) -> planes.Plane:
    """Return the plane that a query means."""
    if query.points is not None:
        if given := sorted(query.model_fields_set & {"x", "y", "at"}):
            name = given[0]
            raise contradictory(name, f"points or {name}, not both", "both", f"Leave {name} out.")
        points = points_in(query.points, "points", model)
        if len(points) != planes.CORNERS:
            remedy = "Name the top left, the top right and the bottom left corner."
            expected, received = f"{planes.CORNERS} points", str(len(points))
            raise InvalidParameter.of("points", expected, received, remedy, "wrong_length")
        return planes.Plane(points, (0, 0), query.columns, query.rows)
    widest = planes.widest_axes(model)
    x = query.x if query.x is not None else next(axis for axis in widest if axis != query.y)
    y = query.y if query.y is not None else next(axis for axis in widest if axis != x)
    for name, axis in (("x", x), ("y", y)):
        walks.check_axis(name, axis, model)
    if x == y:
        raise contradictory("y", "another axis than x", str(y), "Name two axes.")
    at = point_in(query.at or axes.default_point(model), "at", model)
    return planes.Plane((at,), (x, y), query.columns, query.rows)
