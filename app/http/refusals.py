"""Refusals by a full queue: given at little cost, and held back from clients that ask again at once.

A refusal that passes router and middleware takes the event loop as long as many a picture does, and under
load there are more of them than pictures. So the answer to a request that the queue has refused is kept. Who
asks for the same, but for its seed, while the queue would refuse it again, gets that answer from the
protocol, before there is a task. Every KEPT_SECONDS one such request passes: what the answer says changes.

Clients that come again without the wait that they were told would have the event loop do nothing else: they
wait for their next refusal.
"""

import asyncio
import dataclasses
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.errors import Overloaded

LONGEST_SECONDS = 1.0  # that a refusal is held back: well below what clients wait for
MAX_CLIENTS = 4096  # connections that are remembered
KEPT_SECONDS = 0.5
MAX_KEPT = 256  # refusals
MAX_SERVED = 4096  # addresses

# A seed that is right in any case, and what stands in its place in a key: no target has it.
_SEED, _ANY = re.compile(rb"(?<=[?&]seed=)\d{1,18}(?=&|$)"), b"\n"
# What these ask for, or say, is answered request by request.
_OTHER = frozenset(
    (b"content-length", b"expect", b"if-none-match", b"origin", b"transfer-encoding", b"x-request-id")
)

Headers = Iterable[tuple[bytes, bytes]]
Client = tuple[str, int]  # address and port of a connection's other end


@dataclasses.dataclass(slots=True)
class Kept:
    """The answer to a request that the queue has refused, for others like it.

    Args:
        until: when it is asked anew, by the event loop's clock.
        holds: says whether the queue would refuse another one now, behind so many that were let in.
        head: status line and headers, but for those of the server and of the connection.
        body: what stands before and behind the request's id.
        retry_after_seconds: that it tells.
        tell: called for each answer, with its request's scope and the seconds that it took.
    """

    until: float
    holds: Callable[[int], bool]
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
        keeps: whether refusals are kept at all.
    """

    def __init__(self, keeps: bool = True) -> None:
        self._keeps = keeps
        self._passed = 0  # requests that were let in, and are not counted by the queue yet
        self._kept: dict[bytes, Kept] = {}
        self._until = 0.0  # none is kept for longer
        self._served: dict[bytes, None] = {}

    def served(self, scope: Any) -> None:
        """Remember the address of a permanent picture that is kept or computed, for whoever asks for it."""
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
        if not self._keeps or scope["method"] != "GET" or len(parts) != 2:
            return
        now = asyncio.get_running_loop().time()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._until = now + 2 * KEPT_SECONDS
        head = STATUS_LINE[refusal.status] + _lines(headers)
        until, wait = now + KEPT_SECONDS, refusal.retry_after_seconds
        kept = Kept(until, refusal.holds, head, (parts[0], parts[1]), wait, tell)
        self._kept[_SEED.sub(_ANY, _target(scope))] = kept

    def find(self, scope: Any, now: float) -> Kept | None:
        """Return what answers a request that would be refused, if that is known."""
        if now >= self._until or scope["method"] != "GET":
            return None
        target = _target(scope)
        kept = self._kept.get(_SEED.sub(_ANY, target))
        if kept is None or target in self._served:
            return None
        if any(name in _OTHER for name, _ in scope["headers"]):
            return None
        if now < kept.until and kept.holds(self._passed):
            return kept
        kept.until = max(kept.until, now + KEPT_SECONDS)  # one is enough to find out
        self._let_in()
        return None

    def _let_in(self) -> None:
        """Count a request that goes to the queue, until its task was there: for this turn of the loop."""
        if not self._passed:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._all_are_counted)
        self._passed += 1

    def _all_are_counted(self) -> None:
        self._passed = 0


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


def remember_served(scope: Any) -> None:
    """Remember that whoever asks for a permanent picture may have it without a place in the queue."""
    if (kept := refusals_of(scope)) is not None:
        kept.served(scope)


def refusals_of(scope: Any) -> KeptRefusals | None:
    """Return what the process of a request remembers; None: it came by no connection of our server."""
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
