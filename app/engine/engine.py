"""The one bounded door between requests and computation.

A request brings its work (``app.work``): a generator that yields rows to be computed. The engine

1. *admits* it or refuses it at once. What counts is images, not requests. Refused is what would make more
   than `max_waiting_images` wait, or wait for longer than `queue_seconds`, by the time that images took
   lately. A refusal says in how many seconds the queue will be empty, by the same measure.
2. *queues* its rows by operation. Operations take turns, and so do an operation's requests of few rows and of
   many. So a picture of four hundred images does not keep a picture of one waiting for longer than a tile.
3. *packs* a tile of TILE rows from what waits. A row is computed at a position that is alike to its own
   (``Operation.alike``), so that its bytes never depend on what it is computed with.
4. *computes* the tile. An operation that takes less time than a change of thread runs on the event loop,
   unless the picture is a heavy one; any other in a lane, a thread that takes tile after tile until there is
   none. Nothing waits for company: a free engine computes at once what the loop's present turn
   has brought, and while it is busy, work collects.
5. *hands back* the rows to their requests, as soon as a request has all of them. If a shared tile fails,
   each request's part is computed alone, so that only the guilty request fails. The generator goes on, on the
   event loop if that is brief, else in a thread: grids and PNGs never keep a lane waiting.

Nothing is computed for nobody: a request that was cancelled or whose deadline has passed gives its place back
at once, and what of it has not begun never will.

The event loop owns the requests; the queue is shared with the lanes, under a lock.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from app.engine.work import PADDING, TILE, Array, Operation, Rows, Work
from app.errors import DeadlinePassed, NotReady, Overloaded
from app.metrics import Metrics

T = TypeVar("T")

SMOOTHING = 0.1  # weight of the newest measurement
# What a change of thread and back takes under load, with Python's lock in between and caches that are cold.
INLINE_SECONDS = 0.0006
ALONE_SECONDS = 0.001  # the same for a tile that nobody else waits for: what it holds up is little
TURN_SECONDS = 0.001  # the longest that tiles keep the event loop from its other work


class _Request(Generic[T]):
    """An admitted request: its generator, and the rows that it waits for."""

    def __init__(self, work: Work[T], deadline: float, future: "asyncio.Future[T]") -> None:
        self.steps = work.steps()
        self.images = work.images
        self.heavy = work.heavy
        self.heavy_start = work.heavy_start
        self.admitted = time.monotonic()
        self.deadline = deadline
        self.future = future
        self.started = False  # a tile of it has been packed
        self.rows: Rows
        self.taken = 0  # rows that are in a tile already
        self.done = 0  # rows that are computed
        self.result: Array | None = None
        self._made: tuple[int, tuple[Array, ...]] = (-1, ())

    def want(self, rows: Rows) -> None:
        """Take up the next rows to wait for."""
        self.rows, self.taken, self.done, self.result = rows, 0, 0, None
        self._made = (-1, ())

    def rows_of(self, start: int, stop: int) -> tuple[Array, ...]:
        """Return the arguments of rows `start` to `stop` - 1, which lie in one stretch of TILE."""
        first = start - start % TILE
        begins, made = self._made
        if begins != first:
            made = self.rows.make(first, min(TILE, self.rows.count - first))
            self._made = (first, made)
        return tuple(array[start - first : stop - first] for array in made)

    def receive(self, start: int, stop: int, result: Array) -> None:
        """Keep the computed rows `start` to `stop` - 1."""
        if stop - start == self.rows.count:
            self.result = result
        else:
            if self.result is None:
                self.result = np.empty((self.rows.count, *result.shape[1:]), result.dtype)
            self.result[start:stop] = result
        self.done += stop - start


class _Part(NamedTuple):
    """Rows `start` to `stop` - 1 of a request, and the positions in a tile where they are computed."""

    request: "_Request[Any]"
    start: int
    stop: int
    positions: Sequence[int]


class _Computed(NamedTuple):
    """A tile that has been computed.

    Args:
        parts: what it was made of.
        results: for each part its rows, or the error that it met.
        seconds: what it took.
    """

    parts: list[_Part]
    results: list[Any]
    seconds: float


class _Places:
    """The free positions of a tile, where a row may have those that are alike to its own."""

    def __init__(self, alike: tuple[int, ...]) -> None:
        self._alike = alike
        self._free: dict[int, list[int]] = {}
        for position in reversed(range(TILE)):
            self._free.setdefault(alike[position], []).append(position)

    def take(self, start: int, stop: int) -> Sequence[int]:
        """Return positions for the rows from `start` to `stop` - 1, or for as many as there are left."""
        positions: list[int] = []
        for row in range(start, stop):
            places = self._free.get(self._alike[row % TILE])
            if not places:
                break
            positions.append(places.pop())
        return positions


class _Line:
    """The free positions of a tile whose positions are all alike: those behind the last one taken."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, start: int, stop: int) -> Sequence[int]:
        """Return positions; see ``_Places``."""
        first = self._next
        self._next = min(TILE, first + stop - start)
        return range(first, self._next)


