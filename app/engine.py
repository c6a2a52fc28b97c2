"""The one bounded door between requests and computation.

A request is computed in a thread, so that the event loop stays free for others; only so many at the same
time, and only so many may wait.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.errors import Overloaded

T = TypeVar("T")


class Engine:
    """Runs functions in `lanes` threads; at most `max_waiting` callers wait for one.

    Args:
        lanes: functions that run at the same time.
        max_waiting: callers that may wait for a lane.
    """

    def __init__(self, lanes: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._lanes = lanes
        self._max_waiting = max_waiting
        self._admitted = 0
        self._seconds = 0.01  # smoothed time that one function takes, for Retry-After

    @property
    def waiting(self) -> int:
        """Callers that wait for a lane."""
        return max(0, self._admitted - self._lanes)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, computed in a lane.

        Raises:
            Overloaded: every lane is busy and every place to wait is taken.
        """
        if self._admitted >= self._lanes + self._max_waiting:
            seconds = math.ceil(self._seconds * self.waiting / self._lanes)
            raise Overloaded(self.waiting, max(1, seconds))
        self._admitted += 1
        # The place is given back when the lane is free again, not when a caller loses patience: a cancelled
        # caller's work may still be going on.
        future = self._pool.submit(self._timed, work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let running functions finish and refuse new ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        self._admitted -= 1

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self._seconds += 0.1 * (time.perf_counter() - start - self._seconds)
