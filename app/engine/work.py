"""What there is to compute: operations of a model, rows for them, and the work that a request leaves.

A request's work is a generator. It yields the rows that it wants computed, is sent their results, and returns
its answer. So a use case reads from top to bottom and knows nothing of threads. The engine is free to compute
the rows of several requests together.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import collections
import dataclasses
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

# Every computation has this many rows, filled up if need be. A matrix product may round differently for
# another number of rows, so a picture's bytes can only be permanent if the number never changes.
BATCH_ROWS = 32
MEASURED_ROWS = 4  # that are computed at every position when a model is opened
PADDING = 0.5  # a valid code, pixel and noise alike

Array = npt.NDArray[Any]
T = TypeVar("T")


class Operation:
    """One thing that a model computes, on BATCH_ROWS rows at a time.

    Row k of a request belongs at position k modulo BATCH_ROWS. The kernels below a runtime work on a few rows
    at a time, and in another way on those left over at the end. There a row may round differently. It may be
    computed at any position that is alike to its own, whatever its neighbours.

    Args:
        name: what metrics call it.
        function: BATCH_ROWS rows of each argument -> BATCH_ROWS rows of the result.
        exact: the same before it is rounded, where two kernels differ in many more numbers; None: `function`.
        own_thread: it keeps no thread busy but the one that calls it.

    Attributes:
        alike: for each position of a batch, the first one that gives the same bytes.
        seconds: smoothed time that one computation keeps its thread busy.
        elapsed_seconds: smoothed time from its start to its end, by the clock.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Array],
        exact: Callable[..., Array] | None = None,
        own_thread: bool = True,
    ) -> None:
        self.name = name
        self.function = function
        self.exact = exact or function
        self.own_thread = own_thread
        self.alike = tuple(range(BATCH_ROWS))  # until measured, a position is like itself only
        self.seconds = self.elapsed_seconds = 0.001

    def predicted_seconds(self, count: int) -> float:
        """Return what `count` rows of one request take if rows of others fill up their batches.

        A batch costs the same however few of its rows are in use. So a row's price is its share of a batch:
        of the positions that are alike to its own.
        """
        whole, rest = divmod(count, BATCH_ROWS)
        if self.uniform:
            return (whole + rest / BATCH_ROWS) * self.elapsed_seconds
        places = collections.Counter(self.alike)
        taken = collections.Counter(self.alike[:rest])
        share = max((taken[position] / places[position] for position in taken), default=0.0)
        return (whole + share) * self.elapsed_seconds

    @property
    def uniform(self) -> bool:
        """Whether every position of a batch gives the same bytes."""
        return not any(self.alike)

    def __call__(self, *arrays: Array) -> Array:
        """Apply the function to up to BATCH_ROWS rows, each at its own position, and return as many."""
        return self.function(*map(_filled_up, arrays))[: len(arrays[0])]

    def whole(self, *arrays: Array) -> Array:
        """Apply the function to any number of rows, batch after batch."""
        results = [
            self(*(array[start : start + BATCH_ROWS] for array in arrays))
            for start in range(0, len(arrays[0]), BATCH_ROWS)
        ]
        return np.concatenate(results) if len(results) > 1 else results[0]

    def measure(self, *arrays: Array) -> bool:
        """Find out which positions are alike: compute some rows at every position.

        A kernel that adds in another order rounds some of a row's numbers in another way, and rows have
        hundreds: a few rows show it.

        Args:
            arrays: BATCH_ROWS rows of each argument, no two the same.

        Returns:
            Whether a row's result is independent of the rows beside it; else no picture can be permanent.
        """
        seconds = []
        at: list[list[bytes]] = [[] for _ in range(BATCH_ROWS)]  # by position: every tried row computed there
        for tried in range(MEASURED_ROWS):
            repeated = [np.repeat(array[tried : tried + 1], BATCH_ROWS, axis=0) for array in arrays]
            started = time.perf_counter()
            result = self.exact(*repeated)
            seconds.append(time.perf_counter() - started)
            for position in range(BATCH_ROWS):
                at[position].append(result[position].tobytes())
        self.alike = tuple(at.index(results) for results in at)
        self.seconds = self.elapsed_seconds = sorted(seconds)[MEASURED_ROWS // 2]
        among_others = self.exact(*arrays)
        if any(among_others[k].tobytes() != at[k][k] for k in range(MEASURED_ROWS)):
            return False
        even = np.arange(BATCH_ROWS) % 2 == 0
        for kept in (even, ~even):
            alone = [array.copy() for array in arrays]
            for array in alone:
                array[~kept] = PADDING
            if not np.array_equal(self.exact(*alone)[kept], among_others[kept]):
                return False
        return True


def _filled_up(rows: Array) -> Array:
    missing = BATCH_ROWS - len(rows)
    if not missing:
        return rows
    return np.concatenate([rows, np.full((missing, *rows.shape[1:]), PADDING, rows.dtype)])


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows that a request wants computed.

    Args:
        operation: by what.
        count: how many.
        make: ``make(start, count)`` returns that stretch of each argument. Called when its turn comes, so
            that work nobody waits for any more costs nothing; by several threads at once.
    """

    operation: Operation
    count: int
    make: Callable[[int, int], tuple[Array, ...]]

    @classmethod
    def of(cls, operation: Operation, *arrays: Array) -> Rows:
        """Return the rows of arrays that are there already."""

        def make(start: int, count: int) -> tuple[Array, ...]:
            return tuple(array[start : start + count] for array in arrays)

        return cls(operation, len(arrays[0]), make)


Steps = Generator[Rows, Array, T]


@dataclasses.dataclass(frozen=True)
class Work(Generic[T]):
    """What remains of a checked request.

    Args:
        steps: starts the generator that yields Rows, is sent their results and returns the answer.
        count: rows that each of `operations` computes; 0: a check of the engine, which is always let in.
        operations: what it will ask for; its price is theirs.
        heavy: whether its own steps, behind the rows, take so long that they need a thread. It also keeps
            its batches off the event loop.
        upload_bytes: size of the files that its first step decodes, in a thread; 0: it decodes none.
    """

    steps: Callable[[], Steps[T]]
    count: int
    operations: tuple[Operation, ...] = ()
    heavy: bool = False
    upload_bytes: int = 0

    @property
    def images(self) -> int:
        """Images that it has computed, by all operations together."""
        return self.count * (len(self.operations) or 1)

    def predicted_seconds(self) -> float:
        """Return what its rows take by the clock; see ``Operation.predicted_seconds``."""
        return sum(operation.predicted_seconds(self.count) for operation in self.operations)

    def __call__(self) -> T:
        """Do all of it here and now, alone."""
        steps = self.steps()
        try:
            rows = next(steps)
            while True:
                rows = steps.send(rows.operation.whole(*rows.make(0, rows.count)))
        except StopIteration as end:
            answer: T = end.value
            return answer
