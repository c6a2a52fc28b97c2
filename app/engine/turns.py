"""How many requests the turns of the event loop bring: whether it is worth to wait for others."""

import asyncio

LONE_TURNS = 8  # with one request each, after which none is expected beside the next


class Turns:
    """Counts the requests of each turn of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._requests = 0  # of the present turn
        self._lone = 0  # the latest turns with requests that had but one, without a break

    def count(self) -> None:
        """Count a request."""
        self._requests += 1
        if self._requests == 1:
            self._loop.call_soon(self._over)

    @property
    def bring_one(self) -> bool:
        """Whether this turn has brought one request, and so did the last ones that brought any."""
        return self._requests == 1 and self._lone >= LONE_TURNS

    def _over(self) -> None:
        self._lone = self._lone + 1 if self._requests == 1 else 0
        self._requests = 0
