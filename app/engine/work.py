"""What there is to compute: operations of a model, rows for them, and the work that a request leaves.

A request's work is a generator. It yields the rows that it wants computed, is sent their results, and returns
its answer. So a use case reads from top to bottom and knows nothing of threads. The engine is free to compute
the rows of several requests together.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import collections
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Collection, Generator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

BATCH_ROWS = 32  # the most that one computation has; the number at which positions are measured
# Numbers of rows that a computation may have, if a row's bytes are the same in each. 7 is a row of images; 11
# and 21 are for a picture of 21 images, the default, by two threads that share it and by all at once.
SIZES = (1, 2, 4, 7, 8, 11, 16, 21, 32)
SPLIT_SECONDS = 0.0005  # a computation as long as that is worth a thread of its own
SAVED_SECONDS = 0.00003  # that a size must save beside the next one
MEASURED_ROWS = 4  # that are computed at every position when a model is opened
PADDING = 0.5  # a valid code, pixel and noise alike
SMOOTHING = 0.1  # weight of the newest measurement

Array = npt.NDArray[Any]
T = TypeVar("T")


def smoothed(before: float, newest: float) -> float:
    """Return a moving average; `before` is 0 at its beginning."""
    return newest if not before else before + SMOOTHING * (newest - before)


class Operation:
    """One thing that a model computes, on some rows at a time.

    Row k of a request belongs at position k modulo BATCH_ROWS of a computation of BATCH_ROWS rows. The
    kernels below a runtime work on a few rows at a time, and in another way on those left over at the end.
    There a row may round differently, and so it may in a computation of another size. It may be computed at
    any position that is alike to its own, whatever its neighbours. Where all positions are alike, it may be
    computed in any size that gives the same bytes: ``measure`` finds both out.

    Args:
        name: what metrics call it, beside its model.
        function: some rows of each argument -> as many rows of the result.
        exact: the same before it is rounded, where two kernels differ in many more numbers; None: `function`.
        own_thread: it keeps no thread busy but the one that calls it.

    Attributes:
        model: whose it is: ``name@version``.
        alike: for each position of BATCH_ROWS, the first one that gives the same bytes.
        sizes: the numbers of rows that a computation may have, the smallest first.
        busy_seconds: by size, smoothed time that one computation keeps its thread busy.
        elapsed_seconds: by size, smoothed time from its start to its end, by the clock.
        wide: the same by more threads, for a computation that is alone; its sizes are those worth it. None:
            there is none.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Array],
        exact: Callable[..., Array] | None = None,
        own_thread: bool = True,
    ) -> None:
        self.name = name
        self.model = ""
        self.function = function
        self.exact = exact or function
        self.own_thread = own_thread
        self.wide: Operation | None = None
        self.alike = tuple(range(BATCH_ROWS))  # until measured, a position is like itself only
        self.takes({BATCH_ROWS: 0.001})

    def takes(self, seconds: dict[int, float]) -> None:
        """Set the sizes that a computation may have, BATCH_ROWS among them, and what each takes."""
        self.busy_seconds = dict(sorted(seconds.items()))
        self.elapsed_seconds = dict(self.busy_seconds)
        self.sizes = tuple(self.busy_seconds)
        self._size_for = [next(s for s in self.sizes if s >= rows) for rows in range(BATCH_ROWS + 1)]

    def learn(self, seconds: dict[int, float], size: int, took: float) -> None:
        """Take up what a computation took into `seconds`, ``busy_seconds`` or ``elapsed_seconds``.

        All sizes move by one factor: what the machine does beside slows all of them, and a size that is not
        used any more would never learn that it is fast again.
        """
        factor = smoothed(1.0, took / seconds[size])
        for each in seconds:
            seconds[each] *= factor

    def size_for(self, rows: int) -> int:
        """Return the smallest size that holds so many rows, up to BATCH_ROWS."""
        return self._size_for[rows]

    @functools.cached_property
    def unrounded(self) -> Operation:
        """The operation of ``exact``: the same kernel, so what was measured until now holds for both.

        Requests of the two never share a batch, as their results differ.
        """
        operation = Operation(f"{self.name} unrounded", self.exact, own_thread=self.own_thread)
        operation.model = self.model
        operation.alike = self.alike
        operation.takes(self.busy_seconds)
        return operation

    @property
    def is_shared(self) -> bool:
        """Whether it takes so long that several threads share what waits."""
        return self.busy_seconds[BATCH_ROWS] >= SPLIT_SECONDS

    def share(self, rows: int, threads: int, elsewhere: float = 0.0) -> int:
        """Return how many rows one of `threads` takes of those that wait: a size.

        All threads are to be done at the same time, and none is to begin a computation that is not worth it.
        The others are busy for `elsewhere` seconds yet, all together.
        """
        if rows >= BATCH_ROWS * threads or not self.is_shared:
            return BATCH_ROWS
        of_all = (rows + BATCH_ROWS * elsewhere / self.busy_seconds[BATCH_ROWS]) / threads
        wanted = max(1, min(rows, of_all))
        worthwhile = [size for size, seconds in self.busy_seconds.items() if seconds >= SPLIT_SECONDS]
        return min(worthwhile, key=lambda size: (max(size, wanted) / min(size, wanted), -size))

    def alone(self, rows: int) -> Operation:
        """Return what computes so many rows, up to BATCH_ROWS, if nothing else is computed or waits."""
        return self.wide if self.wide is not None and self.size_for(rows) in self.wide.sizes else self

    def predicted_seconds(self, count: int) -> float:
        """Return what `count` rows of one request take if rows of others fill up their batches.

        A row's price is its share of a batch: of the positions that are alike to its own.
        """
        whole, rest = divmod(count, BATCH_ROWS)
        batch_seconds = self.elapsed_seconds[BATCH_ROWS]
        if self.uniform:
            return (whole + rest / BATCH_ROWS) * batch_seconds
        places = collections.Counter(self.alike)
        taken = collections.Counter(self.alike[:rest])
        share = max((taken[position] / places[position] for position in taken), default=0.0)
        return (whole + share) * batch_seconds

    @property
    def uniform(self) -> bool:
        """Whether every position of a batch gives the same bytes."""
        return not any(self.alike)

    def __call__(self, *arrays: Array) -> Array:
        """Apply the function to up to BATCH_ROWS rows, each at its own position, and return as many."""
        size = self.size_for(len(arrays[0]))
        return self.function(*(_filled_up(array, size) for array in arrays))[: len(arrays[0])]

    def whole(self, *arrays: Array) -> Array:
        """Apply the function to any number of rows, batch after batch."""
        results = [
            self(*(array[start : start + BATCH_ROWS] for array in arrays))
            for start in range(0, len(arrays[0]), BATCH_ROWS)
        ]
        return np.concatenate(results) if len(results) > 1 else results[0]

    def measure(self, *arrays: Array, sizes: Collection[int] = ()) -> bool:
        """Find out which positions are alike, and which sizes: compute some rows at every position.

        A kernel that adds in another order rounds some of a row's numbers in another way, and rows have
        hundreds: a few rows show it.

        Args:
            arrays: BATCH_ROWS rows of each argument, no two the same.
            sizes: numbers of rows that the function takes beside BATCH_ROWS.

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
        self.takes({BATCH_ROWS: min(seconds)})
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
        if self.uniform:
            self._measure_sizes(arrays, among_others, sizes)
        return True

    def _measure_sizes(self, arrays: tuple[Array, ...], results: Array, sizes: Collection[int]) -> None:
        """Keep the sizes that save time, and in which all rows have the same `results` as among all."""
        took = dict(self.busy_seconds)
        for size in sorted(set(sizes) - {BATCH_ROWS}, reverse=True):
            seconds = self._seconds_if_alike(size, arrays, results)
            if seconds <= min(took.values()) - SAVED_SECONDS:
                took[size] = seconds
        self.takes(took)

    def _seconds_if_alike(self, size: int, arrays: tuple[Array, ...], results: Array) -> float:
        """Return what `size` rows take at best; infinite if a row is not as in `results`, among all."""
        self.exact(*(array[:size] for array in arrays))  # allocates its memory, which is not to be timed
        seconds = []
        # The last ones begin so that no row is left out. All rows are timed as often as by ``measure``.
        starts = {*range(0, BATCH_ROWS - size, size), BATCH_ROWS - size}
        for start in starts if size < BATCH_ROWS else [0] * MEASURED_ROWS:
            stretch = slice(start, start + size)
            started = time.perf_counter()
            result = self.exact(*(array[stretch] for array in arrays))
            seconds.append(time.perf_counter() - started)
            if not np.array_equal(result, results[stretch]):
                return math.inf
        return min(seconds)

    def widen(self, wide: Operation, *arrays: Array) -> None:
        """Have computations that are alone made by `wide`, where they are long and that saves time.

        It is not used at all unless every size that it is tried in gives the same bytes: nobody would know of
        the others what they hold. Nor is it where BATCH_ROWS rows take no less time, as with threads that
        other processes keep busy.

        Args:
            wide: the same by more threads.
            arrays: as ``measure`` took them, before.
        """
        if not self.uniform or not self.is_shared:
            return
        results = self.exact(*arrays)
        took = {
            size: wide._seconds_if_alike(size, arrays, results)
            for size, seconds in self.busy_seconds.items()
            if seconds >= SPLIT_SECONDS
        }
        saving = {size: took[size] for size in took if took[size] <= self.busy_seconds[size] - SAVED_SECONDS}
        if max(took.values()) < math.inf and BATCH_ROWS in saving:
            wide.model = self.model
            wide.alike = self.alike
            wide.takes(saving)
            self.wide = wide


def _filled_up(rows: Array, size: int) -> Array:
    missing = size - len(rows)
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
        cheap: making a batch of them takes so little that it is done at once, on the event loop, if worker
            threads compute: where the query was read the caches are warm, and a worker takes three times as
            long.
    """

    operation: Operation
    count: int
    make: Callable[[int, int], tuple[Array, ...]]
    cheap: bool = False

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
        upload_cost: of decoding the files of its first step, which then needs a thread: their bytes, or as
            many as take so long, if they unpack to much. 0: it decodes none.
        slow_start: whether its first step needs a thread for another reason.
    """

    steps: Callable[[], Steps[T]]
    count: int
    operations: tuple[Operation, ...] = ()
    heavy: bool = False
    upload_cost: int = 0
    slow_start: bool = False

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
