"""Batches: rows of several requests, computed at once.

A batch has one of the sizes of its operation (``Operation.sizes``); the largest is BATCH_ROWS for all. The
threads share what waits. A row is computed at a position that is alike to its own
(``Operation.alike``): its bytes never depend on its neighbours.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from app.engine.positions import FreePositions, FreeRun
from app.engine.shares import asking
from app.engine.work import BATCH_ROWS, PADDING, Array, Operation, Rows, Work

T = TypeVar("T")

STUCK_SECONDS = 0.25  # behind its predicted end, nobody counts on a computation any more
STRETCHES_KEPT = 2  # of a request: other threads may be at the one before


class Request(Generic[T]):
    """An admitted request: its generator, and the rows that it waits for."""

    def __init__(
        self, work: Work[T], deadline: float, future: "asyncio.Future[T]", seconds: float = 0.0
    ) -> None:
        self.work = work
        self.steps = work.steps()
        self.heavy = work.heavy
        self.seconds = seconds  # that it was admitted for
        self.client = asking.get()
        self.admitted = time.monotonic()
        self.deadline = deadline
        self.future = future
        self.started = False  # a batch of it has been packed

    def want(self, rows: Rows) -> None:
        """Take up the next rows to wait for; ValueError: none, which would keep others waiting for ever."""
        if rows.count < 1:
            raise ValueError("a request wants no rows")
        self.rows = rows
        self.taken = 0  # rows that are in a batch already
        self.done = 0  # rows that are computed
        self.result: Array | None = None
        self._made: dict[int, tuple[Array, ...]] = {}  # by where a stretch begins, its arguments
        self._making = threading.Lock()

    def rows_of(self, start: int, stop: int) -> tuple[Array, ...]:
        """Return the arguments of rows `start` to `stop` - 1, which lie in one stretch of BATCH_ROWS.

        A stretch is made once, whoever asks first: two threads that make their own parts of it only take
        turns at Python's lock.
        """
        first = start - start % BATCH_ROWS
        last = min(first + BATCH_ROWS, self.rows.count)
        if (start, stop) == (first, last) and first not in self._made:
            return self.rows.make(start, stop - start)
        with self._making:
            made = self._made.get(first)
            if made is None:
                if len(self._made) == STRETCHES_KEPT:
                    del self._made[next(iter(self._made))]
                made = self._made[first] = self.rows.make(first, last - first)
        return tuple(array[start - first : stop - first] for array in made)

    def make_ahead(self) -> None:
        """Make the arguments of the first stretch now; ``rows_of`` will have them."""
        self._made[0] = self.rows.make(0, min(BATCH_ROWS, self.rows.count))

    def receive(self, start: int, stop: int, result: Array) -> None:
        """Keep the computed rows `start` to `stop` - 1."""
        if stop - start == self.rows.count:
            self.result = result
        else:
            if self.result is None:
                self.result = np.empty((self.rows.count, *result.shape[1:]), result.dtype)
            self.result[start:stop] = result
        self.done += stop - start


class Part(NamedTuple):
    """Rows `start` to `stop` - 1 of a request, and the positions in a batch where they are computed."""

    request: Request[Any]
    start: int
    stop: int
    positions: Sequence[int]


class Batch(NamedTuple):
    """Rows of one operation that are computed at once."""

    operation: Operation
    parts: list[Part]

    @property
    def rows(self) -> int:
        """Rows in use."""
        return sum(len(part.positions) for part in self.parts)

    @property
    def size(self) -> int:
        """Rows that are computed."""
        return self.operation.size_for(1 + max(part.positions[-1] for part in self.parts))

    def compute(self) -> list[Any]:
        """Return for each part its rows, or the error that it met: one request's fault is not another's."""
        try:
            return self._results()
        except BaseException as error:  # a model is a program: it can fail in any way, and even try to exit
            if len(self.parts) == 1:
                return [an_exception(error)]
            return [Batch(self.operation, [part]).compute()[0] for part in self.parts]

    def _results(self) -> list[Array]:
        """Compute all rows and return each part's."""
        indices = [_index(part.positions) for part in self.parts]
        if len(self.parts) == 1 and isinstance(indices[0], slice) and indices[0].start == 0:
            part = self.parts[0]
            return [self.operation(*part.request.rows_of(part.start, part.stop))]
        batch: list[Array] = []
        size = self.size
        for part, index in zip(self.parts, indices, strict=True):
            arguments = part.request.rows_of(part.start, part.stop)
            if not batch:
                batch = [np.full((size, *rows.shape[1:]), PADDING, rows.dtype) for rows in arguments]
            for whole, rows in zip(batch, arguments, strict=True):
                whole[index] = rows
        result = self.operation.function(*batch)
        return [result[index] for index in indices]


