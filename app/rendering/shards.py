"""One shard of a data set: drawn and written."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from app.engine.work import BATCH_ROWS
from app.images import Maker
from app.jobs.parquet import require
from app.jobs.records import Shard, write_shard
from app.jobs.storage import Storage
from app.pictures.encode import encode_png
from app.rendering import parquet, tar
from app.rendering.job import Format, Job

AT_ONCE = 8 * BATCH_ROWS  # images that are drawn before they are encoded


class Sample(NamedTuple):
    """One image of a data set.

    Args:
        seed: its seed.
        key: what its files are called, without their ends.
        label: number of its class; None: the model knows none.
        png: the image.
    """

    seed: int
    key: str
    label: int | None
    png: bytes


def draw_shard(job: Job, number: int, maker: Maker, storage: Storage) -> Shard:
    """Draw a shard, write its files, then its record; return that.

    Raises:
        OSError: something could not be written; the shard is not recorded then.
    """
    samples = list(_samples(job, job.seeds(number), maker))
    stem = job.stem(number)
    files = dict(_WRITTEN[job.format](stem, samples, maker.classes))
    if job.format == "png":
        for name, content in files.items():
            storage.put(name, content, durable=False)
        storage.settle()
        files = {}
    return write_shard(job, number, files | {f"index/{stem}.csv": _index(samples)}, storage)


def _samples(job: Job, seeds: range, maker: Maker) -> Iterator[Sample]:
    for first in range(0, len(seeds), AT_ONCE):
        some = seeds[first : first + AT_ONCE]
        drawn = maker.first_of(some)
        labels: list[int | None] = drawn.classes.tolist() or [None] * len(some)
        for seed, label, pixels in zip(some, labels, drawn.pixels, strict=True):
            yield Sample(seed, job.key(seed), label, encode_png(np.ascontiguousarray(pixels)))


def _index(samples: list[Sample]) -> bytes:
    """Return the index of a shard: seed, label and SHA-256 of each image."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(("seed", "label", "sha256"))
    for sample in samples:
        label = "" if sample.label is None else sample.label
        table.writerow((sample.seed, label, hashlib.sha256(sample.png).hexdigest()))
    return lines.getvalue().encode()


Files = Iterator[tuple[str, bytes]]
Classes = tuple[str, ...]


def _webdataset(stem: str, samples: list[Sample], classes: Classes) -> Files:  # noqa: ARG001
    parts = []
    for sample in samples:
        parts.append(tar.member(f"{sample.key}.png", sample.png))
        if sample.label is not None:
            parts.append(tar.member(f"{sample.key}.cls", b"%d" % sample.label))
    yield f"{stem}.tar", b"".join((*parts, tar.END))


def _png(stem: str, samples: list[Sample], classes: Classes) -> Files:  # noqa: ARG001
    for sample in samples:
        yield f"{stem}/{sample.key}.png", sample.png


def _parquet(stem: str, samples: list[Sample], classes: Classes) -> Files:
    seeds = [sample.seed for sample in samples]
    labels = [sample.label for sample in samples]
    images = [(sample.png, f"{sample.key}.png") for sample in samples]
    yield f"{stem}.parquet", parquet.table(images, labels, seeds, classes)


_WRITTEN: dict[Format, Callable[[str, list[Sample], Classes], Files]] = {
    "webdataset": _webdataset,
    "png": _png,
    "parquet": _parquet,
}


def check_format(job: Job) -> None:
    """Raise InvalidJob if the format needs what is not installed."""
    if job.format == "parquet":
        require("parquet")
