"""One computation in parts, by one thread or several."""

import functools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def in_parts(
    function: Callable[..., Array], threads: int, size_of: Callable[[int], int]
) -> Callable[..., Array]:
    """Return `function`, computed in parts by so many threads: the one that calls, and others that help.

    Whoever is free takes the next part, so that a thread which is late, or whose core has other work, does
    less. All parts have the same size: the last one begins so early that it ends with the last row, and what
    it shares with the one before is computed twice.

    Args:
        function: some rows of each argument -> as many rows of the result, the same bytes of a row in any
            part; several threads may call it.
        threads: at least 1.
        size_of: the number of rows, 1 or more -> that of a part, at most as many.

    The result has the rows in their order. What a part raises is raised; that no thread can be started is a
    RuntimeError.
    """

    def whole(*arrays: Array) -> Array:
        rows = len(arrays[0])
        size = size_of(rows)
        if size == rows:
            return function(*arrays)
        parts = _Parts(function, arrays, size)
        helpers: list[Future[None]] = []
        try:
            for _ in range(min(threads, len(parts.left)) - 1):
                helpers.append(_helpers(threads - 1).submit(parts.take))
            parts.take()
        finally:
            parts.left.clear()  # what was submitted and cannot begin finds nothing to do
            late = [each for each in helpers if not each.cancel()]
        for each in late:
            each.result()
        return np.concatenate([parts.computed[start] for start in sorted(parts.computed)])

    return whole


class _Parts:
    """The parts of one computation: the starts of those that are left, and the results of the others."""

    def __init__(self, function: Callable[..., Array], arrays: tuple[Array, ...], size: int) -> None:
        self.function = function
        self.arrays = arrays
        self.size = size
        self.left = deque(range(0, len(arrays[0]), size))
        self.computed: dict[int, Array] = {}

    def take(self) -> None:
        """Compute parts until none is left; an error leaves none, since nobody needs the rest."""
        try:
            while self.left:
                try:
                    start = self.left.popleft()
                except IndexError:  # another thread was faster
                    return
                first = min(start, len(self.arrays[0]) - self.size)
                part = self.function(*(array[first : first + self.size] for array in self.arrays))
                self.computed[start] = part[start - first :]
        except BaseException:
            self.left.clear()
            raise


@functools.cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """The process's threads for parts; they are started when they are first needed."""
    return ThreadPoolExecutor(threads, thread_name_prefix="part")
