"""Directions of the latent space: what one heap of images has that another lacks."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
from typing import Any

import numpy as np

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import MAX_CODE, Answer, Context, check_range
from app.explore.images import NO_UPLOADS, Uploads
from app.explore.points import Point, are_slow, codes_of, operations_of
from app.models import Model
from app.pictures.formats import Codes, point_of

MAX_STRENGTH = 8.0


@dataclasses.dataclass(frozen=True)
class Direction:
    """The mean of some points less the mean of others, and a walk along it.

    Args:
        plus: points that have it.
        minus: points that lack it.
        at: where the walk passes through, at strength 0.
        low: strength of the first image; 1 is the whole difference.
        high: of the last one.
        steps: number of images.
    """

    plus: tuple[Point, ...]
    minus: tuple[Point, ...]
    at: Point
    low: float
    high: float
    steps: int

    @property
    def points(self) -> tuple[Point, ...]:
        """All of its points."""
        return *self.plus, *self.minus, self.at

    def along(self, codes: Codes) -> tuple[Codes, Codes]:
        """Return the direction, (D,), and the codes of the walk, (steps, D), by the codes of ``points``."""
        exact = codes.astype(np.float64)
        difference = exact[: len(self.plus)].mean(axis=0) - exact[len(self.plus) : -1].mean(axis=0)
        strengths = np.linspace(self.low, self.high, self.steps)
        walked = exact[-1] + strengths[:, None] * difference
        return difference.astype(np.float32), walked.astype(np.float32)


def follow(context: Context, direction: Direction, uploads: Uploads = NO_UPLOADS) -> Work[Answer]:
    """Return the work of finding a direction and walking along it.

    Args:
        context: what it is drawn with.
        direction: of points that were checked.
        uploads: what points may mean by ``image:``.

    Raises:
        InvalidParameter: a strength is out of range, or the answer would be too large. The work raises it
            too, if the walk leaves +-8.
    """
    for name, value in (("low", direction.low), ("high", direction.high)):
        check_range(name, value, -MAX_STRENGTH, MAX_STRENGTH)
    model, columns = context.model, context.check_grid(direction.steps, by=["steps"])

    def steps() -> Steps[Answer]:
        originals, notes = uploads.read(context)
        codes = yield from codes_of(direction.points, model, originals)
        difference, walked = direction.along(codes)
        if not (np.abs(walked) <= MAX_CODE).all():
            furthest = float(np.abs(walked).max())
            expected, remedy = (
                f"a walk within +-{MAX_CODE:g} on every axis",
                "Bring low and high closer to 0.",
            )
            raise InvalidParameter.of("high", expected, f"{furthest:.4g}", remedy, "out_of_range")
        images = yield Rows.of(model.decoding, walked)
        answer = context.draw(images, columns, walked, data=described(model, difference))
        return dataclasses.replace(answer, notes=notes)

    operations = (*operations_of(direction.points, model), model.decoding)
    slow = are_slow(direction.points)
    heavy = slow or context.is_heavy(direction.steps)
    return Work(steps, direction.steps, operations, heavy, uploads.cost, slow_start=slow)


def described(model: Model, difference: Codes) -> dict[str, Any]:
    """Return a direction as a point, and its strength by axis, in deviations of the axis, strongest first.

    An axis that does not vary has the strength 0.
    """
    strengths = []
    for axis, (change, about) in enumerate(zip(difference, model.manifest.axes, strict=True)):
        strength = float(change) / about.std if about.std else 0.0
        strengths.append({"axis": axis, "change": float(change), "strength": strength})
    strengths.sort(key=lambda each: -abs(each["strength"]))
    return {"direction": point_of(difference), "axes": strengths}
