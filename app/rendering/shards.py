"""One shard of a data set: drawn, written, and recorded when it is whole."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from app.engine.work import BATCH_ROWS
from app.images import Maker
from app.jobs.storage import Storage
from app.pictures.encode import encode_png
from app.rendering import parquet, tar
from app.rendering.job import Format, InvalidJob, Job

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


class Shard(NamedTuple):
    """What the record of a shard says.

    Args:
        number: from 0.
        images: in it.
        files: the size in bytes and the SHA-256 of each of its files by name; of images that are files of
            their own, of their index alone.
    """

    number: int
    images: int
    files: dict[str, tuple[int, str]]

    def as_json(self) -> bytes:
        """Return what the record's file holds."""
        files = {name: {"size": size, "sha256": digest} for name, (size, digest) in self.files.items()}
        return json.dumps({"number": self.number, "images": self.images, "files": files}).encode() + b"\n"

    @classmethod
    def read(cls, content: bytes | str) -> "Shard":
        """Return what a record's file holds; ValueError if it is none."""
        try:
            found = json.loads(content)
            files = {name: (int(file["size"]), str(file["sha256"])) for name, file in found["files"].items()}
            return cls(int(found["number"]), int(found["images"]), files)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of a shard: {error!r}") from None


def record_of(job: Job, number: int) -> str:
    """Return the name of a shard's record."""
    return f"records/{job.stem(number)}.json"


def recorded(job: Job, number: int, storage: Storage) -> Shard | None:
    """Return what is recorded of a shard whose files are there, None if it is to be drawn."""
    content = storage.get(record_of(job, number))
    if content is None:
        return None
    try:
        shard = Shard.read(content)
    except ValueError:
        return None
    whole = shard.number == number and all(
        storage.size(name) == size for name, (size, _) in shard.files.items()
    )
    return shard if whole and shard.files else None


def draw_shard(job: Job, number: int, maker: Maker, storage: Storage) -> Shard:
    """Draw a shard, write its files, then its record; return that.

    Raises:
        OSError: something could not be written; the shard is not recorded then.
    """
    samples = list(_samples(job, job.seeds(number), maker))
    stem = job.stem(number)
    files = dict(_WRITTEN[job.format](stem, samples, maker.classes))
    index = f"index/{stem}.csv"
    if job.format == "png":
        for name, content in files.items():
            storage.put(name, content, durable=False)
        storage.settle()
        files = {}
    for name, content in (files | {index: _index(samples)}).items():
        storage.put(name, content)
        files[name] = content
    told = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
    shard = Shard(number, len(samples), told)
    storage.put(record_of(job, number), shard.as_json())
    return shard


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
    if job.format == "parquet" and not parquet.is_installed():
        raise InvalidJob("parquet: needs pyarrow: pip install 'vitrine-vae[parquet]'")


def description(job: Job, classes: tuple[str, ...], shards: list[Shard]) -> dict[str, Any]:
    """Return what ``dataset.json`` says, which is written last: the data set is whole then."""
    files = [
        {"name": name, "size": size, "sha256": digest}
        for shard in shards
        for name, (size, digest) in shard.files.items()
    ]
    return job.model_dump() | {"classes": classes, "shards": job.shards, "files": files}
