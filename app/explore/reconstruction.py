"""Reconstructions: images above, and below what is left of them after encoding and decoding."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math
from typing import Literal

import numpy as np

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import Answer, Context
from app.explore.images import Uploads
from app.explore.quality import Closeness, closeness
from app.pictures.formats import point_of
from app.pictures.grids import Pixels

Show = Literal["both", "error"]
ROWS = {"both": 2, "error": 3}  # of the grid, for a row of images


def reconstruct(context: Context, sent: Uploads, show: Show = "both") -> Work[Answer]:
    """Return the work of encoding images and decoding their posterior means.

    Args:
        context: what it is drawn with; more images than columns give further pairs of rows.
        sent: the images.
        show: ``error`` adds a third row, the absolute differences.

    Raises:
        InvalidParameter: the answer would be too large. The work itself raises UploadError if a file cannot
            be used: even a header can take time to read.
    """
    count = len(sent.files)
    columns = context.check_grid(count, rows_each=ROWS[show])
    model = context.model

    def steps() -> Steps[Answer]:
        originals, notes = sent.read(context)
        answer = yield from _reconstructions(context, originals, columns, show)
        return dataclasses.replace(answer, notes=notes)

    operations, heavy = (model.encoding, model.decoding), context.is_heavy(ROWS[show] * count)
    return Work(steps, count, operations, heavy, upload_bytes=sent.num_bytes)


def reconstruct_examples(context: Context, show: Show = "both") -> Work[Answer]:
    """Return the work for the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: the answer would be too large, or the version ships none.
    """
    model = context.model
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")
    columns = context.check_grid(len(examples), rows_each=ROWS[show])

    def steps() -> Steps[Answer]:
        return (yield from _reconstructions(context, examples, columns, show))

    operations = model.encoding, model.decoding
    return Work(steps, len(examples), operations, context.is_heavy(ROWS[show] * len(examples)))


def _reconstructions(context: Context, originals: Pixels, columns: int, show: Show) -> Steps[Answer]:
    model = context.model
    z_mean = yield Rows.of(model.encoding, originals.astype(np.float32) / np.float32(255))
    decoded = yield Rows.of(model.decoding, z_mean)
    shown = [originals, decoded]
    if show == "error":
        shown.append(np.maximum(originals, decoded) - np.minimum(originals, decoded))
    close = closeness(originals, decoded)
    means = {name: float(np.mean([getattr(each, name) for each in close])) for name in Closeness._fields}
    facts = tuple((name, f"{value:.6g}") for name, value in means.items())
    each = [
        {"point": point_of(code), **_finite(found._asdict())}
        for code, found in zip(z_mean, close, strict=True)
    ]
    data = {**_finite(means), "reconstructions": each}
    return context.draw(context.interleaved(shown, columns), columns, facts=facts, data=data)


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """Return numbers with null for what JSON cannot say: the PSNR of equal images."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
