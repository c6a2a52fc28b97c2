"""One change to a model at a time, by whatever process: a lock that ends with the process that holds it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from app.registry.refusals import NotThere, Refused

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"


@contextlib.contextmanager
def locked(model: Path) -> Iterator[None]:
    """Wait until no other process changes the model in the folder `model`, and hold others off meanwhile.

    Where the file system has no locks nothing is held off; then each single step is still whole.

    Raises:
        OSError: the folder cannot be written to.
    """
    if sys.platform == "win32":
        yield
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(model / LOCK, flags, 0o644)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Whoever deletes a model deletes its lock last; a lock on a file without a name holds nobody off.
        while not _is_file(descriptor, model / LOCK):
            os.close(descriptor)
            descriptor = -1  # until there is another: the model itself may have been deleted
            descriptor = os.open(model / LOCK, flags, 0o644)
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_file(descriptor: int, path: Path) -> bool:
    """Say whether what is open still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def changing(model: Path) -> Iterator[None]:
    """Hold the lock of a model.

    Raises:
        NotThere: it has no folder: it may have been removed while this waited.
        Refused: its folder cannot be written to.
    """
    try:
        with locked(model):
            yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not model.is_dir():
            raise NotThere(f"{model}: no such folder; it may have been removed a moment ago") from None
        raise Refused(f"{error.filename or model}: cannot be written ({error.strerror or error})") from None


def fsync(path: Path) -> None:
    """Have the disk keep a file, or which names a folder has."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
