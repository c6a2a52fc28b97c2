"""Where the files of a job go: a folder, or an address that fsspec knows. A file is whole or not there."""

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Protocol

from app import file_systems
from app.jobs.job import InvalidJob
from app.registry.locks import fsync

HIDDEN = ".part-"  # what the names of files begin with that are not whole yet
LARGE = 1_048_576  # bytes of a file that is not kept in the system's memory


class Storage(Protocol):
    """A place for files, by names that may have folders before them."""

    def put(self, name: str, content: bytes, durable: bool = True) -> None:
        """Write a file in one step; an OSError leaves what was there."""

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None if there is none."""

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None if there is none."""

    def is_empty(self) -> bool:
        """Say whether nothing is there."""

    def settle(self) -> None:
        """Return when every file that was written will outlive a loss of power."""


class Folder:
    """A folder on this machine, made when something is put there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, name: str, content: bytes, durable: bool = True) -> None:
        """Write a file in one step; `durable`: it then outlives a loss of power."""
        path = self._path / name
        folder = path.parent
        named = [folder, *(each.parent for each in (folder, *folder.parents) if not each.exists())]
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{HIDDEN}{path.name}-{secrets.token_hex(4)}")
        try:
            with partial.open("xb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
                    _leave_the_cache(file.fileno(), len(content))
            partial.replace(path)
            for each in named if durable else ():
                _keep_names(each)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self._path / name).read_bytes()
        return None

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self._path / name).stat().st_size
        return None

    def is_empty(self) -> bool:
        """Say whether nothing is there; hidden files do not count."""
        return not self._path.exists() or all(path.name.startswith(".") for path in self._path.iterdir())

    def settle(self) -> None:
        """Return when every file that was written will outlive a loss of power."""
        os.sync()


def _keep_names(folder: Path) -> None:
    """Have the disk keep which names a folder has, where it can be told to.

    A folder that may be written to may not be read by us, and some file systems keep no folder (EINVAL).
    """
    try:
        fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


def _leave_the_cache(descriptor: int, num_bytes: int) -> None:
    """Tell the system that a large file, which is on the disk, need not stay in memory.

    A data set would push out what other programs read. And its pages serve the next file: a virtual machine
    may have to ask its host for each new one, which took 2.6 % of the time of drawing.
    """
    if num_bytes >= LARGE and hasattr(os, "posix_fadvise"):  # macOS has none
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


class Remote:
    """An address that fsspec knows, like ``s3://bucket/prefix``: object stores put a file in one step.

    Raises:
        InvalidJob: fsspec is not installed, or does not know the address.
    """

    def __init__(self, address: str) -> None:
        try:
            self._files, self._root = file_systems.opened(address)
        except file_systems.NoSuchPlace as error:
            raise InvalidJob(str(error)) from None

    def put(self, name: str, content: bytes, durable: bool = True) -> None:  # noqa: ARG002
        """Write a file in one step."""
        path = self._path(name)
        if not file_systems.is_object_store(self._files):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(path, content)

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            content: bytes = self._files.cat_file(self._path(name))
            return content
        return None

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None if there is none."""
        self._files.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            return int(self._files.info(self._path(name))["size"])
        return None

    def is_empty(self) -> bool:
        """Say whether nothing is there."""
        self._files.invalidate_cache()
        try:
            return not self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return True

    def settle(self) -> None:
        """Return at once: what was put is there."""

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def storage_at(address: str) -> Storage:
    """Return the storage of an address: with ``://``, what fsspec opens; else a folder.

    Raises:
        InvalidJob: see ``Remote``.
    """
    if address.startswith("file://"):
        return Folder(Path(address.removeprefix("file://")))
    return Remote(address) if "://" in address else Folder(Path(address).absolute())
