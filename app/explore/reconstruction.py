"""Reconstructions: images above, and below what is left of them after encoding and decoding."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from app.engine.work import Operation, Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore import scores
from app.explore.grids import Answer, Context
from app.explore.images import Uploads
from app.explore.quality import closeness
from app.explore.scores import Draws
from app.pictures.formats import point_of
from app.pictures.grids import Pixels

Show = Literal["both", "error"]
TERMS = ("elbo", "reconstruction", "kl")  # the bound, and E_q[log p(x given z)] and the KL that it is made of
ROWS = {"both": 2, "error": 3}  # of the grid, for a row of images


def reconstruct(context: Context, sent: Uploads, show: Show = "both", draws: int = 0) -> Work[Answer]:
    """Return the work of encoding images and decoding their posterior means.

    Args:
        context: what it is drawn with; more images than columns give further pairs of rows.
        sent: the images.
        show: ``error`` adds a third row, the absolute differences.
        draws: of each posterior, by which the ELBO is estimated; 0: it is not.

    Raises:
        InvalidParameter: the answer would be too large, or there are too many draws. The work itself raises
            UploadError if a file cannot be used: even a header can take time to read.
        ScoringUnavailable: the version was published without what the ELBO needs.
    """

    def read() -> tuple[Pixels, tuple[str, ...]]:
        return sent.read(context)

    work = _work(context, read, len(sent.files), show, draws, by=["file"])
    return dataclasses.replace(work, upload_cost=sent.cost)


def reconstruct_examples(context: Context, show: Show = "both", draws: int = 0) -> Work[Answer]:
    """Return the work for the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: the answer would be too large, or the version ships none.
        ScoringUnavailable: as ``reconstruct``.
    """
    model = context.model
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")
    return _work(context, lambda: (examples, ()), len(examples), show, draws)


def _work(
    context: Context,
    read: Callable[[], tuple[Pixels, tuple[str, ...]]],
    count: int,
    show: Show,
    draws: int,
    by: Sequence[str] = (),
) -> Work[Answer]:
    """Return the work of reconstructing `count` images that are still to be read, with notes on them."""
    model, columns = context.model, context.check_grid(count, ROWS[show], by, other_columns=True)
    operations: tuple[Operation, ...] = (model.encoding, model.decoding)
    if draws:
        scores.check_draws(model, context.limits, count, Draws(draws), "elbo", least=0)
        operations += (model.scoring,)

    def steps() -> Steps[Answer]:
        if draws:
            model.prepare_scoring()
        originals, notes = read()
        answer = yield from _reconstructions(context, originals, columns, show, draws)
        return dataclasses.replace(answer, notes=notes)

    heavy = bool(draws) or context.is_heavy(ROWS[show] * count)
    return Work(steps, count * max(1, draws), operations, heavy, slow_start=bool(draws))


def _reconstructions(
    context: Context, originals: Pixels, columns: int, show: Show, draws: int
) -> Steps[Answer]:
    model = context.model
    z_mean = yield Rows.of(model.encoding, originals.astype(np.float32) / np.float32(255))
    decoded = yield Rows.of(model.decoding, z_mean)
    shown = [originals, decoded]
    if show == "error":
        shown.append(np.maximum(originals, decoded) - np.minimum(originals, decoded))
    close = closeness(originals, decoded)
    measured = [found._asdict() for found in close]
    if draws:
        terms = yield from scores.scores_of(model, originals, Draws(draws))
        for each, score in zip(measured, terms, strict=True):
            each |= {name: getattr(score, name) for name in TERMS}
    means = {name: sum(each[name] for each in measured) / len(measured) for name in measured[0]}
    facts = tuple((name, f"{value:.6g}") for name, value in means.items())
    data = None
    if context.style.format == "json":
        single = [
            {"point": point_of(code), **_finite(each)} for code, each in zip(z_mean, measured, strict=True)
        ]
        data = {**_finite(means), "reconstructions": single}
    return context.draw(context.interleaved(shown, columns), columns, facts=facts, data=data)


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """Return numbers with null for what JSON cannot say: the PSNR of equal images."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
