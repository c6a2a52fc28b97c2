"""What holds images: a folder, a Parquet file, a tar file, or a folder of such files."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from app.jobs.job import InvalidJob
from app.tabulating.folders import FolderImages
from app.tabulating.images import Image, Images, fingerprint_of
from app.tabulating.parquets import ParquetImages
from app.tabulating.tars import TarImages

TABLES = (".parquet", ".tar")


class Place(NamedTuple):
    """Where images are.

    Args:
        path: a folder or a file.
        most_bytes: that an image's file may have.
        column: of a Parquet file, that holds the images; None: the only one that can.
        label_column: of a Parquet file; None: ``label``, if there is one.
    """

    path: str
    most_bytes: int
    column: str | None = None
    label_column: str | None = None

    def open(self) -> Images:
        """List the images that are there.

        Raises:
            InvalidJob: there are none, or what is there is no such thing.
        """
        images = self._listed()
        if not images.count:
            raise InvalidJob(f"{self.path}: no rows in Parquet files there, and no pictures in tar files")
        return images

    def _listed(self) -> Images:
        path = Path(self.path)
        if not path.is_dir():
            return self._table(path)
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise InvalidJob(f"{path}: {error.strerror or error}") from None
        tables = [entry for entry in entries if is_table(entry.name) and entry.is_file()]
        if not tables:
            return FolderImages(path, self.most_bytes)
        return _Joined([self._table(table) for table in tables])

    def _table(self, path: Path) -> Images:
        if path.name.endswith(".tar"):
            return TarImages(path, self.most_bytes)
        if path.name.endswith(".parquet"):
            return ParquetImages(path, self.most_bytes, self.column, self.label_column)
        raise InvalidJob(f"{path}: expected a folder, or a file called like {', '.join(TABLES)}")


def is_table(name: str) -> bool:
    """Say whether a file holds many images, by its name."""
    return name.endswith(TABLES) and not name.startswith(".")


class _Joined:
    """Images of several files, one behind the other."""

    def __init__(self, parts: Sequence[Images]) -> None:
        self._parts = parts
        self._starts = [0, *itertools.accumulate(part.count for part in parts)]
        self.count = self._starts[-1]
        self.fingerprint = fingerprint_of((part.fingerprint, part.count) for part in parts)
        self.left_out = sum(part.left_out for part in parts)

    def read(self, numbers: range) -> Iterator[Image]:
        """Yield images in the order of the files."""
        start = numbers.start
        while start < numbers.stop:
            index = bisect.bisect_right(self._starts, start) - 1
            before, end = self._starts[index], min(numbers.stop, self._starts[index + 1])
            for image in self._parts[index].read(range(start - before, end - before)):
                yield image._replace(number=before + image.number)
            start = end
