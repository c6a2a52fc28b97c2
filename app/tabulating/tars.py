"""Images of a tar file as WebDataset has them: ``KEY.png`` beside its class, ``KEY.cls``."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.jobs.job import InvalidJob
from app.tabulating.images import Image, as_text, fingerprint_of, is_passed_over, is_picture, too_large

MAX_LABEL_BYTES = 1_024


class _Stretch(NamedTuple):
    """Where a file's content lies in the tar file."""

    start: int
    size: int

    def of(self, file: BinaryIO) -> bytes:
        file.seek(self.start)
        return file.read(self.size)


class TarImages:
    """The pictures of a tar file without compression, in its order; there may be none.

    Args:
        path: the tar file; its heads are read here, once.
        most_bytes: that a picture may have.

    Raises:
        InvalidJob: it is none, or is cut off.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._pictures: list[tuple[str, _Stretch]] = []
        self._labels: dict[str, _Stretch] = {}
        self.left_out = 0
        try:
            with tarfile.open(path, "r:") as file:
                for member in file:
                    self._take(member)
        except tarfile.TarError as error:
            raise InvalidJob(f"{path}: not a whole tar file without compression ({error})") from None
        except OSError as error:
            raise InvalidJob(f"{path}: {error.strerror or error}") from None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._pictures)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of their names and sizes."""
        return fingerprint_of((name, stretch.size) for name, stretch in self._pictures)

    def read(self, numbers: range) -> Iterator[Image]:
        """Yield images in the order of the tar file."""
        with self._path.open("rb") as file:
            for number in numbers:
                name, stretch = self._pictures[number]
                error = too_large(stretch.size, self._most_bytes)
                data = None if error else stretch.of(file)
                if data is not None and len(data) != stretch.size:
                    data, error = None, "the tar file is shorter than it was"
                label = self._labels.get(_key(name))
                text = label.of(file).decode("utf-8", "replace").strip() if label is not None else ""
                yield Image(number, as_text(name), text or None, data, error)

    def _take(self, member: tarfile.TarInfo) -> None:
        if not member.isreg() or member.issparse() or is_passed_over(member.name):
            return
        stretch = _Stretch(member.offset_data, member.size)
        if is_picture(member.name):
            self._pictures.append((member.name, stretch))
        elif member.name.endswith(".cls") and member.size <= MAX_LABEL_BYTES:
            self._labels[_key(member.name)] = stretch
        else:
            self.left_out += 1


def _key(name: str) -> str:
    """Return what the files of one sample have in common: all up to the first dot behind the folders."""
    folders, slash, file = name.rpartition("/")
    return folders + slash + file.partition(".")[0]
