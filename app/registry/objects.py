"""Stores of objects at addresses that fsspec knows, like ``s3://bucket/prefix``. No call waits for ever."""

import re
import time
from pathlib import Path
from typing import Any

from app import file_systems
from app.registry import pointers
from app.registry.pointers import MAX_POINTER_BYTES, POINTER, Pointer
from app.registry.refusals import Refused, Unreachable
from app.store import NAME

CHUNK = 4_194_304  # bytes of one request
SECONDS = 30.0  # that one request may take
CONNECT_SECONDS = 5.0
SETUP_SECONDS = 60.0  # that a client may take to come up, of which most is a processor's time
ATTEMPTS = 2  # of one request, all within its time
PAUSE = 0.2  # seconds before the second
UPLOAD_BYTES_PER_SECOND = 65_536  # that are waited for beyond SECONDS
_STAMPS: tuple[str, ...] = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "generation",
    "LastModified",
    "last_modified",
    "mtime",
)
_STAMPS += ("created", "size")

Tag = tuple[str, ...]

_CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_BEYOND_THE_END = {"InvalidRange", "416"}
_NO_CONDITIONS = {"NotImplemented", "501"}  # what some servers of S3's protocol answer to them


class Changed(Exception):
    """Somebody else has written a file since it was looked at."""


