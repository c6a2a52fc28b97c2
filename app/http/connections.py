"""What the connections of a process share: how many there may be, what they may hold, and who is late.

No connection has a timer, and no request pays for one. Once a second a sweep asks every connection what it
waits for, and compares that with what it saw before. So a deadline is kept to the second, never early. Of
thousands of connections each turn of the event loop asks some: all of them at once take as long as a turn of
a busy loop may.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from app.engine.shares import Shares
from app.errors import Overloaded
from app.http.hosts import Hosts
from app.http.middleware import App, Middleware, Receive, Scope, Send
from app.http.refusals import KeptRefusals, ReturningClients
from app.limits import ConnectionLimits
from app.metrics import Metrics
from app.protocol_errors import RequestTimeout, TooManyRequests
from app.settings import Settings

if TYPE_CHECKING:
    from app.http.protocol import VitrineProtocol

SWEEP_SECONDS = 1.0  # between two sweeps; less if a deadline is shorter than four of them
LEAST_SWEEP_SECONDS = 0.02
SWEPT_AT_ONCE = 64  # connections, in a turn of the event loop: a millisecond
RATE_SECONDS = 10.0  # over which a body's rate is looked at
SPARE = 64  # connections beyond the limit that are read, as they may be health checks
RETRY_SECONDS = 1  # after which a connection, or a body, may find a place
EXEMPT = frozenset({b"/livez", b"/readyz", b"/metrics"})


class Stage(enum.Enum):
    """What a connection waits for."""

    NOTHING = enum.auto()  # its picture, or its next request for as long as it is kept
    PAUSED = enum.auto()  # that it is read again: what time passes is not the client's
    HEAD = enum.auto()
    BODY = enum.auto()
    READER = enum.auto()  # that the client reads its answer


class Waiting(NamedTuple):
    """What a connection was seen to wait for.

    Args:
        stage: what kind of thing.
        token: which one: of the next request another.
        since: when it was first seen.
        mark: when the rate was last looked at.
        received: bytes of the body that there were at that time.
    """

    stage: Stage
    token: Any
    since: float
    mark: float
    received: int


UNSEEN = Waiting(Stage.NOTHING, None, 0.0, 0.0, 0)


class Connections:
    """The connections of a process. Used on one event loop.

    Args:
        limits: the settings.
        hosts: which hosts requests may be for.
        refuse: answers a request by the ``refusal`` that its state has.
        refusals: what answers what the queue would refuse.

    Attributes:
        returning: who was refused, and when each may come again.
    """

    def __init__(self, limits: ConnectionLimits, hosts: Hosts, refuse: App, refusals: KeptRefusals) -> None:
        self.limits = limits
        self.hosts = hosts
        self.refuse = refuse
        self.refusals = refusals
        self.returning = ReturningClients()
        self.count = 0  # sockets, those included whose clients send on after the last answer
        self.bodies_bytes = 0
        self._bodies = Shares(limits.max_bodies_bytes)
        self._open: dict[VitrineProtocol, Waiting] = {}
        self._idle: list[VitrineProtocol] = []  # as of the last sweep
        self._timer: asyncio.TimerHandle | None = None
        self._swept = 0.0
        shortest = min(limits.head_seconds, limits.body_seconds, limits.write_seconds, RATE_SECONDS)
        self._period = max(LEAST_SWEEP_SECONDS, min(SWEEP_SECONDS, shortest / 4))

    def opened(self, connection: VitrineProtocol) -> bool:
        """Count a connection in, and return whether there is a place for it; one that is idle makes place."""
        self.count += 1
        self._open[connection] = UNSEEN
        if self._timer is None:
            self._swept = connection.loop.time()
            self._timer = connection.loop.call_later(self._period, self._sweep, connection.loop)
        return self.count <= self.limits.max_connections or self._close_an_idle_one()

    def _close_an_idle_one(self) -> bool:
        while self._idle:
            idle = self._idle.pop()
            if idle in self._open and idle.is_idle():
                idle.transport.close()
                return True
        return False

    def forget(self, connection: VitrineProtocol) -> None:
        """Watch a connection no more."""
        self._open.pop(connection, None)

    def closed(self) -> None:
        """Count a socket out."""
        self.count -= 1

    @property
    def is_crowded(self) -> bool:
        """Whether so many connections are beyond the limit that no more are read."""
        return self.count > self.limits.max_connections + SPARE

    def no_place(self) -> Overloaded:
        """Return the refusal of a connection."""
        most = f"This process has {self.limits.max_connections} connections (VITRINE_MAX_CONNECTIONS)."
        return Overloaded(most, RETRY_SECONDS)

    def hold(self, client: str | None, num_bytes: int) -> Overloaded | None:
        """Count bytes of a body, which are held until given back; return the refusal of it, if any."""
        most = self.limits.max_bodies_bytes
        self.bodies_bytes += num_bytes
        refusal: Overloaded | None = None
        if self.bodies_bytes > most // 2 and self._bodies.exceeds(client, num_bytes):
            refusal = TooManyRequests(RETRY_SECONDS)
        elif self.bodies_bytes > most and self.bodies_bytes > num_bytes:
            self._bodies.refused(client)
            refusal = Overloaded(
                f"Request bodies take {most} bytes (VITRINE_MAX_BODIES_BYTES).", RETRY_SECONDS
            )
        self._bodies.add(client, num_bytes)
        return refusal

    def give_back(self, client: str | None, num_bytes: int) -> None:
        """Count bytes of a body out."""
        self.bodies_bytes -= num_bytes
        self._bodies.add(client, -num_bytes)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        passed, self._swept = now - self._swept, now
        self._sweep_some(loop, iter(list(self._open)), passed, [], [])

    def _sweep_some(
        self,
        loop: asyncio.AbstractEventLoop,
        left: Iterator[VitrineProtocol],
        passed: float,
        unsent: list[tuple[int, VitrineProtocol]],
        idle: list[VitrineProtocol],
    ) -> None:
        """Look at some of the connections that are left, and go on in the next turn of the event loop."""
        now = loop.time()
        some = list(islice(left, SWEPT_AT_ONCE))
        for connection in some:
            seen = self._open.get(connection)
            if seen is None:  # it has ended since the sweep began
                continue
            stage, token = connection.stage()
            if stage is Stage.PAUSED:
                self._open[connection] = seen._replace(since=seen.since + passed, mark=seen.mark + passed)
                continue
            if stage is Stage.READER:
                unsent.append((token, connection))
            elif stage is Stage.NOTHING and connection.is_idle():
                idle.append(connection)
            if stage is not seen.stage or not _is_same(token, seen.token):
                seen = Waiting(stage, token, now, now, connection.received)
            elif stage is not Stage.NOTHING:
                seen = self._look(connection, seen, now)
            if connection in self._open:
                self._open[connection] = seen
        if len(some) == SWEPT_AT_ONCE:
            loop.call_soon(self._sweep_some, loop, left, passed, unsent, idle)
            return
        self._idle = idle
        self._cut_off(unsent)
        rest = max(LEAST_SWEEP_SECONDS, self._swept + self._period - now)
        self._timer = loop.call_later(rest, self._sweep, loop) if self._open else None

    def _look(self, connection: VitrineProtocol, seen: Waiting, now: float) -> Waiting:
        """End a connection that is late, and return what was seen of it."""
        limits, waited = self.limits, now - seen.since
        if seen.stage is Stage.READER:
            if waited >= limits.write_seconds:
                connection.transport.abort()
        elif seen.stage is Stage.HEAD:
            if waited >= limits.head_seconds:
                connection.too_late(_late("head", limits.head_seconds, "VITRINE_HEAD_SECONDS"))
        elif waited >= limits.body_seconds:
            connection.too_late(_late("body", limits.body_seconds, "VITRINE_BODY_SECONDS"))
        elif (since_mark := now - seen.mark) >= RATE_SECONDS:
            rate = limits.body_bytes_per_second
            if connection.received - seen.received < rate * since_mark:
                least = f"The body brought less than {rate} bytes a second over {math.floor(since_mark)} s"
                connection.too_late(RequestTimeout(f"{least} (VITRINE_BODY_BYTES_PER_SECOND)."))
            return seen._replace(mark=now, received=connection.received)
        return seen

    def _cut_off(self, unsent: list[tuple[int, VitrineProtocol]]) -> None:
        """End the connections with most to read, if all of them together have too much."""
        total = sum(size for size, _ in unsent)
        if total <= self.limits.max_unsent_bytes:
            return
        for size, connection in sorted(unsent, key=lambda each: -each[0]):
            connection.transport.abort()
            total -= size
            if total <= self.limits.max_unsent_bytes:
                return


def _is_same(token: Any, seen: Any) -> bool:
    return token == seen if isinstance(token, int) else token is seen


def connections_of(settings: Settings, metrics: Metrics) -> Connections:
    """Return what the connections of a service share."""
    refuse = Middleware(_refuse, metrics, settings.root_path)
    # Where requests need a key or a signature, the protocol does not know who asks: it keeps no refusals.
    kept = KeptRefusals(keeps=not settings.restricted)
    return Connections(settings, Hosts(settings), refuse, kept)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    raise scope["state"]["refusal"]


def _late(part: str, seconds: float, variable: str) -> RequestTimeout:
    return RequestTimeout(f"The {part} was not complete within {seconds:g} s ({variable}).")
