"""An HTTP/1.1 client that costs its machine little: raw sockets, kept alive, one request at a time on each.

It reads what Vitrine writes: answers with a Content-Length. Not a client for anything else.
"""

import asyncio
import collections
import time
from collections.abc import Mapping
from typing import NamedTuple

HOST = "127.0.0.1"
PROBES_PER_SECOND = 50
PATIENCE_SECONDS = 30
NONE: Mapping[str, str] = {}


class Answer(NamedTuple):
    """One answer.

    Args:
        status: the status code.
        headers: names in lower case -> values.
        body: the bytes.
        seconds: from the first byte sent to the last byte received, a new connection's handshake included.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Connection(asyncio.Protocol):
    """One connection, opened with the first request and kept alive."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received: list[bytes] = []
        self._head: tuple[int, dict[str, str]] | None = None
        self._missing = 0  # bytes of the body that have not come yet
        self._started = 0.0
        self._without_body = False

    async def get(self, port: int, target: str) -> Answer:
        """Send one GET and return its answer; see ``ask``."""
        return await self.ask(port, "GET", target)

    async def ask(
        self, port: int, method: str, target: str, headers: Mapping[str, str] = NONE, body: bytes = b""
    ) -> Answer:
        """Send one request and return its answer.

        Args:
            port: where the server listens, on this machine.
            method: of HTTP.
            target: path and query.
            headers: beside the host; the body's length is added to one that has a body.
            body: what is sent.

        Raises:
            OSError: the connection was refused, or ended before the answer did.
        """
        loop = asyncio.get_running_loop()
        self._started = time.perf_counter()
        if self._transport is None or self._transport.is_closing():
            self._transport, _ = await loop.create_connection(lambda: self, HOST, port)
        self._answer, self._received, self._head = loop.create_future(), [], None
        self._without_body = method == "HEAD"
        length = {"Content-Length": str(len(body))} if body else {}
        lines = [f"{method} {target} HTTP/1.1", *map(": ".join, ({"Host": HOST} | length | headers).items())]
        self._transport.write("\r\n".join([*lines, "\r\n"]).encode() + body)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.close()  # what is still to come belongs to nobody
            raise

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take what the server sent."""
        self._received.append(data)
        if self._head is None:
            head, separator, body = b"".join(self._received).partition(b"\r\n\r\n")
            if not separator:
                return
            self._head = parsed(head)
            self._received = [body]
            length = 0 if self._without_body else int(self._head[1].get("content-length", 0))
            self._missing = length - len(body)
        else:
            self._missing -= len(data)
        if self._missing <= 0 and self._answer is not None and not self._answer.done():
            seconds = time.perf_counter() - self._started
            self._answer.set_result(Answer(*self._head, b"".join(self._received), seconds))
            if self._head[1].get("connection") == "close":
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way, if there is one."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer"))


def parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of an answer's first part."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in fields}


class Pool:
    """Connections to one server: a request takes one that is free, or opens another.

    Args:
        port: where the server listens.
        most: connections at most; beyond it a request is not sent.
    """

    def __init__(self, port: int, most: int = 1_000_000) -> None:
        self.port = port
        self.free: collections.deque[Connection] = collections.deque()
        self.most = most
        self.opened = 0

    async def get(self, target: str) -> Answer:
        """Send one GET and return its answer.

        Raises:
            OSError: the connection failed, or there is none to be had.
        """
        if self.free:
            connection = self.free.pop()
        elif self.opened < self.most:
            connection = Connection()
            self.opened += 1
        else:
            raise ConnectionError(f"all {self.most} connections are in use")
        try:
            return await connection.get(self.port, target)
        finally:
            self.free.append(connection)  # one that failed opens again

    def close(self) -> None:
        """Close every connection that is free."""
        while self.free:
            self.free.pop().close()


class Probes(NamedTuple):
    """What a steady questioner found.

    Args:
        seconds: of each answer 200, since it was due to be asked for.
        failed: connections that broke or stayed silent, and other answers.
    """

    seconds: list[float]
    failed: int


async def probe(port: int, target: str, seconds: float) -> Probes:
    """Ask for `target` at a steady rate.

    A server that answers late does not thin out the questions, so a stall of it is met by every one of them
    that fell due meanwhile.
    """
    pool = Pool(port)

    async def one(due: float) -> float | None:
        try:
            answer = await asyncio.wait_for(pool.get(target), PATIENCE_SECONDS)
        except OSError:  # TimeoutError is one
            return None
        return time.perf_counter() - due if answer.status == 200 else None

    started = time.perf_counter()
    probes = []
    for number in range(int(seconds * PROBES_PER_SECOND)):
        due = started + number / PROBES_PER_SECOND
        await asyncio.sleep(due - time.perf_counter())
        probes.append(asyncio.create_task(one(due)))
    found = await asyncio.gather(*probes)
    pool.close()
    good = [value for value in found if value is not None]
    return Probes(good, len(found) - len(good))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the largest, in ms; all zero if there is nothing."""
    ordered = sorted(seconds) or [0.0]
    last = len(ordered) - 1
    return {
        "p50_ms": 1000 * ordered[round(0.50 * last)],
        "p99_ms": 1000 * ordered[round(0.99 * last)],
        "max_ms": 1000 * ordered[-1],
    }