class Objects:
    """The files of a store at an address, by their paths in it; a ``Source``.

    Args:
        address: with ``://``.
        seconds: that one request of at most CHUNK bytes may take, with a second attempt if the first fails.

    Attributes:
        name: the address without a user's name or password.

    Raises:
        Refused: fsspec is not installed, or does not know the address.
        Unreachable: it does not answer.
    """

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        self.name = re.sub(r"://[^/@]*@", "://", address).rstrip("/")
        options: dict[str, Any] = {}
        self._is_s3 = address.startswith(("s3://", "s3a://"))
        if self._is_s3:
            options["config_kwargs"] = {
                "connect_timeout": min(CONNECT_SECONDS, seconds),
                "read_timeout": seconds,
                "retries": {"max_attempts": 0},
            }
        try:
            self._files, self._root = file_systems.opened(address, **options)
        except file_systems.NoSuchPlace as error:
            raise Refused(str(error)) from None
        except Exception as error:  # some connect at once, and fail with errors of their own
            raise Unreachable(f"{self.name}: {error}") from None
        if self._is_s3:
            self._files.retries = 1  # ``_call`` is what tries again
        self._is_set_up = not self._is_s3
        self._seconds = seconds

    def models(self) -> list[str]:
        """Return the names of the models, in order.

        Raises:
            Unreachable: the store does not answer as it should, or is not there.
        """
        found = self._listed("")
        if found is None:
            raise Unreachable(f"{self.name}: nothing is there")
        return sorted(name for name, each in found.items() if each["type"] != "file" and NAME.fullmatch(name))

    def tags(self, name: str) -> dict[str, Tag | None]:
        """Return for each file beside a model's versions what changes when it does; None: nobody knows.

        Raises:
            Unreachable: the store does not answer as it should.
        """
        return {path: _tag(each) for path, each in (self._listed(name) or {}).items()}

    def pointer(self, name: str) -> Pointer | None:
        """Return which versions of a model are published; None: it has no pointer.

        Raises:
            Refused: the pointer cannot be used.
            Unreachable: the store does not answer as it should.
        """
        content = self.read(f"{name}/{POINTER}", MAX_POINTER_BYTES)
        return None if content is None else pointers.parse(content, name, f"{self.name}/{name}/{POINTER}")

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a small file; see ``Source``."""
        try:
            content: bytes = self._call("cat_file", self._path(path), start=0, end=limit + 1, what=path)
        except FileNotFoundError:
            return None
        if len(content) > limit:
            raise Refused(f"{self.name}/{path}: over {limit} bytes")
        return content

    def fetch(self, path: str, part: Path, size: int) -> None:
        """Ask for the bytes that are missing, in chunks; see ``Source``."""
        with part.open("ab") as file:
            while (have := file.tell()) < size:
                end = min(size + 1, have + CHUNK)
                try:
                    content: bytes = self._call("cat_file", self._path(path), start=have, end=end, what=path)
                except FileNotFoundError:
                    what = "is named by the manifest and not there"
                    raise Refused(f"{self.name}/{path}: {what}") from None
                file.write(content[: end - have])
                if not content:
                    raise Unreachable(f"{self.name}/{path}: ended after {have} of {size} bytes")

    def stamp(self, path: str) -> str | None:
        """Return what changes when a file is written, for ``replace``; None: there is no file.

        Raises:
            Unreachable: the store does not answer as it should.
        """
        self._files.invalidate_cache()
        try:
            return str(self._call("info", self._path(path), what=path).get("ETag", ""))
        except FileNotFoundError:
            return None

    def replace(self, path: str, content: bytes, stamp: str | None) -> None:
        """Write a small file in one step, unless it is another by now.

        S3 compares. Where a store knows no such condition, the file is written whatever is there.

        Args:
            path: of the file.
            content: that it is to have.
            stamp: of the file that this replaces; None: there was none.

        Raises:
            Changed: it is another by now, and stays as it is.
            Unreachable: the store does not take it.
        """
        if not self._is_s3 or stamp == "":
            return self.put(path, content)
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if stamp is None else {"IfMatch": stamp}
        try:
            self._call("pipe_file", self._path(path), content, what=path, **condition)
        except FileNotFoundError:  # the file that was there is not any more
            raise Changed from None
        except _NoConditions:
            self.put(path, content)

    def put(self, path: str, content: bytes) -> None:
        """Write a small file in one step.

        Raises:
            Unreachable: the store does not take it.
        """
        self._make_folder(path)
        self._written("pipe_file", self._path(path), content, what=path)

    def send(self, path: str, file: Path) -> None:
        """Write a file of this machine; errors as of ``put``."""
        self._make_folder(path)
        seconds = self._seconds + file.stat().st_size / UPLOAD_BYTES_PER_SECOND
        self._written("put_file", str(file), self._path(path), what=path, seconds=seconds)

    def _written(self, method: str, *given: Any, what: str, seconds: float | None = None) -> None:
        try:
            self._call(method, *given, what=what, seconds=seconds)
        except FileNotFoundError as error:  # a bucket, say
            raise Unreachable(f"{self.name}/{what}: {error}") from None

    def _make_folder(self, path: str) -> None:
        if not file_systems.is_object_store(self._files):
            self._call("makedirs", self._path(path).rpartition("/")[0], exist_ok=True, what=path)

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}".rstrip("/")

    def _listed(self, path: str) -> dict[str, dict[str, Any]] | None:
        """Return the entries of a folder by their names; None: there is none."""
        self._files.invalidate_cache()
        try:
            found = self._call("ls", self._path(path), detail=True, what=path or "listing")
        except FileNotFoundError:
            return None
        return {each["name"].rstrip("/").rpartition("/")[2]: each for each in found}

    def _call(self, method: str, *given: Any, what: str, seconds: float | None = None, **options: Any) -> Any:
        """Return what a method of the file system does, in time; what fails at once is tried again.

        Raises:
            FileNotFoundError: it says so.
            Changed: a condition of it does not hold.
            Unreachable: it fails, or takes too long.
        """
        seconds = seconds or self._seconds
        self._set_up(what)
        until = time.monotonic() + seconds
        for attempt in range(ATTEMPTS):
            left = until - time.monotonic()
            try:
                return file_systems.call(self._files, method, left, *given, **options)
            except FileNotFoundError:
                raise
            except TimeoutError:
                raise Unreachable(f"{self.name}/{what}: not there within {seconds:g} s") from None
            except Exception as error:  # the file system's, its library's and the network's own kinds
                if (code := _code(error)) in _CONFLICTS:
                    raise Changed from None
                if code in _BEYOND_THE_END:
                    return b""  # as other file systems answer
                if code in _NO_CONDITIONS:
                    raise _NoConditions from None
                lasts = isinstance(error, PermissionError) or until - time.monotonic() <= PAUSE
                if lasts or attempt == ATTEMPTS - 1:
                    said = (str(error).strip() or type(error).__name__).splitlines()[0]
                    raise Unreachable(f"{self.name}/{what}: {said}") from None
            time.sleep(PAUSE)
        raise AssertionError  # the loop returns or raises

    def _set_up(self, what: str) -> None:
        """Have S3's client load its files and find its keys, which is no request's time."""
        if self._is_set_up:
            return
        try:
            file_systems.in_time(self._files.connect, SETUP_SECONDS)
        except Exception as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Unreachable(f"{self.name}/{what}: {said}") from None
        self._is_set_up = True


class _NoConditions(Unreachable):
    """A store does not know the condition of a request."""


def _code(error: BaseException) -> str:
    """Return what S3 calls an error; empty: it is none of S3's."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _tag(entry: dict[str, Any]) -> Tag | None:
    """Return what changes when a listed file does; None if nothing that is listed says so."""
    stamps = tuple(f"{key} {entry[key]}" for key in _STAMPS if entry.get(key) is not None)
    return stamps if len(stamps) > 1 else None  # the size alone says little
