"""Stores that versions are pulled from: a folder, or whatever serves the files of one over HTTP."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar
from urllib.parse import quote

import httpx

from app.registry.objects import Objects
from app.registry.refusals import Refused, Unreachable

Result = TypeVar("Result")

HUB = "https://huggingface.co"
TIMEOUT = httpx.Timeout(30, connect=10)
MAX_REDIRECTS = 5
ATTEMPTS = 4  # for each file; what has arrived is kept between them
PAUSE = 0.5  # seconds before the second attempt, doubled each time
RETRIED = (408, 425, 429, 500, 502, 503, 504)
CHUNK = 262_144
STALLED_SECONDS, STALLED_BYTES = 30.0, 16_384  # fewer bytes in that time are as good as none


class Source(Protocol):
    """The files of a store, by their paths in it."""

    name: str  # for people, without a password

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a small file; None if there is none.

        Raises:
            Refused: it has over `limit` bytes.
            Unreachable: the store does not answer as it should.
        """

    def fetch(self, path: str, part: Path, size: int) -> None:
        """Add to the file `part` what it lacks of a file of `size` bytes; never more than one byte too many.

        Raises:
            Unreachable: the store does not answer as it should; what has arrived is in `part`.
        """


class Folder:
    """A store in a folder of this machine.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)
        if not folder.is_dir():
            raise Unreachable(f"{folder}: no such folder")

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a small file; see ``Source``."""
        try:
            with (self.folder / path).open("rb") as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreachable(f"{self.folder / path}: cannot be read ({error.strerror or error})") from None
        return _within(content, limit, f"{self.folder / path}")

    def fetch(self, path: str, part: Path, size: int) -> None:
        """Copy a file; see ``Source``."""
        try:
            source = (self.folder / path).open("rb")
        except OSError as error:
            raise Unreachable(f"{self.folder / path}: cannot be read ({error.strerror or error})") from None
        with source, part.open("ab") as file:
            source.seek(file.tell())
            while file.tell() <= size and (chunk := source.read(min(CHUNK, size + 1 - file.tell()))):
                file.write(chunk)


class Web:
    """A store whose files an HTTP server gives, or Hugging Face's hub.

    Args:
        url: of the folder, without a slash at its end.
    """

    def __init__(self, url: str) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise Refused(f"{url}: expected http:// or https:// and a host")
        self.name = str(parsed.copy_with(username=None, password=None))
        self._secure = parsed.scheme == "https"
        self._url = url.rstrip("/")

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a small file; see ``Source``."""

        def attempt() -> bytes | None:
            with self._asked(path, {}) as response:
                if response.status_code in (404, 410):
                    return None
                content = b""
                for chunk in response.iter_raw():
                    content += chunk
                    _within(content, limit, self._shown(path))
                return content

        return self._again(path, attempt)

    def fetch(self, path: str, part: Path, size: int) -> None:
        """Ask for the bytes that are missing; see ``Source``."""

        def attempt() -> None:
            have = part.stat().st_size if part.exists() else 0
            if have >= size > 0:
                return
            with self._asked(path, {"Range": f"bytes={have}-"} if have else {}) as response:
                if response.status_code in (404, 410):
                    raise Refused(f"{self._shown(path)}: is named by the manifest and not there")
                resumed = response.status_code == 206 and response.headers.get(
                    "content-range", ""
                ).startswith(f"bytes {have}-")
                with part.open("ab" if resumed else "wb") as file:
                    self._write(response, file, size)

        self._again(path, attempt)

    @staticmethod
    def _write(response: httpx.Response, file: BinaryIO, size: int) -> None:
        """Write a body to a file; a body that stalls or ends too early is a failure of this attempt."""
        since, seen = time.monotonic(), 0
        for chunk in response.iter_raw():
            file.write(chunk[: size + 1 - file.tell()])
            if file.tell() > size:
                return
            seen += len(chunk)
            if time.monotonic() - since > STALLED_SECONDS:
                if seen < STALLED_BYTES:
                    raise httpx.ReadTimeout(f"{seen} bytes in {STALLED_SECONDS:.0f} s")
                since, seen = time.monotonic(), 0
        if file.tell() < size:
            raise httpx.RemoteProtocolError(f"ended after {file.tell()} of {size} bytes")

    @contextlib.contextmanager
    def _asked(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Give the answer to a GET; a status that another attempt may change is a failure of this one."""
        hooks = {"request": [self._stays_secure]}
        with (
            httpx.Client(
                timeout=TIMEOUT, follow_redirects=True, max_redirects=MAX_REDIRECTS, event_hooks=hooks
            ) as client,
            client.stream(
                "GET", f"{self._url}/{quote(path)}", headers=headers | {"Accept-Encoding": "identity"}
            ) as response,
        ):
            if response.status_code in RETRIED:
                raise httpx.RemoteProtocolError(f"status {response.status_code}")
            if response.status_code not in (200, 206, 404, 410):
                raise Unreachable(f"{self._shown(path)}: answered with status {response.status_code}")
            yield response

    def _stays_secure(self, request: httpx.Request) -> None:
        if self._secure and request.url.scheme != "https":
            raise Unreachable(f"{self.name}: leads from https to {request.url.scheme}, which is not followed")

    def _again(self, path: str, attempt: Callable[[], Result]) -> Result:
        """Return what an attempt does, made again after failures that may pass."""
        for number in range(ATTEMPTS):
            try:
                return attempt()
            except httpx.TooManyRedirects:
                raise Unreachable(f"{self._shown(path)}: more than {MAX_REDIRECTS} redirects") from None
            except (httpx.TransportError, httpx.DecodingError) as error:
                if number == ATTEMPTS - 1:
                    reason = str(error) or type(error).__name__
                    raise Unreachable(f"{self._shown(path)}: {reason}; tried {ATTEMPTS} times") from None
                time.sleep(PAUSE * 2**number)
        raise AssertionError  # the loop returns or raises

    def _shown(self, path: str) -> str:
        return f"{self.name.rstrip('/')}/{path}"


def opened(source: str) -> Source:
    """Return the store that a folder or an address means.

    Args:
        source: a folder, ``file://``, ``http(s)://``, ``hf://owner/repo[@revision]``, or what fsspec knows.

    Raises:
        Refused: it is none of these.
        Unreachable: there is no such folder.
    """
    if source.startswith("hf://"):
        repository, _, revision = source.removeprefix("hf://").strip("/").partition("@")
        if repository.count("/") != 1:
            raise Refused(f"{source}: expected hf://owner/repo or hf://owner/repo@revision")
        return Web(f"{HUB}/{quote(repository)}/resolve/{quote(revision or 'main', safe='')}")
    if source.startswith(("http://", "https://")):
        return Web(source)
    if source.startswith("file://"):
        return Folder(Path(httpx.URL(source).path))
    if "://" in source:
        return Objects(source)
    return Folder(Path(source))


def _within(content: bytes, limit: int, what: str) -> bytes:
    if len(content) > limit:
        raise Refused(f"{what}: over {limit} bytes")
    return content
