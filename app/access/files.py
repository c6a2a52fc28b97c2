"""Files of keys: read when the service starts, and again when they change."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger("vitrine")
T = TypeVar("T")

LOOK_SECONDS = 1.0  # between two looks whether the file has changed
MAX_BYTES = 1_048_576


class AccessError(Exception):
    """A file of keys or secrets cannot be used; names the line, never what it holds."""


class Unreadable(AccessError):
    """The system did not give what is in the file; it may do so later, though the file is the same."""


def read(path: Path, parse: Callable[[str], T]) -> T:
    """Return what a file says.

    Args:
        path: of the file.
        parse: its text -> what it says; or raises AccessError.

    Raises:
        AccessError: the file cannot be read, or says nothing that can be used.
    """
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
        if len(found) > MAX_BYTES:
            raise AccessError(f"has more than {MAX_BYTES} bytes")
        return parse(found.decode())
    except OSError as error:
        raise Unreadable(str(error.strerror or error)) from error
    except UnicodeDecodeError:
        raise AccessError("is no text in UTF-8") from None


class WatchedFile(Generic[T]):
    """A file that is read again when it has changed. Used on one event loop.

    A file that cannot be used any more changes nothing: what it said last stays in force, and the log says so
    once for each change. One that cannot be read is tried again at every look.

    Args:
        path: of the file.
        parse: see ``read``.

    Raises:
        AccessError: see ``read``.
    """

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._seen = _state(path)
        self._unread = False
        self._value = read(path, parse)
        self._next_look = time.monotonic() + LOOK_SECONDS

    @property
    def value(self) -> T:
        """What the file says; at most LOOK_SECONDS late."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._value

    def _look(self) -> None:
        self._next_look = time.monotonic() + LOOK_SECONDS
        state = _state(self._path)
        same = state == self._seen
        if same and not self._unread:
            return
        self._seen = state
        try:
            self._value = read(self._path, self._parse)
        except AccessError as error:
            told = same and isinstance(error, Unreadable)
            self._unread = isinstance(error, Unreadable)
            if not told:
                log.error("%s: %s; what it said before stays in force", self._path, error)
        else:
            self._unread = False
            log.info("%s was read again", self._path)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what differs when a file was changed or replaced; None: it cannot be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116  follows links, as Kubernetes' files of secrets are
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
