"""The task of making the shards of a table: images and model, opened once in each process."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from app.jobs.job import InvalidJob
from app.jobs.opening import model_of
from app.jobs.records import Shard, write_shard
from app.jobs.storage import Storage, storage_at
from app.jobs.worker import MakeShard
from app.settings import load_settings
from app.tabulating.columns import IMAGE, Row
from app.tabulating.images import Images
from app.tabulating.job import TableJob
from app.tabulating.measuring import Measure
from app.tabulating.places import Place
from app.tabulating.writing import write_rows

INDEX = (*(column.name for column in IMAGE), "error")


class Tabulating(NamedTuple):
    """The task.

    Args:
        job: what is wanted of the images.
        place: where they are.
        address: where the table goes.
        model_store: folder with the model.
    """

    job: TableJob
    place: Place
    address: str
    model_store: str

    def open(self) -> MakeShard:
        """Open images and model, and return what makes and writes a shard.

        Raises:
            InvalidJob: other images are there than the job is about. See ``Place.open``, ``model_of`` too.
        """
        images = self.place.open()
        if (images.count, images.fingerprint) != (self.job.count, self.job.images_sha256):
            raise InvalidJob(f"{self.place.path}: other images are there than before")
        measure = Measure(self.job, model_of(self.job, self.model_store), load_settings())
        storage = storage_at(self.address)

        def make(number: int) -> Shard:
            return tabulate_shard(self.job, number, images, measure, storage)

        return make


def tabulate_shard(job: TableJob, number: int, images: Images, measure: Measure, storage: Storage) -> Shard:
    """Make the rows of a shard's images, write its files, then its record; return that.

    Raises:
        OSError: something could not be written; the shard is not recorded then.
    """
    rows = list(measure.rows(images.read(job.images(number))))
    stem = job.stem(number)
    files = {
        file_of(job, number): write_rows(job, measure.columns, rows),
        f"index/{stem}.csv": _index(rows),
    }
    return write_shard(job, number, files, storage, sum("error" in row for row in rows))


def file_of(job: TableJob, number: int) -> str:
    """Return the name of a shard's file."""
    return f"{job.stem(number)}.{job.format}"


def _index(rows: Sequence[Row]) -> bytes:
    """Return the index of a shard: what each file is, and what is wrong with it."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(INDEX)
    table.writerows([row.get(name) for name in INDEX] for row in rows)
    return lines.getvalue().encode()
