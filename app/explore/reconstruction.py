"""Reconstructions: images above, and below what is left of them after encoding and decoding."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import numpy as np
import numpy.typing as npt

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import GridStyle, Picture, check_grid, draw_grid, is_heavy
from app.models import Model
from app.pictures import uploads
from app.pictures.uploads import Invert
from app.settings import Settings


def reconstruct(
    model: Model, limits: Settings, style: GridStyle, files: list[tuple[str, bytes]], invert: Invert
) -> Work[Picture]:
    """Return the work of encoding images and decoding their posterior means.

    Args:
        model: what encodes and decodes.
        limits: what an upload may be.
        style: how the grid is drawn; more images than columns give further pairs of rows.
        files: what errors call each file, and its bytes.
        invert: whether files are inverted; see ``app.pictures.uploads``.

    Raises:
        InvalidParameter: the answer would be too large. The work itself raises UploadError if a file cannot
            be used: even a header can take time to read.
    """
    columns = check_grid(style, len(files), model, limits, rows_each=2)
    image = model.manifest.image

    def steps() -> Steps[Picture]:
        read = uploads.read_uploads(files, image.shape, invert, limits, image.polarity)
        notes = tuple(f"{found.name}: {note}" for found in read for note in found.notes)
        originals = np.stack([found.pixels for found in read])
        return (yield from _reconstructions(model, originals, columns, style, notes))

    return Work(
        steps,
        len(files),
        (model.encoding, model.decoding),
        is_heavy(2 * len(files), model, style),
        upload_bytes=sum(len(data) for _, data in files),
    )


def reconstruct_examples(model: Model, limits: Settings, style: GridStyle) -> Work[Picture]:
    """Return the work for the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: the answer would be too large, or the version ships none.
    """
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")
    columns = check_grid(style, len(examples), model, limits, rows_each=2)

    def steps() -> Steps[Picture]:
        return (yield from _reconstructions(model, examples, columns, style, ()))

    heavy = is_heavy(2 * len(examples), model, style)
    return Work(steps, len(examples), (model.encoding, model.decoding), heavy)


def _reconstructions(
    model: Model, originals: npt.NDArray[np.uint8], columns: int, style: GridStyle, notes: tuple[str, ...]
) -> Steps[Picture]:
    z_mean = yield Rows.of(model.encoding, originals.astype(np.float32) / np.float32(255))
    decoded = yield Rows.of(model.decoding, z_mean)
    rows = []
    for start in range(0, len(originals), columns):
        for images in (originals, decoded):
            row = np.full((columns, *originals.shape[1:]), style.blank, np.uint8)
            part = images[start : start + columns]
            row[: len(part)] = part
            rows.append(row)
    return draw_grid(np.concatenate(rows), columns, style, notes)
