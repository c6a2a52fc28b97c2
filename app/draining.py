"""The server of one process, and how it ends: nothing that was accepted is lost.

After SIGTERM ``/readyz`` says 503 at once, and connections are still accepted for as long as a load balancer
needs to see that. Every answer is its connection's last (``Connection: close``). Then no connection is let in
any more, those that the system had accepted are served, and silent ones are closed. SIGINT does the same
without waiting for a load balancer; a second one ends the process at once.
"""

import asyncio
import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from uvicorn import Config, Server

from app import logs

log = logging.getLogger("uvicorn.error")

ENDED_AT_ONCE = 130  # as a shell reports a process that SIGINT ended
ACCEPTED_AT_ONCE = 4  # in a turn of the event loop, of which uvloop takes one by each descriptor
# After which a thread that waits for Python's lock asks for it. By the default, ten times as long, each batch
# of a worker thread may wait for a busy event loop longer than it computes.
SWITCH_SECONDS = 0.0005
LOOK_SECONDS = 0.05  # between two looks at what is left
BACKLOG_SECONDS = 0.3  # in which connections under way to us arrive, once no other is let in
SILENT_SECONDS = 0.25  # that a connection keeps silent after an answer, before it is closed
UNUSED_SECONDS = 1.0  # the same before its first request, which is on its way
TASKS_SECONDS = 0.5  # that requests whose connections were cut off get to notice
SPARE_SECONDS = 1.0  # that the service gets to stop, behind the last second of its requests

