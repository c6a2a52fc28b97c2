"""Latent traversals: one axis walked from low to high, and ways through several points."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
from typing import Literal

import numpy as np

from app import latent
from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import MAX_CODE, Answer, Context, check_count, check_range
from app.explore.points import Point, codes_of, operations_of
from app.models import Model
from app.pictures.formats import Codes
from app.settings import Settings

Path = Literal["linear", "slerp"]
PARALLEL = 1e-6  # sine of the angle below which directions leave no one arc between them


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
    low = default_low if low is None else low
    high = default_high if high is None else high
    for name, value in (("low", low), ("high", high)):
        check_range(name, value, -MAX_CODE, MAX_CODE)
    if low > high:
        raise InvalidParameter.of("low", f"at most high ({high})", low, "Swap low and high.", "out_of_order")
    return Walk(axis, low, high, resolve_steps(model, limits, steps))


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
    columns = context.check_grid(walk.steps)
    points = () if at is None else (at,)

    def steps() -> Steps[Answer]:
        codes = yield from codes_of(points, model)
        base = codes[0] if points else model.prior.centre
        walked = latent.walk(base, walk.axis, walk.low, walk.high, walk.steps)
        images = yield Rows.of(model.decoding, walked)
        return context.draw(images, columns, walked)

    operations = (*operations_of(points, model), model.decoding)
    return Work(steps, walk.steps, operations, context.is_heavy(walk.steps))


def between(context: Context, points: tuple[Point, ...], path: Path, count: int) -> Work[Answer]:
    """Return the work of a way through two or more points, in equal steps of each part of it.

    Args:
        context: what it is drawn with.
        points: where it goes through.
        path: what lies between two of them; see ``latent.way``.
        count: number of images.

    Raises:
        InvalidParameter: the model has no such point, or the answer would be too large.
    """
    model = context.model
    columns = context.check_grid(count)
    if len(points) > count:  # some would be passed by
        expected, remedy = f"at most {count - 2} points on a way of {count} images", "Ask for more steps."
        raise InvalidParameter.of("via", expected, f"{len(points) - 2} points", remedy, "too_many")

    def steps() -> Steps[Answer]:
        codes = yield from codes_of(points, model)
        walked = way(codes, path, count)
        images = yield Rows.of(model.decoding, walked)
        return context.draw(images, columns, walked)

    operations = (*operations_of(points, model), model.decoding)
    return Work(steps, count, operations, context.is_heavy(count))


def way(points: Codes, path: Path, count: int) -> Codes:
    """Return `count` codes on a way through `points`, (M, D), M > 1; it begins and ends at the outer ones.

    ``linear`` is the straight line. ``slerp`` is the arc of a great circle (Shoemake 1985), which keeps the
    distance from zero that codes of many axes have, where the straight line passes closer to zero (White
    2016); between codes of one direction or of opposite ones it is the straight line.
    """
    parts, along = np.divmod(np.linspace(0, len(points) - 1, count), 1)
    first = np.minimum(parts.astype(int), len(points) - 2)
    along = np.where(parts > first, 1.0, along)
    exact = points.astype(np.float64)
    codes = np.empty((count, points.shape[1]), np.float32)
    for code, start, end, t in zip(codes, exact[first], exact[first + 1], along, strict=True):
        weights = _arc(start, end, t) if path == "slerp" else None
        one, other = weights or (1 - t, t)
        code[:] = one * start + other * end
    return codes


def _arc(start: Codes, end: Codes, t: float) -> tuple[float, float] | None:
    """Return the weights of two codes in one between them on an arc; None: there is no one arc."""
    length = float(np.linalg.norm(start) * np.linalg.norm(end))
    if not length:
        return None
    angle = float(np.arccos(np.clip(np.dot(start, end) / length, -1, 1)))
    sine = float(np.sin(angle))
    if sine < PARALLEL:
        return None
    return float(np.sin((1 - t) * angle)) / sine, float(np.sin(t * angle)) / sine
