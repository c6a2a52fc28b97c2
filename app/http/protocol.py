"""HTTP over a connection: uvicorn's protocol, with an answer's head and body in one write.

uvicorn writes the two one after the other, and each write is a call of the system. Here what one turn of the
event loop writes to a connection leaves together, at its end.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoinedWrites:
    """A transport that collects what is written to it until the turn of the event loop ends.

    Everything but ``write`` and ``close`` is that of the `transport` it writes to.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Say whether the connection is closing or closed."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, in this turn of the loop or at its end."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close the connection when all that was written has left."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            if not self._transport.is_closing():  # by the client, since it was written
                self._transport.write(b"".join(waiting))


class JoinedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over joined writes; httptools, as h11 lets a request with two lengths through."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
