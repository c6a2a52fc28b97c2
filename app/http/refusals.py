"""Refusals of a service that has too much to do, held back from clients that ask again at once.

A refusal takes the event loop as long as many a picture does. Clients that come again without the wait that
they were told would have it do nothing else. And many that were refused at the same time would come again at
the same time, and hold up everybody meanwhile: those who are held back are let go a few at a time.
"""

import asyncio
import time
from collections import deque
from typing import Any

from app.errors import Overloaded
from app.http.clients import of_address

LONGEST_SECONDS = 1.0  # that a refusal is held back, if no others wait: well below what clients wait for
MAX_KEPT = 4096  # connections
TICK_SECONDS = 0.005
LET_GO_A_SECOND = 400  # by a busy event loop: they take a tenth of it
MOST_LET_GO = 32  # in a tick, by an idle one
MOST_WAITING = 2000  # who comes behind them is refused at once: nobody is to wait for more than six seconds
FREE_A_SECOND = 200  # refusals of one address that are given at once, on connections that wait as told


class Pace:
    """Lets those go who wait, some in a tick, in the order in which they came.

    A tick that comes late says that the event loop is busy: then they are LET_GO_A_SECOND. Else they are one
    more each time, up to MOST_LET_GO.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._at_once = 1
        self._due = 0.0

    async def turn(self) -> None:
        """Wait for a turn, unless many wait already."""
        if len(self._waiting) >= MOST_WAITING and self._loop is asyncio.get_running_loop():
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._waiting.clear()
        if not self._waiting:
            self._tick(loop)
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK_SECONDS
        loop.call_at(self._due, self._let_go, loop)

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        late = loop.time() - self._due
        self._at_once = 1 if late > TICK_SECONDS / 2 else min(MOST_LET_GO, self._at_once + 1)
        left = max(self._at_once, round(LET_GO_A_SECOND * (TICK_SECONDS + late)))
        while self._waiting and left:
            future = self._waiting.popleft()
            if not future.done():  # its client is still there
                future.set_result(None)
                left -= 1
        if self._waiting:
            self._tick(loop)


_PACE = Pace()  # one for all addresses of the process: they share its event loop


class Refusals:
    """Remembers until when each connection was told to wait. Used on one event loop."""

    def __init__(self) -> None:
        self._until: dict[Any, float] = {}
        self._second = 0
        self._given: dict[str, int] = {}  # in this second, at once, by address

    async def hold_back(self, client: tuple[str, int] | None, refusal: Overloaded) -> None:
        """Wait, if the connection of `client` was told to come later than now, or its address has had many.

        Args:
            client: address and port of the other end, None: it has none, and is not told apart.
            refusal: what it is about to get.
        """
        now = time.monotonic()
        early = self._until.pop(client, now) - now
        if len(self._until) >= MAX_KEPT:
            del self._until[next(iter(self._until))]  # the oldest
        if client is None:
            return
        self._until[client] = now + refusal.retry_after_seconds
        if early > 0:
            await asyncio.sleep(min(early, LONGEST_SECONDS))
        elif self._is_free(of_address(client[0]), int(now)):
            return
        await _PACE.turn()

    def _is_free(self, address: str, second: int) -> bool:
        """Count a refusal that comes when it may, and say whether it is given at once."""
        if second != self._second:
            self._second = second
            self._given.clear()
        self._given[address] = given = self._given.get(address, 0) + 1
        return given <= FREE_A_SECOND
