"""Is a picture what its recipe gives? Pixels compared with those that are drawn again."""

import base64
import io
import json
import zipfile
from typing import Any, NamedTuple

import numpy as np

from app.decoding.reading import read_frames, size_of
from app.engine.work import Steps, Work
from app.explore.grids import Answer
from app.pictures.marks import Frames, frames_of, read_mark
from app.settings import Settings

LISTED_PIXELS = 100  # of those that differ


class Difference(NamedTuple):
    """How two pictures differ.

    Args:
        differing: pixels that do; all of them, if the pictures differ in size or number of frames.
        total: pixels in all.
        box: left, top, right and bottom pixel of the smallest box around those that differ.
        pixels: the first of them, with what was found and what was expected, in red, green, blue, opacity.
        recipe: of the picture that was expected.
        generated: whether that one says that a model generated it.
    """

    differing: int
    total: int
    box: tuple[int, int, int, int] | None
    pixels: list[dict[str, Any]]
    recipe: dict[str, Any] | None = None
    generated: bool = False


def difference(found: Frames, expected: Frames) -> Difference:
    """Return how frames, (N, H, W, 4), differ from what is expected of them."""
    total = int(np.prod(expected.shape[:3]))
    if found.shape != expected.shape:
        return Difference(total, total, None, [])
    differs = (found != expected).any(axis=-1)
    places = np.argwhere(differs)
    if not len(places):
        return Difference(0, total, None, [])
    (_, top, left), (_, bottom, right) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    pixels = [
        {
            "frame": frame,
            "x": x,
            "y": y,
            "found": found[frame, y, x].tolist(),
            "expected": expected[frame, y, x].tolist(),
        }
        for frame, y, x in places[:LISTED_PIXELS].tolist()
    ]
    return Difference(len(places), total, (left, top, right, bottom), pixels)


def reading(data: bytes, limits: Settings) -> Work[Frames]:
    """Return the work of decoding an uploaded picture as it is shown; see ``read_frames`` for its errors."""

    def steps() -> Steps[Frames]:
        return read_frames(data, "file", limits)
        yield  # a generator, like the steps of all work

    return Work(steps, 1, upload_cost=size_of([("file", data)]))


def comparing(found: Frames, answer: Answer, image: int | None) -> Work[Difference]:
    """Return the work of comparing frames with an answer, or with one image of it."""

    def steps() -> Steps[Difference]:
        content = answer.content if image is None else _single(answer, image)
        compared = difference(found, frames_of(content, "the picture drawn again"))
        mark = read_mark(content)
        return compared._replace(recipe=mark.recipe, generated=mark.is_generated)
        yield

    return Work(steps, 1, slow_start=True)


def _single(answer: Answer, image: int) -> bytes:
    """Return one image's file out of an answer that carries them apart.

    Raises:
        LookupError, ValueError: it does not, or has fewer.
    """
    if answer.media_type == "application/json":
        picture: str = json.loads(answer.content)["images"][image]["picture"]
        return base64.b64decode(picture.partition(",")[2])
    if answer.media_type != "application/zip":
        raise ValueError("no images that lie apart")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return archive.read(f"{image:04}.png")
