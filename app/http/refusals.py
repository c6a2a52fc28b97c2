"""Refusals of a service that has too much to do, held back from clients that ask again at once.

A refusal takes the event loop as long as many a picture does. Clients that come again without the wait that
they were told would have it do nothing else.
"""

import asyncio
import time
from typing import Any

from app.errors import Overloaded

LONGEST_SECONDS = 1.0  # that a refusal is held back: well below what clients wait for an answer
MAX_KEPT = 4096  # connections


class Refusals:
    """Remembers until when each connection was told to wait. Used on one event loop."""

    def __init__(self) -> None:
        self._until: dict[Any, float] = {}

    async def hold_back(self, client: object, refusal: Overloaded) -> None:
        """Wait, if the connection of `client` was told to come later than now; at most LONGEST_SECONDS.

        Args:
            client: address and port of the other end, None: it has none, and is not told apart.
            refusal: what it is about to get.
        """
        now = time.monotonic()
        early = self._until.pop(client, now) - now
        if len(self._until) >= MAX_KEPT:
            del self._until[next(iter(self._until))]  # the oldest
        if client is not None:
            self._until[client] = now + refusal.retry_after_seconds
        if early > 0:
            await asyncio.sleep(min(early, LONGEST_SECONDS))
