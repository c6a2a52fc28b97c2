"""Stores of objects at addresses that fsspec knows, like ``s3://bucket/prefix``. No call waits for ever."""

import re
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


class Objects:
    """The files of a store at an address, by their paths in it; a ``Source``.

    Args:
        address: with ``://``.
        seconds: that one request of at most CHUNK bytes may take.

    Attributes:
        name: the address without a user's name or password.

    Raises:
        Refused: fsspec is not installed, or does not know the address.
    """

    def __init__(self, address: str, seconds: float = SECONDS) -> None:
        self.name = re.sub(r"://[^/@]*@", "://", address).rstrip("/")
        options: dict[str, Any] = {}
        if address.startswith(("s3://", "s3a://")):
            options["config_kwargs"] = {  # s3fs tries again by itself
                "connect_timeout": min(CONNECT_SECONDS, seconds),
                "read_timeout": seconds,
                "retries": {"max_attempts": 0},
            }
        try:
            self._files, self._root = file_systems.opened(address, **options)
        except file_systems.NoSuchPlace as error:
            raise Refused(str(error)) from None
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

    def put(self, path: str, content: bytes) -> None:
        """Write a small file in one step.

        Raises:
            Unreachable: the store does not take it.
        """
        self._make_folder(path)
        self._call("pipe_file", self._path(path), content, what=path)

    def send(self, path: str, file: Path) -> None:
        """Write a file of this machine; errors as of ``put``."""
        self._make_folder(path)
        seconds = self._seconds + file.stat().st_size / UPLOAD_BYTES_PER_SECOND
        self._call("put_file", str(file), self._path(path), what=path, seconds=seconds)

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
        """Return what a method of the file system does, in time.

        Raises:
            FileNotFoundError: it says so.
            Unreachable: it fails, or takes too long.
        """
        seconds = seconds or self._seconds
        try:
            return file_systems.call(self._files, method, seconds, *given, **options)
        except FileNotFoundError:
            raise
        except TimeoutError:
            raise Unreachable(f"{self.name}/{what}: not there within {seconds:g} s") from None
        except Exception as error:  # the file system's, its library's and the network's own kinds
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Unreachable(f"{self.name}/{what}: {said}") from None


def _tag(entry: dict[str, Any]) -> Tag | None:
    """Return what changes when a listed file does; None if nothing that is listed says so."""
    stamps = tuple(f"{key} {entry[key]}" for key in _STAMPS if entry.get(key) is not None)
    return stamps if len(stamps) > 1 else None  # the size alone says little
