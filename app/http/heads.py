"""What a request's head must be, before there is an endpoint for it; and the answer to one that is not."""

from __future__ import annotations

import asyncio
import re
from http import HTTPMethod
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.errors import MethodNotAllowed, VitrineError, echo
from app.http.connections import EXEMPT
from app.limits import ConnectionLimits
from app.protocol_errors import AddressTooLong, HeadTooLarge, MalformedRequest

if TYPE_CHECKING:
    from app.http.protocol import VitrineProtocol

PIECE_BYTES = 4096  # read at once: what stands in them of requests that are sent together is read ahead
_NAMED = frozenset({b"host", b"transfer-encoding"})
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_REQUEST_LINE = re.compile(rb"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+) \S+ HTTP/1\.[01]\r?\n", re.ASCII)
# What may become such a line.
_BEGINNING = re.compile(
    rb"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]*(?: (?:\S+(?: (?:H|HT|HTT|HTTP|HTTP/|HTTP/1|HTTP/1\.[01]?\r?)?)?)?)?"
)


class FirstLine:
    """A head's first line, whose method the parser does not know: in the parser's place until it ends.

    Args:
        line: what was received of it in the pieces before, which the parser took.
        error: the parser's.
    """

    def __init__(self, line: bytes, error: httptools.HttpParserInvalidMethodError) -> None:
        self.line = line
        self._error = error

    def feed_data(self, piece: bytes) -> None:
        """Take a piece; the parser's error is raised when the line has ended, or will be none."""
        self.line += piece
        if len(self.line) > PIECE_BYTES or _BEGINNING.fullmatch(self.line) is None:
            raise self._error


def unreadable(received: bytes, error: httptools.HttpParserError) -> VitrineError:
    """Return the refusal of what the parser does not read: an unknown method, or what is not HTTP.

    Args:
        received: from the head's begin on; a method is known from its first line.
        error: the parser's.
    """
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        line = _REQUEST_LINE.match(received)
        if line is not None and line[1].decode() not in set(HTTPMethod):
            return MethodNotAllowed({"GET", "POST"})  # as of the service as a whole
    return MalformedRequest("What was received is not HTTP/1.1 or 1.0.")


def too_large(limits: ConnectionLimits, url: bytes) -> VitrineError:
    """Return the refusal of a head that is over a limit."""
    if len(url) > limits.max_head_bytes // 2:
        return AddressTooLong(limits.max_head_bytes // 2)
    return HeadTooLarge(limits.max_head_bytes, limits.max_headers)


def is_too_large(limits: ConnectionLimits, received: int, url: bytes) -> bool:
    """Say whether a head is over a limit of which so many bytes were received, and `url` so far.

    In the piece with which it began, others may have ended: it is given one more.
    """
    return received > limits.max_head_bytes + PIECE_BYTES or len(url) > limits.max_head_bytes // 2


def check_head(connection: VitrineProtocol, received: int) -> None:
    """Check a head that is complete.

    Args:
        connection: that it came by.
        received: bytes of it, but for the piece that ended it.

    Raises:
        VitrineError: it is too large, for a host that is not ours, of a version or coding that is not read,
            or of a connection without a place.
    """
    shared, url = connection.shared, connection.url
    most = shared.limits.max_head_bytes
    if is_too_large(shared.limits, received, url):
        raise too_large(shared.limits, url)
    if received > most - 2 * PIECE_BYTES:  # else it need not be counted to the byte
        lines = sum(len(name) + len(value) + 4 for name, value in connection.headers)
        if lines + len(url) > most:
            raise too_large(shared.limits, url)
    version = connection.parser.get_http_version()
    if version not in ("1.1", "1.0"):  # the parser reads heads of 0.9 and 2.0 too
        raise MalformedRequest(f"Expected HTTP/1.1 or HTTP/1.0. Received: HTTP/{version}.")
    named = [header for header in connection.headers if header[0] in _NAMED]
    if len(named) > 1 or (named and named[0][0] != b"host"):
        _check_codings(named)
    if url in EXEMPT:
        return
    if url[:1] != b"/":
        use_authority(connection.headers, url, version)
        named = connection.headers
    shared.hosts.check(named, version)
    if not connection.has_place:
        raise shared.no_place()


def _check_codings(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a body in another coding than chunks: what was compressed on its way nobody decodes here."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
        received = echo(b", ".join(codings).decode("latin-1"))
        raise MalformedRequest(f"Transfer-Encoding: expected chunked alone. Received: {received}.")


def use_authority(headers: list[tuple[bytes, bytes]], target: bytes, version: str) -> None:
    """Have a request be for the host that an absolute address in its first line names (RFC 9112, 3.2.2).

    Args:
        headers: of the request, names in lower case; each Host in them is replaced, so that two stay two.
        target: as it stands in the first line; one that is no absolute address changes nothing.
        version: of HTTP; from 1.1 on a request without Host stays one.

    Raises:
        MalformedRequest: the address names no host.
    """
    found = _ABSOLUTE.match(target)
    if found is None:
        return
    if not found[1]:
        raise MalformedRequest("Expected a host in the address of the first line.")
    headers[:] = [(name, found[1] if name == b"host" else value) for name, value in headers]
    if version == "1.0" and all(name != b"host" for name, _ in headers):
        headers.append((b"host", found[1]))


def refusing(connection: VitrineProtocol, refusal: VitrineError) -> RequestResponseCycle:
    """Return what answers what is being received with a refusal, as the last of a connection."""
    begun = connection.scope or {}
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "HEAD" if begun.get("method") == "HEAD" else "GET",
        "path": (connection.url.partition(b"?")[0].decode("latin-1") if begun else "") or "/",
        "query_string": b"",
        "headers": [],
        "client": connection.client,
        "state": {"refusal": refusal},
    }
    cycle = RequestResponseCycle(
        scope=scope,  # type: ignore[arg-type]
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=connection.access_log,
        default_headers=connection.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=False,
        on_response=connection.on_response_complete,
    )
    cycle.more_body = False
    return cycle
