"""How much of something that is scarce each client has, and whether that is more than its share."""

import time
from collections.abc import Callable, Hashable
from contextvars import ContextVar

WAITS_SECONDS = 3.0  # that a client counts as one who waits, after it was refused
MAX_WAITING = 1024  # clients that are remembered as waiting
ROUNDING = 1e-9  # what sums of seconds may differ from nothing when all is given back

# Who asks for the work that is submitted; None: nobody can tell. What is set first holds.
asking: ContextVar[Hashable] = ContextVar("asking", default=None)


class Shares:
    """Counts what clients have under way. Used on one event loop.

    A client that is alone may have everything: its share is smaller only while others have something too, or
    were refused a moment ago. A client that nobody can tell from others, None, is not counted.

    Args:
        capacity: what all clients may have together.
        clock: seconds.
    """

    def __init__(self, capacity: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._held: dict[Hashable, float] = {}
        self._waiting: dict[Hashable, float] = {}  # until when

    def add(self, client: Hashable, amount: float) -> None:
        """Count what a client has more, or with a negative amount what it gives back."""
        if client is None or not amount:
            return
        left = self._held.get(client, 0.0) + amount
        if left > ROUNDING:
            self._held[client] = left
        else:
            self._held.pop(client, None)

    def refused(self, client: Hashable) -> None:
        """Remember that a client waits: it was refused because of what others have."""
        if client is None:
            return
        self._waiting.pop(client, None)
        if len(self._waiting) >= MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]  # the oldest
        self._waiting[client] = self._clock() + WAITS_SECONDS

    def exceeds(self, client: Hashable, amount: float) -> bool:
        """Say whether a client that asked for so much more would have more than its share."""
        if client is None:
            return False
        now = self._clock()
        while self._waiting and (first := next(iter(self._waiting))) and self._waiting[first] <= now:
            del self._waiting[first]
        others = len((self._held.keys() | self._waiting.keys()) - {client})
        return others > 0 and self._held.get(client, 0.0) + amount > self._capacity / (others + 1)
