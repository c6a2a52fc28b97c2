"""Refusals by a full queue: given at little cost, and held back from clients that ask again at once.

A refusal that passes router and middleware takes the event loop as long as many a picture does, and under
load there are more of them than pictures. So the answer to a request that the queue has refused is kept for
KEPT_SECONDS. Who asks for the same meanwhile, but for its seed, gets it from the protocol, before there is a
task. The queue is hardly shorter by then: that time is a small part of what it may hold.

Clients that come again without the wait that they were told would have the event loop do nothing else: they
wait for their next refusal.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.errors import Overloaded

LONGEST_SECONDS = 1.0  # that a refusal is held back: well below what clients wait for
MAX_CLIENTS = 4096  # connections that are remembered
KEPT_SECONDS = 0.02
LEAST_QUEUES = 20  # of KEPT_SECONDS there is in what the queue holds; of a shorter one less is kept
MAX_KEPT = 256  # refusals
MAX_SERVED = 4096  # addresses

_SEED = re.compile(rb"(?<=[?&]seed=)\d{1,20}(?=&|$)")
# What these ask for, or say, is answered request by request.
_OTHER = frozenset(
    (b"content-length", b"expect", b"if-none-match", b"origin", b"transfer-encoding", b"x-request-id")
)

Headers = Iterable[tuple[bytes, bytes]]
Client = tuple[str, int]  # address and port of a connection's other end


class Kept(NamedTuple):
    """The answer to a request that the queue has refused, for others like it.

    Args:
        until: when it is asked anew, by the event loop's clock.
        head: status line and headers, but for those of the server and of the connection.
        body: what stands before and behind the request's id.
        retry_after_seconds: that it tells.
        tell: called for each answer, with its request's scope and the seconds that it took.
    """

    until: float
    head: bytes
    body: tuple[bytes, bytes]
    retry_after_seconds: int
    tell: Callable[[Any, float], None]

    def written(self, request_id: bytes, own: Headers) -> bytes:
        """Return the answer as it is sent to one client.

        Args:
            request_id: by which the client can name it.
            own: the server's headers, and the connection's.
        """
        own_lines = _lines([*own, (b"x-request-id", request_id)])
        return b"".join((self.head, own_lines, b"\r\n", request_id.join(self.body)))


class KeptRefusals:
    """Answers to what the queue has just refused, for others who ask for the same. Used on one event loop.

    Args:
        queue_seconds: how long requests may wait.
    """

    def __init__(self, queue_seconds: float) -> None:
        self._seconds = min(KEPT_SECONDS, queue_seconds / LEAST_QUEUES)
        self._kept: dict[bytes, Kept] = {}
        self._until = 0.0  # none is kept for longer
        self._served: dict[bytes, None] = {}

    def served(self, scope: Any) -> None:
        """Remember the address of a permanent picture: the cache may have it, and answers under any load."""
        self._served[_target(scope)] = None
        if len(self._served) > MAX_SERVED:
            del self._served[next(iter(self._served))]

    def keep(
        self,
        scope: Any,
        headers: Headers,
        body: bytes,
        refusal: Overloaded,
        tell: Callable[[Any, float], None],
    ) -> None:
        """Keep the answer to a request that the queue has refused.

        Args:
            scope: the request.
            headers: of the answer, but for the request's id and those of the server.
            body: with the request's id in one place; else it is not kept.
            refusal: what it says.
            tell: see ``Kept``.
        """
        parts = body.split(scope["state"]["request_id"].encode())
        if scope["method"] != "GET" or len(parts) != 2:
            return
        now = asyncio.get_running_loop().time()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._until = now + self._seconds
        head = STATUS_LINE[refusal.status] + _lines(headers)
        kept = Kept(self._until, head, (parts[0], parts[1]), refusal.retry_after_seconds, tell)
        self._kept[_SEED.sub(b"", _target(scope))] = kept

    def find(self, scope: Any, now: float) -> Kept | None:
        """Return what answers a request that would be refused, if that is known."""
        if now >= self._until or scope["method"] != "GET":
            return None
        target = _target(scope)
        kept = self._kept.get(_SEED.sub(b"", target))
        if kept is None or now >= kept.until or target in self._served:
            return None
        if any(name in _OTHER for name, _ in scope["headers"]):
            return None
        return kept


class ReturningClients:
    """When clients whose requests the queue refused were told to come again. Used on one event loop."""

    def __init__(self) -> None:
        self._due: dict[Client, float] = {}

    def delay(self, client: Client | None, retry_after_seconds: int) -> float:
        """Return the seconds by which a refusal is held back: some, if its client was told to come later.

        Args:
            client: the connection, None: it has no address, and is not told apart.
            retry_after_seconds: what it is told now.
        """
        if client is None:
            return 0.0
        now = time.monotonic()
        early = self._due.pop(client, now) - now
        if len(self._due) >= MAX_CLIENTS:
            del self._due[next(iter(self._due))]  # the oldest
        self._due[client] = now + retry_after_seconds
        return min(max(0.0, early), LONGEST_SECONDS)


def refusals_of(scope: Any) -> KeptRefusals | None:
    """Return what the process of a request keeps; None: it came by no connection of our server."""
    connections = scope.get("state", {}).get("connections")
    return None if connections is None else connections.refusals


async def hold_back(scope: Any, refusal: Overloaded) -> None:
    """Wait, if the connection of a request that the queue refuses was told to come later."""
    connections = scope.get("state", {}).get("connections")
    if connections is None:
        return
    if seconds := connections.returning.delay(scope.get("client"), refusal.retry_after_seconds):
        await asyncio.sleep(seconds)


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)


def _target(scope: Any) -> bytes:
    return b"%s?%s" % (scope["raw_path"], scope["query_string"])