# A program for the system's packet filter: drops what has the flag SYN, the first packet of a connection.
_SO_ATTACH_FILTER = 26
_DROP_SYN = [(0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]


class DrainConfig(Config):
    """uvicorn's configuration, and for how long connections are accepted after SIGTERM, in seconds."""

    drain_seconds: float = 0.0


def refuse_new(sockets: Sequence[socket.socket]) -> None:
    """Let no new connection in; what the system has accepted already can still be taken.

    A socket that is closed resets those. A client whose first packet is dropped sends it again a second
    later, and is refused or let in by whoever listens then. Where the system has no such filter, nothing
    happens.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    kept = ctypes.create_string_buffer(program)
    header = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(kept))
    for each in sockets:
        with contextlib.suppress(OSError, ValueError):
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def end_at_once(code: int, message: str = "", *arguments: object) -> None:
    """End this process without further ado, with a line that says so if there is one."""
    if message:
        log.warning(message, *arguments)
    logs.flush()
    os._exit(code)


class DrainingServer(Server):
    """uvicorn's server with an end that loses nothing.

    Args:
        config: uvicorn's, with the seconds of a drain.
        one_of_several: other processes listen on the same sockets. The parent says when to let go of them.
    """

    def __init__(self, config: DrainConfig, one_of_several: bool = False) -> None:
        super().__init__(config)
        self._config = config
        self._one_of_several = one_of_several
        self._accept_seconds = 0.0  # after the signal
        self._let_go = False  # accept no longer: the parent says so
        self._retired = False  # others go on in this process' place
        self._silent: dict[
            Any, tuple[Any, float]
        ] = {}  # by connection: its last request, since when it is silent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service, then listen on each socket by several descriptors.

        Else a connection, and a health check in it, waits behind all that came before it for a turn of each.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        own = sockets or []
        more = [_again(each) for each in own for _ in range(ACCEPTED_AT_ONCE - 1)]
        try:
            await super().startup([*own, *more])
        except OSError:
            for each in more:
                each.close()
            raise

    # Signals, and what the parent says from a thread.

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals until the server has ended; none is raised again: it ended as it was asked to."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # What a terminal sends to all processes, the parent tells its own.
        handled: dict[int, Any] = {signal.SIGTERM: self.handle_exit}
        handled[signal.SIGINT] = signal.SIG_IGN if self._one_of_several else self.handle_exit
        before = {number: signal.signal(number, handler) for number, handler in handled.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to end; at once if nothing is served yet, or if SIGINT comes during the end."""
        if not self.started:
            told = "" if self._one_of_several else "Stopped before it served"  # the parent tells
            end_at_once(0 if sig == signal.SIGTERM else ENDED_AT_ONCE, told)
        if self.should_exit:
            if sig == signal.SIGINT:
                end_at_once(ENDED_AT_ONCE, "Stopped at once, requests under way are lost")
            return
        self._accept_seconds = self._config.drain_seconds if sig == signal.SIGTERM else 0.0
        if self._one_of_several and _parent_is_gone():  # whoever starts in its place needs the port
            self._one_of_several, self._accept_seconds = False, 0.0
        self.lifespan.state["draining"] = True
        if drain := self.lifespan.state.get("drain"):
            drain()
        self.should_exit = True
        _guard(self._graceful_seconds + SPARE_SECONDS)  # here, as a computation may hold the event loop

    @property
    def _graceful_seconds(self) -> float:
        return float(self.config.timeout_graceful_shutdown or 0)

    def let_go(self) -> None:
        """Accept no more connections than those on their way; told by the parent of several processes."""
        self._let_go = True

    def retire(self) -> None:
        """End; the other processes take new connections. Told by their parent."""
        self._retired = self._let_go = True
        self.lifespan.state["draining"] = True
        self.should_exit = True
        _guard(self._graceful_seconds + SPARE_SECONDS)

    # The end, on the event loop.

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End without losing a request, within the graceful seconds."""
        loop = asyncio.get_running_loop()
        graceful = self._graceful_seconds
        end = loop.time() + graceful
        for connection in list(self.server_state.connections):
            connection.drain()  # type: ignore[union-attr]
        if not self._retired:
            if not self._one_of_several:
                log.info("Draining: no connection is accepted after %g s", self._accept_seconds)
            await self._accept_on(min(end, loop.time() + self._accept_seconds), sockets or [])
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        while self.server_state.connections and loop.time() < end:
            self._close_silent(loop.time())
            await asyncio.sleep(LOOK_SECONDS)
        if left := list(self.server_state.connections):
            log.warning("%d connections were cut off: not done within %g s of the end", len(left), graceful)
            for connection in left:
                connection.transport.abort()
        latest = loop.time() + TASKS_SECONDS
        while self.server_state.tasks and loop.time() < latest:
            await asyncio.sleep(LOOK_SECONDS)
        if self.server_state.tasks:  # a computation that does not end, for one
            end_at_once(0, "Stopped with %d requests unfinished", len(self.server_state.tasks))
        await self.lifespan.shutdown()

    async def _accept_on(self, until: float, sockets: Sequence[socket.socket]) -> None:
        """Accept connections for a while, then those that were on their way."""
        loop = asyncio.get_running_loop()
        # The parent of several processes closes the way in before it tells them to let go.
        spare = SPARE_SECONDS if self._one_of_several else 0.0
        while loop.time() < until + spare and not self._let_go:
            self._note_silent(loop.time())
            await asyncio.sleep(LOOK_SECONDS)
        if not self._one_of_several:
            refuse_new(sockets)
        await asyncio.sleep(BACKLOG_SECONDS)

    def _note_silent(self, now: float) -> list[Any]:
        """Return the connections that have been silent for long enough to be closed."""
        noted = {}
        for connection in self.server_state.connections:
            if connection.is_silent():  # type: ignore[union-attr]
                cycle, since = self._silent.get(connection, (None, now))
                noted[connection] = (connection.cycle, since if cycle is connection.cycle else now)  # type: ignore[union-attr]
        self._silent = noted
        return [
            connection
            for connection, (cycle, since) in noted.items()
            if now - since >= (UNUSED_SECONDS if cycle is None else SILENT_SECONDS)
        ]

    def _close_silent(self, now: float) -> None:
        for connection in self._note_silent(now):
            connection.transport.close()


def _again(listening: socket.socket) -> socket.socket:
    """Return another descriptor of a socket, which stays as it is.

    ``socket.dup`` makes it block, in every process that has it: who finds no connection where several
    descriptors announced one would then wait for the next, and do nothing else.
    """
    return socket.socket(listening.family, listening.type, listening.proto, os.dup(listening.fileno()))


def _parent_is_gone() -> bool:
    parent = multiprocessing.parent_process()
    return parent is None or parent.pid != os.getppid()


def _guard(seconds: float) -> None:
    """End the process after some seconds, whatever keeps it: a computation that does not end, for one."""
    timer = threading.Timer(seconds, end_at_once, (0, "Stopped: what was still computed did not end in time"))
    timer.daemon = True
    timer.start()
