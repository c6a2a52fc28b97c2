"""Latent traversals: one axis walked from low to high, and ways through several points."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses

from app import latent
from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import MAX_CODE, Answer, Context, check_count, check_range
from app.explore.images import NO_UPLOADS, Uploads
from app.explore.paths import MAX_POINTS, Path, way
from app.explore.points import Point, are_slow, codes_of, operations_of
from app.models import Model
from app.settings import Settings


@dataclasses.dataclass(frozen=True)
class Walk:
    """A way along one latent axis with every default filled in from the model's manifest."""

    axis: int
    low: float
    high: float
    steps: int


def resolve_walk(
    model: Model, limits: Settings, axis: int | None, low: float | None, high: float | None, steps: int | None
) -> Walk:
    """Return a checked walk; what is None is the model's own choice.

    Args:
        model: what decodes.
        limits: what a request may ask for.
        axis: 0 to latent_dim - 1.
        low: where the walk begins.
        high: where it ends; equal to low, a constant strip.
        steps: number of images.

    Raises:
        InvalidParameter: no such axis, an end beyond +-8, low above high, or too many steps.
    """
    manifest = model.manifest
    axis = manifest.walk.axis if axis is None else axis
    check_axis("axis", axis, model)
    default_low, default_high = manifest.walk_range(axis)
    own = "low" if low is None else "high" if high is None else None
    low = default_low if low is None else low
    high = default_high if high is None else high
    for name, value in (("low", low), ("high", high)):
        check_range(name, value, -MAX_CODE, MAX_CODE)
    if low > high:
        raise _out_of_order(axis, low, high, own)
    return Walk(axis, low, high, resolve_steps(model, limits, steps))


def _out_of_order(axis: int, low: float, high: float, own: str | None) -> InvalidParameter:
    """Return the refusal of a walk whose `low` is above its `high`.

    Args:
        axis: that is walked along.
        low: where the walk would begin.
        high: where it would end.
        own: which of the two is not given, but axis `axis`'s own; None: neither.
    """
    name, expected, received, remedy = "low", f"at most high ({high})", low, "Swap low and high."
    if own == "high":
        expected = f"at most high ({high}: axis {axis}'s own, as none is given)"
        remedy = "Give a lower low or a higher high."
    elif own == "low":
        name, received = "high", high
        expected = f"at least low ({low}: axis {axis}'s own, as none is given)"
        remedy = "Give a higher high or a lower low."
    return InvalidParameter.of(name, expected, received, remedy, "out_of_order")


def check_axis(name: str, axis: int, model: Model) -> None:
    """Refuse a latent axis that the model does not have."""
    if not 0 <= axis < model.manifest.latent_dim:
        expected = f"axes 0..{model.manifest.latent_dim - 1}"
        raise InvalidParameter.of(name, expected, axis, "Name one latent axis.", "out_of_range")


def resolve_steps(model: Model, limits: Settings, steps: int | None) -> int:
    """Return a checked number of images; None is the model's own choice."""
    steps = model.manifest.walk.steps if steps is None else steps
    check_count("steps", steps, 2, limits.max_steps, "max_steps")
    return steps


def interpolate(context: Context, walk: Walk, at: Point | None) -> Work[Answer]:
    """Return the work of a walk along one latent axis in equal steps, every other axis held.

    Args:
        context: what it is drawn with.
        walk: as ``resolve_walk`` gives it.
        at: holds the other axes at this point; None: at the prior's centre.

    Raises:
        InvalidParameter: the model has no such point, or the answer would be too large.
    """
    model = context.model
    columns = context.check_grid(walk.steps, by=["steps"])
    points = () if at is None else (at,)

    def steps() -> Steps[Answer]:
        codes = yield from codes_of(points, model)
        base = codes[0] if points else model.prior.centre
        walked = latent.walk(base, walk.axis, walk.low, walk.high, walk.steps)
        images = yield Rows.of(model.decoding, walked)
        return context.draw(images, columns, walked)

    operations = (*operations_of(points, model), model.decoding)
    return Work(steps, walk.steps, operations, context.is_heavy(walk.steps))


def between(
    context: Context, points: tuple[Point, ...], path: Path, count: int, uploads: Uploads = NO_UPLOADS
) -> Work[Answer]:
    """Return the work of a way through two or more points, in equal steps of each part of it.

    Args:
        context: what it is drawn with.
        points: where it goes through.
        path: what lies between two of them; see ``app.explore.paths``.
        count: number of images.
        uploads: what points may mean by ``image:``.

    Raises:
        InvalidParameter: the model has no such point, or the answer would be too large.
    """
    model = context.model
    columns = context.check_grid(count, by=["steps"])
    if len(points) > (most := min(count, MAX_POINTS)):  # of more than images some would be passed by
        expected = f"at most {most - 2} points on a way of {count} images"
        remedy = "Leave some of them out, or ask for more steps."
        raise InvalidParameter.of("via", expected, f"{len(points) - 2} points", remedy, "too_many")

    def steps() -> Steps[Answer]:
        originals, notes = uploads.read(context)
        codes = yield from codes_of(points, model, originals)
        walked = way(codes, path, count, model.prior)
        images = yield Rows.of(model.decoding, walked)
        return dataclasses.replace(context.draw(images, columns, walked), notes=notes)

    operations = (*operations_of(points, model), model.decoding)
    slow = path == "density" or are_slow(points)
    heavy = slow or context.is_heavy(count)
    return Work(steps, count, operations, heavy, uploads.cost, slow_start=slow)
