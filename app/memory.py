"""Memory of a process: what only the start needed, or a load that is over, goes back to the system."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

from app.runtimes.trim import give_back

IDLE_SECONDS = 10.0  # without a request: what gives memory back then keeps nobody waiting
BUSY_LOOKS = 6  # of IDLE_SECONDS each, in which requests came, until free memory is given back all the same


@contextlib.contextmanager
def collections_held() -> Iterator[None]:
    """Collect no cycles until ``settle``, or the end: imports leave few, and lose a tenth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Collect once, leave what remains out of later collections, and give free memory back.

    Modules and models remain as long as the process. It takes some hundredths of a second, so it is for a
    thread that may wait. Collections go on after it.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    give_back()


def resident_bytes() -> int:
    """Return the memory of this process, pages that others share divided among them; 0 where nobody tells.

    The system counts page by page, which takes a millisecond for some hundred megabytes.
    """
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration, ValueError):
        return 0


class WhenIdle:
    """Has something done once, after IDLE_SECONDS to twice as long without a request. On one event loop.

    Under load, free memory lies in more and more pages between what is in use: of a mixed load's 210 MB after
    45 minutes 50 MB were free. So something else is done every BUSY_LOOKS * IDLE_SECONDS of requests.

    Args:
        count: returns how many requests there have ever been.
        then: what is to be done. It is not to take long: it is called on the event loop.
        under_load: the same, for as long as requests come.
    """

    def __init__(
        self, count: Callable[[], int], then: Callable[[], object], under_load: Callable[[], object]
    ) -> None:
        self._count, self._then, self._under_load = count, then, under_load
        self._seen = self._done_at = count()
        self._busy_looks = 0
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        now = self._count()
        if now != self._seen:
            self._busy_looks += 1
            if self._busy_looks % BUSY_LOOKS == 0:
                self._under_load()
        elif now != self._done_at:
            self._done_at = now
            self._then()
        self._seen = now
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._look)

    def stop(self) -> None:
        """Do nothing any more."""
        self._timer.cancel()
