"""The bare loop: a picture's parts one after the other, in one thread."""

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app import latent
from app.explore.samples import Render
from app.models import Model
from app.pictures import grids
from app.pictures.encode import encode_png
from app.pictures.provenance import Recipe, SeededProvenance
from app.store import Version

COUNTS = (1, 21, 100, 400)
PARTS = ("codes", "decode", "grid", "png")
COLUMNS = 7  # what /samples draws unless told otherwise


class Loop(NamedTuple):
    """The bare loop for pictures of `n` images, in one thread."""

    n: int
    images_per_second: float
    shares: dict[str, float]  # part -> its share of the time; their sum is 1


def measure_loop(model: Model, n: int, seconds: float, render: Render = "mean") -> Loop:
    """Draw pictures of `n` images for `seconds`, at least one, with nothing around them.

    A picture's time is the median of each part: one that was interrupted by another process says nothing.
    """
    pictures: list[dict[str, float]] = []
    until = time.perf_counter() + seconds
    while not pictures or time.perf_counter() < until:
        pictures.append(draw_picture(model, n, len(pictures), render)[1])
    times = {part: statistics.median(picture[part] for picture in pictures) for part in PARTS}
    total = sum(times.values())
    return Loop(n, n / total, {part: took / total for part, took in times.items()})


def recipe_of(version: Version, n: int, render: Render = "mean") -> Recipe:
    """Return the recipe of the pictures that /samples draws of `n` images; it names no seed."""
    values = {
        "columns": COLUMNS,
        "ink": "dark",
        "n": n,
        "render": render,
        "temperature": 1.0,
        "zoom": 1,
    }
    query = "&".join(f"{name}={value}" for name, value in values.items())
    address = f"/samples?model={version.pinned}&{query}"
    return Recipe(version.reference, version.manifest.digest, "/samples", values, address)


def draw_picture(model: Model, n: int, seed: int, render: Render = "mean") -> tuple[bytes, dict[str, float]]:
    """Return the PNG of /samples, and the seconds of each part; drawing noise belongs to codes."""
    texts = SeededProvenance(recipe_of(model.version, n, render))  # made once for many pictures of a service
    marks = [time.perf_counter()]
    arrays = [model.prior.draw(seed, 0, n)]
    if render == "draw":
        arrays.append(latent.uniform_noise(seed, 0, n, model.manifest.likelihood.noise_shape))
    marks.append(time.perf_counter())
    images = (model.drawing if render == "draw" else model.decoding).whole(*arrays)
    marks.append(time.perf_counter())
    pixels = grids.grid(images, COLUMNS)
    marks.append(time.perf_counter())
    png = encode_png(pixels, texts.of(seed))
    marks.append(time.perf_counter())
    return png, {
        part: end - start for part, (start, end) in zip(PARTS, itertools.pairwise(marks), strict=True)
    }


def loop_table(loops: Sequence[Loop]) -> Iterator[str]:
    """Yield the lines of a table of bare loops."""
    yield f"{'n':>5}  {'images/s':>9}  " + "  ".join(f"{part:>6}" for part in loops[0].shares)
    for loop in loops:
        shares = "  ".join(f"{100 * share:5.1f}%" for share in loop.shares.values())
        yield f"{loop.n:>5}  {loop.images_per_second:>9.0f}  {shares}"
