"""Scores and completions as answers: tables of numbers, or pictures."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import base64
import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app.engine.work import Steps, Work
from app.explore.completion import Completion, Completions
from app.explore.grids import Answer, Context
from app.explore.scores import WARNING, Scores
from app.explore.tables import TABLES, Table
from app.pictures import grids
from app.pictures.encode import encode_png
from app.pictures.grids import Pixels

T = TypeVar("T")
Present = Callable[[T], Answer]

HIDDEN = 128  # level of missing pixels, in between the two grounds


def presented(work: Work[T], present: Present[T]) -> Work[Answer]:
    """Return the work of `work` and of making an answer of its result."""

    def steps() -> Steps[Answer]:
        return present((yield from work.steps()))

    return Work(steps, work.count, work.operations, work.heavy, work.upload_cost, work.slow_start)


def present_scores(context: Context, found: Scores) -> Answer:
    """Return scores as a table, or as a picture: the images above, below the surprise of their pixels.

    One scale holds for all maps of an answer: black is the least surprise in it, white the most. The fact
    ``surprise`` names both, in nats.
    """
    maps = np.stack([score.surprise for score in found.scores])
    low, high = float(maps.min()), float(maps.max())
    levels = grids.to_pixels((maps - low) / max(high - low, 1e-9))
    facts = (("surprise", f"{low:.6g}..{high:.6g}"),)
    if context.style.format not in TABLES:
        # Drawn as light, whatever the ink: the scale is not the images'.
        shown = levels if context.style.ink == "light" else 255 - levels
        columns = context.check_grid(len(found.images), rows_each=2)
        answer = context.draw(context.interleaved([found.images, shown], columns), columns, facts=facts)
        return dataclasses.replace(answer, notes=found.notes)
    rows = [
        score.as_dict() | {"surprise": {"low": low, "high": high, "picture": _picture(level)}}
        for score, level in zip(found.scores, levels, strict=True)
    ]
    corrected = [np.nan if score.corrected is None else score.corrected for score in found.scores]
    arrays = {
        "surprise": maps,
        "corrected": np.array(corrected),
        "log_p_x": np.array([score.log_p_x for score in found.scores]),
    }
    about = {"model": context.model.version.pinned, "warning": WARNING}
    return _table(context, Table(arrays, rows, about), facts, found.notes)


def present_completions(context: Context, found: Completions) -> Answer:
    """Return completions as a picture, a row for each image, or as arrays and JSON.

    A row shows what was seen, missing pixels in grey, then the mean completion, then the completions.
    """
    incomplete = found.incomplete
    rows = [
        _row(levels, seen, completion)
        for levels, seen, completion in zip(
            incomplete.pixels, incomplete.seen, found.completions, strict=True
        )
    ]
    columns = len(rows[0])
    sizes = [completion.effective_sample_size for completion in found.completions]
    facts = (("effective-sample-size", ", ".join(f"{size:.4g}" for size in sizes)),)
    each = [
        {
            "log_p_seen": completion.log_p_seen,
            "effective_sample_size": completion.effective_sample_size,
            "standard_error": float(np.sqrt(np.square(completion.standard_error).mean())),
        }
        for completion in found.completions
    ]
    answer = context.draw(np.concatenate(rows), columns, facts=facts, data={"completions": each})
    return dataclasses.replace(answer, notes=incomplete.notes)


def _row(levels: Pixels, seen: npt.NDArray[np.bool_], completion: Completion) -> Pixels:
    """Return the images of one row, (2 + n, H, W)."""
    shown = levels.copy()
    shown[~seen] = HIDDEN
    mean = grids.to_pixels(completion.mean)
    return np.concatenate([shown[None], mean[None], completion.images])


def _picture(levels: Pixels) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(levels)).decode()}"


def _table(
    context: Context, table: Table, facts: tuple[tuple[str, str], ...], notes: tuple[str, ...]
) -> Answer:
    media_type, write = TABLES[context.style.format]
    return Answer(write(table), media_type, facts, notes)