def an_exception(error: BaseException) -> Exception:
    """Return what can be handed to a request: what would end a thread or the process is no answer."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    made = RuntimeError(f"{type(error).__name__}: {error}")
    made.__cause__ = error
    return made


def _index(positions: Sequence[int]) -> slice | Sequence[int]:
    """Return what picks `positions`: a slice, which copies nothing, if they are one run."""
    first, count = positions[0], len(positions)
    if isinstance(positions, range) or list(positions) == list(range(first, first + count)):
        return slice(first, first + count)
    return positions


class _Waiting:
    """Requests that wait for rows of one operation: those of few rows, up to a batch, and those of many.

    Both are taken in the order in which they came. Which of the two fills a batch first alternates: then
    neither waits for all of the others. Among those of many rows turns would only have all of them done late.

    Attributes:
        rows: that wait, those of requests included that nobody wants any more and that were not met yet.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._few: deque[Request[Any]] = deque()
        self._many: deque[Request[Any]] = deque()
        self._order = self._few, self._many  # in which they fill the next batch

    def __bool__(self) -> bool:
        return bool(self._few or self._many)

    def append(self, request: Request[Any]) -> None:
        """Let a request wait."""
        (self._many if request.rows.count > BATCH_ROWS else self._few).append(request)
        self.rows += request.rows.count

    def first(self) -> Request[Any]:
        """Return who fills the next batch first."""
        return (self._order[0] or self._order[1])[0]

    def take_turn(self) -> tuple["deque[Request[Any]]", "deque[Request[Any]]"]:
        """Return both in the order in which they fill this batch; in the next it will be the other one."""
        order = first, second = self._order
        self._order = second, first
        return order


