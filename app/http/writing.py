"""What is written to a connection, when it is read, and how it ends if its client is still sending."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

LINGER_SECONDS = 30.0  # that a client may go on sending what nobody reads
LINGER_IDLE_SECONDS = 5.0  # the same without a byte

_TCP_CLOSE = 7  # the state of a connection that the other end has reset, in Linux' tcp_info


class JoinedWrites:
    """A transport that collects what is written to it until the turn of the event loop ends.

    Everything but ``write`` and ``close`` is that of the `transport` it writes to.

    Args:
        transport: what is written to.
        loop: the event loop.
        lost: called in the place of closing, if the client may still be sending and `unread` says so.
        unread: whether a request is under way that has not been read to its end.
        gone: called when a connection has ended that was not closed at once.

    Attributes:
        lingers: the connection was not closed at once.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[[], None] = lambda: None,
        unread: Callable[[], bool] = lambda: False,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._lost = lost
        self._unread = unread
        self._gone = gone
        self._waiting: list[bytes] = []
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Say whether the connection is closing or closed."""
        return self.lingers or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, in this turn of the loop or at its end."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close the connection when all that was written has left, and has been read."""
        if self.lingers:
            return
        self.flush()
        if self._transport.is_closing() or not self._unread():
            self._transport.close()
            return
        self.lingers = True
        self._transport.set_protocol(Leftovers(self._transport, self._loop, self._gone))
        self._loop.call_soon(self._lost)

    def flush(self) -> None:
        """Let go what was written."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            if not self._transport.is_closing():  # by the client, since it was written
                self._transport.write(b"".join(waiting))


class Leftovers(asyncio.Protocol):
    """Reads, and drops, what a client still sends that has been answered; then closes the connection."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._gone = gone
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
        self._gone()


class Flow(FlowControl):
    """Reads no more of a connection while requests wait that were sent together."""

    def __init__(self, transport: asyncio.Transport, is_blocked: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._is_blocked = is_blocked

    def resume_reading(self) -> None:
        """Read on, unless enough waits."""
        if self.read_paused and not self._is_blocked():
            super().resume_reading()


def was_reset(transport: asyncio.Transport) -> bool:
    """Say whether the other end has reset a connection from which nothing is read; False if nobody knows."""
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(AttributeError, OSError):  # not on Linux, or not TCP
        state: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state[0] == _TCP_CLOSE
    return False
