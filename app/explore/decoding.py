"""Pictures of given points: p(x given z) where a request says what z is."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses

from app.engine.work import Rows, Steps, Work
from app.explore.grids import Answer, Context, check_count
from app.explore.images import NO_UPLOADS, Uploads
from app.explore.points import Point, are_slow, codes_of, operations_of


def decode(context: Context, points: tuple[Point, ...], uploads: Uploads = NO_UPLOADS) -> Work[Answer]:
    """Return the work of decoding points that were checked: the mean of p(x given z) for each.

    Args:
        context: what it is drawn with.
        points: what is decoded, in this order.
        uploads: what points may mean by ``image:``.

    Raises:
        InvalidParameter: there are too many, or the answer would be too large.
    """
    check_count("points", len(points), 1, context.limits.max_images, "max_images")
    model, columns = context.model, context.check_grid(len(points), by=["points"], other_columns=True)

    def steps() -> Steps[Answer]:
        originals, notes = uploads.read(context)
        codes = yield from codes_of(points, model, originals)
        images = yield Rows.of(model.decoding, codes)
        return dataclasses.replace(context.draw(images, columns, codes), notes=notes)

    slow = are_slow(points)
    return Work(
        steps,
        len(points),
        (*operations_of(points, model), model.decoding),
        slow or context.is_heavy(len(points)),
        upload_cost=uploads.cost,
        slow_start=slow,
    )
