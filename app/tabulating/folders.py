"""Images of a folder and of those below it; the uppermost folder that one lies in is its class."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.jobs.job import InvalidJob
from app.tabulating.images import Image, as_text, fingerprint_of, is_passed_over, is_picture, too_large

UNLISTED = "/"  # what the name of a folder ends with that cannot be listed


class _File(NamedTuple):
    name: str  # below the folder, with slashes, as the file system has it
    size: int  # bytes; -1: unknown


class FolderImages:
    """The pictures below a folder, sorted by their names. Links to folders are not followed.

    Args:
        folder: is listed here, once.
        most_bytes: that a file may have.

    Raises:
        InvalidJob: there are none, or the folder cannot be listed.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self.left_out = 0
        self._files = sorted(self._below(""))
        if not self._files:
            raise InvalidJob(f"{folder}: no picture there, by the names of the files")

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._files)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of their names and sizes."""
        return fingerprint_of(self._files)

    def read(self, numbers: range) -> Iterator[Image]:
        """Yield images in the order of their names."""
        for number in numbers:
            name = self._files[number].name
            folders, _, _ = name.rpartition("/")
            label = as_text(folders.partition("/")[0]) or None
            try:
                data, error = self._content(name)
            except OSError as failure:
                data, error = None, str(failure.strerror or failure)
            yield Image(number, as_text(name), label, data, error)

    def _content(self, name: str) -> tuple[bytes | None, str]:
        if name.endswith(UNLISTED):
            list((self._folder / name).iterdir())
            return None, "a folder that could not be listed before"
        # A pipe would be waited for.
        with open(os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None, "no file"
            if error := too_large(found.st_size, self._most_bytes):
                return None, error
            return file.read(self._most_bytes), ""

    def _below(self, within: str) -> Iterator[_File]:
        """Yield the pictures of a folder, named with a slash at its end, and of those below."""
        try:
            with os.scandir(self._folder / within) as listing:
                entries = list(listing)
        except OSError as error:
            if not within:
                raise InvalidJob(f"{self._folder}: {error.strerror or error}") from None
            yield _File(within, -1)
            return
        for entry in entries:
            if is_passed_over(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(f"{within}{entry.name}/")
            elif is_picture(entry.name):
                yield _File(f"{within}{entry.name}", _size_of(entry))
            else:
                self.left_out += 1


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link to nothing
        return -1