class _Waiting:
    """Requests that wait for rows of one operation: those of few rows, up to a tile, and those of many.

    Both come in the order in which they came. Whose first fills the tile first alternates: then neither waits
    for all of the others. Among those of many rows turns would only have all of them done late.
    """

    def __init__(self) -> None:
        self._few: deque[_Request[Any]] = deque()
        self._many: deque[_Request[Any]] = deque()
        self._many_next = False

    def __bool__(self) -> bool:
        return bool(self._few or self._many)

    def append(self, request: "_Request[Any]") -> None:
        """Let a request wait."""
        (self._many if request.rows.count > TILE else self._few).append(request)

    def first(self) -> "_Request[Any]":
        """Return who fills the next tile first."""
        return (self._order()[0] or self._order()[1])[0]

    def take_turn(self) -> tuple["deque[_Request[Any]]", "deque[_Request[Any]]"]:
        """Return both in the order in which they fill this tile; in the next it will be the other one."""
        order = self._order()
        self._many_next = not self._many_next
        return order

    def _order(self) -> tuple["deque[_Request[Any]]", "deque[_Request[Any]]"]:
        return (self._many, self._few) if self._many_next else (self._few, self._many)


class Engine:
    """Computes the work of many requests at once. Made and used on one event loop.

    Args:
        lanes: threads that compute tiles, and as many again for heavy steps.
        max_waiting_images: images that may be under way, all requests together; one request is always let in.
        deadline_seconds: how long a request may take.
        metrics: where it counts.
        queue_seconds: how long a request may have to wait until it is its turn, by the measured rate.
        inline_seconds: an operation faster than this runs on the event loop; 0: none does.
    """

    def __init__(
        self,
        lanes: int,
        max_waiting_images: int,
        deadline_seconds: float,
        metrics: Metrics,
        *,
        queue_seconds: float = math.inf,
        inline_seconds: float = INLINE_SECONDS,
    ) -> None:
        self._lanes = lanes
        self._max_waiting_images = max_waiting_images
        self._deadline_seconds = deadline_seconds
        self._queue_seconds = min(queue_seconds, deadline_seconds)
        self._metrics = metrics
        self._inline_seconds = inline_seconds
        self._tiles = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._heavy = ThreadPoolExecutor(lanes, thread_name_prefix="heavy")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

        self._admitted = 0  # images under way
        self._pending: dict[_Request[Any], None] = {}  # in the order of their deadlines
        self._watch: asyncio.TimerHandle | None = None  # for the first of these deadlines
        self._seconds_per_image = 0.0  # smoothed; 0: nothing has been computed yet
        self._heavy_waiting = 0
        self._heavy_seconds = 0.0  # smoothed time of one heavy step
        self._dispatching = False

        self._lock = threading.Lock()  # for the three below
        self._queue: dict[Operation, _Waiting] = {}
        self._running = 0  # lanes at work
        self._rows_waiting = 0

        self._computed: deque[_Computed] = deque()  # by lanes, and not handed back yet

    @property
    def waiting(self) -> int:
        """Images under way."""
        return self._admitted

    def submit(self, work: Work[T]) -> "asyncio.Future[T]":
        """Admit `work` and return the future of its answer; cancel that to give the place back.

        Raises:
            Overloaded: too much waits already.
            NotReady: the engine has been closed.
        """
        if self._closed:
            raise NotReady("The service is shutting down.")
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._admit(work.images)
        future: asyncio.Future[T] = loop.create_future()
        request = _Request(work, time.monotonic() + self._deadline_seconds, future)
        self._pending[request] = None
        self._watch_deadlines()
        future.add_done_callback(lambda _: self._release(request))
        self._advance(request)
        return future

    async def run(self, work: Work[T]) -> T:
        """Return what `work` returns.

        Raises:
            Overloaded: too much waits already.
            DeadlinePassed: it was not done in time.
            NotReady: the engine has been closed.
        """
        return await self.submit(work)

    def close(self) -> None:
        """Refuse new work, give up what waits, let what is being computed finish."""
        self._closed = True
        for request in list(self._pending):
            self._fail(request, NotReady("The service is shutting down."))
        self._tiles.shutdown(wait=True, cancel_futures=True)
        self._heavy.shutdown(wait=True, cancel_futures=True)
        if self._watch is not None:
            self._watch.cancel()

    # 1. Admission, deadlines and cancellation: on the event loop.

    def _admit(self, images: int) -> None:
        wait = self._predicted_seconds()
        reason = None
        if self._admitted and self._admitted + images > self._max_waiting_images:
            reason = "queue_full"
        elif self._admitted and wait > self._queue_seconds:
            reason = "predicted_wait"
        if reason is not None:
            self._metrics.count_refusal(reason)
            raise Overloaded(self._admitted, max(1, math.ceil(wait)))
        self._admitted += images
        self._metrics.queue_images.inc(images)

    def _predicted_seconds(self) -> float:
        """Return the time until everything under way will be done."""
        seconds = self._admitted * self._seconds_per_image + self._heavy_waiting * self._heavy_seconds
        return seconds / self._lanes

    def _release(self, request: _Request[Any]) -> None:
        if self._pending.pop(request, self) is self:
            return
        self._admitted -= request.images
        self._metrics.queue_images.dec(request.images)
        if request.future.cancelled():
            self._metrics.count_refusal("cancelled")

    def _watch_deadlines(self) -> None:
        """Have a timer for the oldest request, if there is none."""
        if self._watch is None and self._pending and self._loop is not None:
            oldest = next(iter(self._pending))
            seconds = max(0.0, oldest.deadline - time.monotonic())
            self._watch = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        """Answer every request whose deadline has passed, whatever keeps it."""
        self._watch = None
        now = time.monotonic()
        for request in list(self._pending):
            if request.deadline > now:
                break
            self._metrics.count_refusal("deadline")
            wait = max(1, math.ceil(self._predicted_seconds()))
            self._fail(request, DeadlinePassed(self._deadline_seconds, wait))
        self._watch_deadlines()

    def _fail(self, request: _Request[Any], error: Exception) -> None:
        if not request.future.done():
            request.future.set_exception(error)
        self._release(request)

    # 2. A request's own steps: on the event loop, or in a thread if they are heavy.

    def _advance(self, request: _Request[Any], result: Array | None = None) -> None:
        """Go on with a request whose rows have been computed."""
        if not (request.heavy_start if result is None else request.heavy):
            self._take_up(request, *_step(request, result))
            return
        assert self._loop is not None  # noqa: S101  for the type checker: submit has set it
        loop = self._loop

        def step() -> None:
            started = time.perf_counter()
            outcome = _step(request, result)
            loop.call_soon_threadsafe(took, time.perf_counter() - started, *outcome)

        def took(seconds: float, rows: Rows | None, answer: Any, error: Exception | None) -> None:
            self._heavy_waiting -= 1
            self._heavy_seconds = _smoothed(self._heavy_seconds, seconds)
            self._take_up(request, rows, answer, error)

        self._heavy_waiting += 1
        self._heavy.submit(step)

    def _take_up(
        self, request: _Request[Any], rows: Rows | None, answer: Any, error: Exception | None
    ) -> None:
        """Do what a request's last step asks for: compute rows, or answer."""
        if request.future.done():
            return
        if rows is not None:
            request.want(rows)
            with self._lock:
                self._queue.setdefault(rows.operation, _Waiting()).append(request)
                self._rows_waiting += rows.count
            self._dispatch_soon()
        elif error is not None:
            request.future.set_exception(error)
        else:
            request.future.set_result(answer)

    # 3. Who computes: the event loop or a lane.

    def _dispatch_soon(self) -> None:
        """Dispatch after what else this turn of the event loop brings."""
        if not self._dispatching and self._loop is not None:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        if self._closed:
            return
        until = time.perf_counter() + TURN_SECONDS
        # One tile after another, then one picture after another: each finds its code and data in the caches.
        computed = []
        while self._is_brief():
            tile = self._pack()
            if tile is None:
                break
            computed.append(self._compute(time.perf_counter, *tile))
            if time.perf_counter() > until:
                self._dispatch_soon()
                break
        for tile_computed in computed:
            self._hand_back(tile_computed)
        if self._dispatching:
            return
        with self._lock:
            tiles = -(-self._rows_waiting // TILE)
            starting = min(tiles, self._lanes) - self._running
            self._running += max(0, starting)
        for _ in range(starting):
            self._tiles.submit(self._run_lane)

    def _is_brief(self) -> bool:
        """Say whether the next tile had better be computed here."""
        with self._lock:
            if not self._queue:
                return False
            operation, requests = next(iter(self._queue.items()))
            if requests.first().heavy:
                return False
            alone = not self._running and self._rows_waiting <= TILE and self._inline_seconds > 0
        return operation.seconds <= (ALONE_SECONDS if alone else self._inline_seconds)

    def _run_lane(self) -> None:
        """Compute tile after tile until there is none."""
        loop = self._loop
        assert loop is not None  # noqa: S101  for the type checker: submit has set it
        while (tile := self._pack(from_lane=True)) is not None:
            # Not how long the thread waits for Python's lock: by the clock, an operation that was once
            # computed in a lane, beside a busy event loop, would never be brief again.
            computed = self._compute(time.thread_time, *tile)
            self._computed.append(computed)
            # The event loop is woken for requests that have all their rows, now or once other lanes are done:
            # for each tile of a large picture, waking it takes as long as the tile.
            if any(part.request.taken == part.request.rows.count for part in computed.parts):
                loop.call_soon_threadsafe(self._collect)
        if self._computed:  # of requests whose other rows nobody wants any more
            loop.call_soon_threadsafe(self._collect)

    # 4. A tile: packed, computed, handed back.

    def _pack(self, from_lane: bool = False) -> tuple[Operation, list[_Part]] | None:
        """Return the next tile, or None if nothing waits; a lane then counts as idle."""
        now = time.monotonic()
        with self._lock:
            while self._queue:
                operation = next(iter(self._queue))
                if not from_lane and operation.seconds > ALONE_SECONDS:
                    return None  # what was brief has been given up by those who asked for it
                requests = self._queue.pop(operation)
                parts = self._fill(operation, requests, now)
                if requests:
                    self._queue[operation] = requests  # behind the other operations
                if parts:
                    return operation, parts
            if from_lane:
                self._running -= 1
            return None

    def _fill(self, operation: Operation, waiting: _Waiting, now: float) -> list[_Part]:
        """Take rows of those who wait until the tile is full or the next does not fit."""
        places = _Line() if operation.uniform else _Places(operation.alike)
        parts: list[_Part] = []
        for requests in waiting.take_turn():
            unfinished: list[_Request[Any]] = []
            while requests:
                request = requests.popleft()
                if request.future.done() or request.deadline <= now:
                    self._rows_waiting -= request.rows.count - request.taken
                    continue  # of a passed deadline the timer tells the client
                start = request.taken
                positions = places.take(start, min(request.rows.count, start - start % TILE + TILE))
                if not positions:
                    unfinished.append(request)
                    break
                request.taken += len(positions)
                self._rows_waiting -= len(positions)
                parts.append(_Part(request, start, request.taken, positions))
                if not request.started:
                    request.started = True
                    self._metrics.observe(self._metrics.queue_seconds, now - request.admitted)
                if request.taken < request.rows.count:
                    unfinished.append(request)
            requests.extendleft(reversed(unfinished))
        return parts

    def _compute(self, clock: Callable[[], float], operation: Operation, parts: list[_Part]) -> _Computed:
        """Compute one tile.

        Args:
            clock: that tells for how long the operation keeps its thread busy.
            operation: what computes.
            parts: of one tile.
        """
        clock = clock if operation.own_thread else time.perf_counter
        started, busy = time.perf_counter(), clock()
        results: list[Any]
        try:
            results = _computed(operation, parts)
        except Exception as error:  # a model is a program: it can fail in any way
            results = [error] if len(parts) == 1 else [_alone(operation, part) for part in parts]
        seconds = time.perf_counter() - started
        operation.seconds = _smoothed(operation.seconds, clock() - busy)
        self._metrics.observe(self._metrics.batch_images, sum(len(part.positions) for part in parts))
        return _Computed(parts, results, seconds)

    def _collect(self) -> None:
        """Hand back what lanes have computed."""
        while self._computed:
            self._hand_back(self._computed.popleft())

    def _hand_back(self, computed: _Computed) -> None:
        parts, results, seconds = computed
        images = sum(len(part.positions) for part in parts)
        self._seconds_per_image = _smoothed(self._seconds_per_image, seconds / images)
        for part, result in zip(parts, results, strict=True):
            request = part.request
            if request.future.done():
                continue
            if isinstance(result, Exception):
                request.future.set_exception(result)
                continue
            request.receive(part.start, part.stop, result)
            if request.done == request.rows.count:
                self._advance(request, request.result)


def _step(request: _Request[Any], result: Array | None) -> tuple[Rows | None, Any, Exception | None]:
    """Go on with a request's generator: the rows that it wants next, or its answer, or its error."""
    if request.future.done():  # while it waited for a thread
        return None, None, None
    try:
        rows = next(request.steps) if result is None else request.steps.send(result)
        return rows, None, None
    except StopIteration as end:
        return None, end.value, None
    except Exception as error:  # the caller's to answer
        return None, None, error


def _computed(operation: Operation, parts: list[_Part]) -> list[Any]:
    """Compute one tile and return each part's rows."""
    places = [_index(part.positions) for part in parts]
    if len(parts) == 1 and isinstance(places[0], slice) and places[0].start == 0:
        part = parts[0]
        return [operation(*part.request.rows_of(part.start, part.stop))]
    tile: list[Array] = []
    for part, place in zip(parts, places, strict=True):
        arguments = part.request.rows_of(part.start, part.stop)
        if not tile:
            tile = [np.full((TILE, *rows.shape[1:]), PADDING, rows.dtype) for rows in arguments]
        for whole, rows in zip(tile, arguments, strict=True):
            whole[place] = rows
    result = operation.function(*tile)
    return [result[place] for place in places]


def _index(positions: Sequence[int]) -> slice | Sequence[int]:
    """Return what picks `positions`: a slice, which copies nothing, if they are one run."""
    first, count = positions[0], len(positions)
    if isinstance(positions, range) or list(positions) == list(range(first, first + count)):
        return slice(first, first + count)
    return positions


def _alone(operation: Operation, part: _Part) -> Any:
    try:
        return _computed(operation, [part])[0]
    except Exception as error:  # a model is a program: it can fail in any way
        return error


def _smoothed(before: float, newest: float) -> float:
    return newest if not before else before + SMOOTHING * (newest - before)
