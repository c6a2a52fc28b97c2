"""One computation by several threads, of which each computes a part of its rows."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def in_parts(function: Callable[..., Array], threads: int) -> Callable[..., Array]:
    """Return `function`, computed by so many threads: the one that calls, and others that wait for parts.

    Args:
        function: some rows of each argument -> as many rows of the result; several threads may call it.
        threads: at least 1.

    The result has the rows in their order. What a part raises is raised; that no thread can be started is a
    RuntimeError.
    """

    def whole(*arrays: Array) -> Array:
        rows = len(arrays[0])
        size = -(-rows // threads)
        if size == rows:
            return function(*arrays)
        first, *others = (
            tuple(array[start : start + size] for array in arrays) for start in range(0, rows, size)
        )
        computed = [_helpers(threads - 1).submit(function, *part) for part in others]
        return np.concatenate([function(*first), *(each.result() for each in computed)])

    return whole


@functools.cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """The process's threads for parts; they are started when they are first needed."""
    return ThreadPoolExecutor(threads, thread_name_prefix="part")
