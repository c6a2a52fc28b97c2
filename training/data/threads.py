"""Work on many files at once: as many threads as the process may use cores, and bounded memory in flight.

Cores are joblib's count, by affinity and quota: the machine's own number says nothing of what a container may
use. (The service counts by ``app.cores``, of which training imports nothing.)
"""

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import joblib

MAX_BYTES = 512 * 2**20  # in flight at once; something larger goes alone

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    work: Callable[[Item], Result], items: Collection[Item], size_of: Callable[[Item], int] = lambda _: 0
) -> Iterator[Result]:
    """Yield what `work` makes of each item, in their order.

    Args:
        work: safe to call from several threads.
        items: what there is.
        size_of: bytes that the work on an item holds while it lasts.
    """
    changed = threading.Condition()
    held = 0

    def bounded(item: Item) -> Result:
        nonlocal held
        size = size_of(item)
        with changed:
            changed.wait_for(lambda: held == 0 or held + size <= MAX_BYTES)
            held += size
        try:
            return work(item)
        finally:
            with changed:
                held -= size
                changed.notify_all()

    # A thread that would only wait still keeps the memory of what it decoded before.
    mean = sum(map(size_of, items)) / max(1, len(items))
    with ThreadPoolExecutor(max(1, min(joblib.cpu_count(), int(MAX_BYTES / max(1, mean))))) as pool:
        yield from pool.map(bounded, items)
