"""Reconstructions: images above, and below what is left of them after encoding and decoding."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses

import numpy as np
import numpy.typing as npt

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import Answer, Context
from app.pictures import uploads
from app.pictures.uploads import Invert


def reconstruct(context: Context, files: list[tuple[str, bytes]], invert: Invert) -> Work[Answer]:
    """Return the work of encoding images and decoding their posterior means.

    Args:
        context: what it is drawn with; more images than columns give further pairs of rows.
        files: what errors call each file, and its bytes.
        invert: whether files are inverted; see ``app.pictures.uploads``.

    Raises:
        InvalidParameter: the answer would be too large. The work itself raises UploadError if a file cannot
            be used: even a header can take time to read.
    """
    columns = context.check_grid(len(files), rows_each=2)
    model = context.model
    image = model.manifest.image

    def steps() -> Steps[Answer]:
        read = uploads.read_uploads(files, image.shape, invert, context.limits, image.polarity)
        notes = tuple(f"{found.name}: {note}" for found in read for note in found.notes)
        originals = np.stack([found.pixels for found in read])
        answer = yield from _reconstructions(context, originals, columns)
        return dataclasses.replace(answer, notes=notes)

    return Work(
        steps,
        len(files),
        (model.encoding, model.decoding),
        context.is_heavy(2 * len(files)),
        upload_bytes=sum(len(data) for _, data in files),
    )


def reconstruct_examples(context: Context) -> Work[Answer]:
    """Return the work for the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: the answer would be too large, or the version ships none.
    """
    model = context.model
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")
    columns = context.check_grid(len(examples), rows_each=2)

    def steps() -> Steps[Answer]:
        return (yield from _reconstructions(context, examples, columns))

    operations = model.encoding, model.decoding
    return Work(steps, len(examples), operations, context.is_heavy(2 * len(examples)))


def _reconstructions(context: Context, originals: npt.NDArray[np.uint8], columns: int) -> Steps[Answer]:
    model = context.model
    z_mean = yield Rows.of(model.encoding, originals.astype(np.float32) / np.float32(255))
    decoded = yield Rows.of(model.decoding, z_mean)
    rows = []
    for start in range(0, len(originals), columns):
        for images in (originals, decoded):
            row = np.full((columns, *originals.shape[1:]), context.style.blank, np.uint8)
            part = images[start : start + columns]
            row[: len(part)] = part
            rows.append(row)
    return context.draw(np.concatenate(rows), columns)