class Queue:
    """Requests that wait for rows, by operation; operations take turns. Safe to use from several threads.

    Args:
        on_start: called with a request's seconds of waiting when its first rows are taken.
        threads: that share what waits.

    Attributes:
        workers: threads that take from it, until one finds nothing.
    """

    def __init__(self, on_start: Callable[[float], None], threads: int = 1) -> None:
        self._on_start = on_start
        self._threads = threads
        self._lock = threading.Lock()  # for the three below
        self._waiting: dict[Operation, _Waiting] = {}
        self._busy_until: dict[int, float] = {}  # by thread, when its computation will be done, as predicted
        self.workers = 0

    def append(self, request: Request[Any]) -> None:
        """Let a request wait for the rows that it wants."""
        with self._lock:
            self._waiting.setdefault(request.rows.operation, _Waiting()).append(request)

    def is_brief(self, seconds: float, seconds_alone: float, seconds_wide: float = 0.0) -> bool:
        """Say whether the next batch takes no longer than `seconds`, and draws no large picture.

        Args:
            seconds: of one computation.
            seconds_alone: the same if nothing is computed or waits but for it.
            seconds_wide: the same if all threads compute it, see ``Operation.wide``.
        """
        with self._lock:
            if not self._waiting:
                return False
            operation, requests = next(iter(self._waiting.items()))
            alone = self._is_alone(0)
            by = _computed_by(operation, requests, alone)
            longest = seconds_wide if by is not operation else seconds_alone if alone else seconds
            return not requests.first().heavy and _next_seconds(by, requests) <= longest

    def _is_alone(self, workers: int) -> bool:
        """Say whether all that waits is one computation, and no worker has begun but `workers`."""
        if self.workers > workers or len(self._waiting) != 1:
            return False
        (requests,) = self._waiting.values()
        return requests.rows <= BATCH_ROWS

    def take(self, slowest: float, slowest_wide: float = 0.0) -> Batch | None:
        """Return the next batch for a caller who shares with nobody.

        None if nothing waits, or if it would take longer than `slowest` seconds, or by all threads longer
        than `slowest_wide`.
        """
        with self._lock:
            return self._next(lambda operation, rows: operation.share(rows, 1), 0, slowest, slowest_wide)

    def take_for_worker(self) -> Batch | None:
        """Return the next batch; None if nothing waits, and the worker then counts no longer."""
        thread, now = threading.get_ident(), time.monotonic()
        with self._lock:
            self._busy_until.pop(thread, None)
            elsewhere = sum(max(0.0, until - now) for until in self._busy_until.values())
            batch = self._next(lambda operation, rows: operation.share(rows, self._threads, elsewhere), 1)
            if batch is None:
                self.workers -= 1
            else:
                self._busy_until[thread] = now + batch.operation.busy_seconds[batch.size]
            return batch

    def worker_failed(self) -> None:
        """Count a worker out, the thread that calls, that has not found the queue empty."""
        with self._lock:
            self._busy_until.pop(threading.get_ident(), None)
            self.workers -= 1

    def new_workers(self, most: int) -> int:
        """Return how many threads are to begin: one for each batch that waits, `most` in all.

        Those that compute will take what waits when they are done, but for those that may never be.
        """
        overdue = time.monotonic() - STUCK_SECONDS
        with self._lock:
            if not self._waiting:
                return 0
            alone = self._is_alone(0)
            batches = sum(
                -(-requests.rows // operation.share(requests.rows, most))
                if _computed_by(operation, requests, alone) is operation
                else 1
                for operation, requests in self._waiting.items()
            )
            stuck = sum(until < overdue for until in self._busy_until.values())
            missing = max(0, min(batches + stuck, most) - self.workers)
            self.workers += missing
            return missing

    def _next(
        self,
        share: Callable[[Operation, int], int],
        workers: int,
        slowest: float = math.inf,
        slowest_wide: float = math.inf,
    ) -> Batch | None:
        now = time.monotonic()
        while self._waiting:
            operation, requests = next(iter(self._waiting.items()))
            by = _computed_by(operation, requests, self._is_alone(workers))
            wide = by is not operation
            if _next_seconds(by, requests) > (slowest_wide if wide else slowest):
                return None
            del self._waiting[operation]
            parts = self._fill(
                operation, requests, BATCH_ROWS if wide else share(operation, requests.rows), now
            )
            if requests:
                self._waiting[operation] = requests  # behind the other operations
            if parts:
                return Batch(by, parts)
        return None

    def _fill(self, operation: Operation, waiting: _Waiting, most: int, now: float) -> list[Part]:
        """Take rows of those who wait, up to `most`, until the next does not fit."""
        free: FreeRun | FreePositions
        free = FreeRun(most) if operation.uniform else FreePositions(operation.alike)
        parts: list[Part] = []
        for requests in waiting.take_turn():
            unfinished: list[Request[Any]] = []
            while requests:
                request = requests.popleft()
                if request.future.done() or request.deadline <= now:
                    waiting.rows -= request.rows.count - request.taken
                    continue  # of a passed deadline the timer tells the client
                start = request.taken
                positions = free.take(start, min(request.rows.count, start - start % BATCH_ROWS + BATCH_ROWS))
                if not positions:
                    unfinished.append(request)
                    break
                request.taken += len(positions)
                waiting.rows -= len(positions)
                parts.append(Part(request, start, request.taken, positions))
                if not request.started:
                    request.started = True
                    self._on_start(now - request.admitted)
                if request.taken < request.rows.count:
                    unfinished.append(request)
            requests.extendleft(reversed(unfinished))
        return parts


def _computed_by(operation: Operation, waiting: _Waiting, alone: bool) -> Operation:
    """Return what computes what waits for `operation`: the wide one if it is `alone`, and worth it."""
    return operation.alone(waiting.rows) if alone else operation


def _next_seconds(operation: Operation, waiting: _Waiting) -> float:
    """Return how long a computation of all that waits takes, up to a batch of it."""
    return operation.busy_seconds[operation.size_for(min(waiting.rows, BATCH_ROWS))]
