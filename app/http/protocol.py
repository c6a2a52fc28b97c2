"""HTTP over a connection: uvicorn's protocol, where a real client or a slow way there needs more of it.

- uvicorn writes an answer's head and body one after the other, and each write is a call of the system. Here
  what one turn of the event loop writes to a connection leaves together, at its end.
- An offer to speak another protocol (``Upgrade``) is a hop's own matter and changes nothing of a request. The
  parser takes what follows such a head for the other protocol: the head is read again without the offer.
- A connection that is closed while its client still sends is closed for writing first (``Leftovers``): else
  the system resets it, and with what was not read the answer is lost.
- A client may close its side behind a request (a half-closed connection), and is answered. One that is gone
  looks the same, until something is written to it.
- A head has an end: MAX_HEAD_BYTES and MAX_HEADERS. The parser would collect one without an end in memory.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 131_072  # of a request's line and headers; the parser itself allows half of it for the line
MAX_HEADERS = 256
LINGER_SECONDS = 30.0  # that a client may go on sending what nobody reads
LINGER_IDLE_SECONDS = 5.0  # the same without a byte
HALF_CLOSED_SECONDS = 1.0  # that a picture may take before a half-closed client is asked for a sign of life
LOOK_SECONDS = 0.25  # between two looks whether it is still there

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # which a client of HTTP/1.1 passes over, asked for or not
_TCP_CLOSE = 7  # the state of a connection that the other end has reset, in Linux' tcp_info


class JoinedWrites:
    """A transport that collects what is written to it until the turn of the event loop ends.

    Everything but ``write`` and ``close`` is that of the `transport` it writes to.

    Args:
        transport: what is written to.
        loop: the event loop.
        lost: called in the place of closing, if the client may still be sending and `unread` says so.
        unread: whether a request is under way that has not been read to its end.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[[], None] = lambda: None,
        unread: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._lost = lost
        self._unread = unread
        self._waiting: list[bytes] = []
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Say whether the connection is closing or closed."""
        return self._lingers or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, in this turn of the loop or at its end."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close the connection when all that was written has left, and has been read."""
        if self._lingers:
            return
        self.flush()
        if self._transport.is_closing() or not self._unread():
            self._transport.close()
            return
        self._lingers = True
        self._transport.set_protocol(Leftovers(self._transport, self._loop))
        self._loop.call_soon(self._lost)

    def flush(self) -> None:
        """Let go what was written."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            if not self._transport.is_closing():  # by the client, since it was written
                self._transport.write(b"".join(waiting))


class Leftovers(asyncio.Protocol):
    """Reads, and drops, what a client still sends that has been answered; then closes the connection."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._end = loop.time() + LINGER_SECONDS
        self._timer = loop.call_later(LINGER_IDLE_SECONDS, transport.abort)
        with contextlib.suppress(RuntimeError):  # it is not paused
            transport.resume_reading()
        transport.write_eof()

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """Drop it."""
        self._timer.cancel()
        left = min(LINGER_IDLE_SECONDS, self._end - self._loop.time())
        self._timer = self._loop.call_later(max(0.0, left), self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End; the transport closes itself behind the client's own end."""
        self._timer.cancel()


class VitrineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with what stands above; httptools, as h11 lets two lengths of a body through."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._offered = False  # the head that is being read offers another protocol
        self._broken = False  # what was received is not HTTP
        self._last: Any = None  # the request whose answer is the last, as the server is to end
        self._head_bytes: int | None = None  # received of a head that has not ended; None: none is being read
        lost = lambda: self.connection_lost(None)  # noqa: E731
        self._joined = JoinedWrites(transport, self.loop, lost, self._is_unread)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def drain(self) -> None:
        """Make the answer that is under way the connection's last; or the next one, if it has begun."""
        cycle = self.cycle  # the newest: of several that were sent together the last
        if cycle is not None and not cycle.response_started and cycle.keep_alive:
            cycle.keep_alive, self._last = False, cycle

    def is_silent(self) -> bool:
        """Say whether no request is under way, nor a part of one."""
        answered = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        return answered and self._head_bytes is None and not self.pipeline

    def _is_unread(self) -> bool:
        return self._broken or (self.cycle is not None and self.cycle.more_body)

    def data_received(self, data: bytes) -> None:
        """Read requests; see ``HttpToolsProtocol``."""
        self._unset_keepalive_if_required()
        while data and self.parser is not None:
            try:
                if self._head_bytes is not None:
                    self._head_bytes += len(data)
                self.parser.feed_data(data)
                if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
                    raise httptools.HttpParserError("a head without an end")
                return
            except httptools.HttpParserUpgrade as offer:
                if not self._offered:  # CONNECT: what follows is not HTTP
                    self._broken, self.parser = True, None  # type: ignore[assignment]
                    return
                data = self._without_offer() + data[offer.args[0] :]
            except httptools.HttpParserError:
                self._broken = True
                if self.cycle is not None and not (self.cycle.response_complete or self.cycle.more_body):
                    self.cycle.keep_alive = False  # its answer comes first, and is the last
                    self.parser = None  # type: ignore[assignment]
                else:
                    self.send_400_response("Invalid HTTP request received.")
                return

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; the parser makes an error of its own of what is raised."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS or len(value) > MAX_HEAD_BYTES:
            raise ValueError("too many headers, or too long a one")

    def _without_offer(self) -> bytes:
        """Return the head that was read, without the offer; a new parser is to read it."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._offered = False
        version = self.scope["http_version"].encode()
        lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"\r\n"])

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is to be read again."""
        self._head_bytes = None
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if self.expect_100_continue:  # if it is refused, the body may come all the same, or never
                self.cycle.keep_alive = False
            if "draining" in self.app_state:
                if self._last is not None and not self._last.response_started:
                    self._last.keep_alive = True  # this one came behind it
                self.drain()
            return
        method = self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        self._offered = method != "CONNECT"
        if not self._offered:
            super().on_headers_complete()
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """End a request's body."""
        if not self._offered:
            super().on_message_complete()
            self.cycle.more_body = False  # of one that has been answered too

    def on_response_complete(self) -> None:
        """Go on with the next request; one whose body never ends is not waited for."""
        cycle = self.cycle
        super().on_response_complete()
        if cycle.response_complete and cycle.more_body and not self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self._end_unread, cycle)

    def _end_unread(self, cycle: Any) -> None:
        if cycle is self.cycle and cycle.more_body:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked before the client closed its side; keep the connection open for that."""
        self._joined.flush()  # an answer may be complete, and wait for the end of the loop's turn
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False  # it is the newest: nothing comes behind it
        look = self._look_for_client if cycle.scope["http_version"] == "1.1" else self._give_up
        self.loop.call_later(HALF_CLOSED_SECONDS, look)
        return True

    def _give_up(self) -> None:
        """Close a half-closed connection of HTTP/1.0, which has nothing to ask by, if no answer began."""
        if not self.cycle.response_started:
            self.transport.abort()

    def _look_for_client(self, speak: bool = True) -> None:
        """Close a half-closed connection whose client is gone: what is written to it, it resets."""
        if self.cycle.response_complete or self.transport.is_closing():
            return
        if speak and not self.cycle.response_started and not self.pipeline:
            self.transport.write(_CONTINUE)
        elif _was_reset(self.transport):
            self.transport.abort()
            return
        self.loop.call_later(LOOK_SECONDS, self._look_for_client, False)


def _was_reset(transport: asyncio.Transport) -> bool:
    """Say whether the other end has reset a connection from which nothing is read; False if nobody knows."""
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(AttributeError, OSError):  # not on Linux, or not TCP
        state: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state[0] == _TCP_CLOSE
    return False
