"""All latent axes of a model: how much each knows of an image, its range, and what it changes."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

from typing import Any

import numpy as np

from app import latent
from app.engine.work import Rows, Steps, Work
from app.explore.grids import Answer, Context
from app.explore.points import Point, codes_of, operations_of
from app.models import Model

DEAD_NATS = 0.05  # an axis that knows less of an image changes nothing that can be seen


def default_point(model: Model) -> str:
    """Return the point that holds the other axes unless a request says otherwise: the code of a real image.

    Around the centre of the prior, which no image has, the strips of all axes look alike.
    """
    return "example:0" if len(model.examples) else "seed:0/0"


def contact_sheet(context: Context, at: Point, steps: int) -> Work[Answer]:
    """Return the work of a strip for each axis, one below the other, in the order of the axes.

    Every axis runs through its own 2.5 to 97.5 % of the aggregate posterior, the others held.

    Args:
        context: what it is drawn with.
        at: holds the other axes.
        steps: images in a strip.

    Raises:
        InvalidParameter: the answer would be too large.
    """
    model = context.model
    axes = model.manifest.axes
    count = len(axes) * steps
    context.check_grid(count, by=["steps"])
    facts = (("dead-axes", str(sum(axis.kl < DEAD_NATS for axis in axes))),)

    def work() -> Steps[Answer]:
        base = (yield from codes_of([at], model))[0]
        codes = np.concatenate(
            [latent.walk(base, axis, *span(model, axis), steps) for axis in range(len(axes))]
        )
        images = yield Rows.of(model.decoding, codes)
        return context.draw(images, steps, codes, facts=facts, data={"axes": described(model)})

    return Work(work, count, (*operations_of([at], model), model.decoding), context.is_heavy(count))


def span(model: Model, axis: int) -> tuple[float, float]:
    """Return the 2.5 and the 97.5 % quantile of an axis under the aggregate posterior."""
    quantiles = model.manifest.axes[axis].quantiles
    return quantiles["0.025"], quantiles["0.975"]


def described(model: Model) -> list[dict[str, Any]]:
    """Return what there is to know of each axis: KL in nats, mean, deviation, range, whether it is dead."""
    found = []
    for number, axis in enumerate(model.manifest.axes):
        low, high = span(model, number)
        about = {"axis": number, "kl": axis.kl, "mean": axis.mean, "std": axis.std}
        found.append(about | {"low": low, "high": high, "dead": axis.kl < DEAD_NATS})
    return found
