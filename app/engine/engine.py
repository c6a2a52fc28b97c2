"""Computes the work of many requests at once, within bounds.

A request brings its work (``app.engine.work``): a generator that yields rows to be computed. The engine

1. *admits* it or refuses it at once (``app.engine.admission``), by how long what waits will take.
2. *queues* its rows by operation (``app.engine.batching``). Operations take turns, and so do an operation's
   requests of few rows and of many. So a picture of four hundred images does not keep a picture of one
   waiting for longer than a batch.
3. *packs* a batch of what waits, and *computes* it. One that takes less time than a change of thread runs
   on the event loop, unless the picture is a heavy one. Any other runs in a worker thread, which takes
   batch after batch until there is none. A free engine computes at once what the loop's present turn has
   brought; while it is busy, work collects.
4. *hands back* the rows to their requests, as soon as a request has all of them. The generator goes on, on
   the event loop if that is brief, else in a thread: grids and PNGs never keep a worker waiting. Files are
   decoded in threads of their own, large ones apart from small ones: neither keeps a drawing waiting.

A request that was cancelled or whose deadline has passed gives its place back at once. What of it has not
begun is never computed.

The event loop owns the requests; the queue is shared with the worker threads, under a lock. Nothing that
fails in a thread, its start included, ends more than the requests that it was done for.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from app.engine.admission import Admission
from app.engine.batching import Batch, Queue, Request, an_exception
from app.engine.threads import StepThreads, Threads
from app.engine.turns import Turns
from app.engine.work import BATCH_ROWS, Array, Rows, Work
from app.errors import DeadlinePassed, NotReady
from app.metrics import Metrics

T = TypeVar("T")

log = logging.getLogger("vitrine")

# What a change of thread and back takes under load, with Python's lock in between and caches that are cold.
INLINE_SECONDS = 0.0006
ALONE_SECONDS = 0.0015  # the same for a batch that nobody else waits for: what it holds up is little
WIDE_SECONDS = 0.004  # the same by all threads: there is no core left for the event loop to go on with
TURN_SECONDS = 0.001  # the longest that batches keep the event loop from its other work
LARGE_UPLOAD = 262_144  # bytes; decoding may take a hundred times as long as that of a small one
SECONDS_A_BYTE = 2e-7  # for the first large ones: what pictures of 25 megapixels take

# A batch, for each of its parts the rows or the error that it met, and the seconds that it took.
_Computed = tuple[Batch, list[Any], float]


class Engine:
    """Computes the work of many requests at once. Made and used on one event loop.

    Args:
        worker_threads: threads that compute batches, and as many again for each kind of heavy step.
        max_waiting_images: images that may be under way, all requests together; one request is always let in.
        deadline_seconds: how long a request may take.
        metrics: where it counts.
        queue_seconds: how long a request may have to wait until it is its turn, by the measured rate.
        inline_seconds: an operation faster than this runs on the event loop; 0: none does.
    """

    def __init__(
        self,
        worker_threads: int,
        max_waiting_images: int,
        deadline_seconds: float,
        metrics: Metrics,
        *,
        queue_seconds: float = math.inf,
        inline_seconds: float = INLINE_SECONDS,
    ) -> None:
        self._worker_threads = worker_threads
        self._deadline_seconds = deadline_seconds
        self._metrics = metrics
        self._inline_seconds = inline_seconds
        self._alone_seconds, self._wide_seconds = (
            (ALONE_SECONDS, WIDE_SECONDS) if inline_seconds > 0 else (0.0, 0.0)
        )
        self._admission = Admission(
            max_waiting_images, min(queue_seconds, deadline_seconds), worker_threads, metrics
        )
        self._queue = Queue(lambda seconds: metrics.observe(metrics.queue_seconds, seconds), worker_threads)
        self._workers = Threads(worker_threads, "worker")
        self._drawing, self._decoding = (StepThreads(worker_threads, each) for each in ("draw", "decode"))
        self._decoding_large = StepThreads(worker_threads, "decode-large", SECONDS_A_BYTE)
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._pending: dict[Request[Any], None] = {}  # in the order of their deadlines
        self._watch: asyncio.TimerHandle | None = None  # for the first of these deadlines
        self._dispatching = False
        self._turns = Turns(self._loop)
        self._computed: deque[_Computed] = deque()  # by worker threads, and not handed back yet
        self.admitted = 0  # requests, ever

    @property
    def waiting(self) -> int:
        """Images under way."""
        return self._admission.images

    def submit(self, work: Work[T]) -> "asyncio.Future[T]":
        """Admit `work` and return the future of its answer; cancel that to give the place back.

        Raises:
            Overloaded: too much waits already.
            NotReady: the engine has been closed.
        """
        if self._closed:
            raise NotReady("The service is shutting down.")
        seconds = self._admission.admit(work, self._seconds_for_steps(work))
        future: asyncio.Future[T] = self._loop.create_future()
        request = Request(work, time.monotonic() + self._deadline_seconds, future, seconds)
        self._pending[request] = None
        self.admitted += 1
        self._turns.count()
        self._watch_deadlines()
        future.add_done_callback(lambda _: self._release(request))
        self._advance(request)
        return future

    def _seconds_for_steps(self, work: Work[Any]) -> float:
        """Return how long the request's own steps will wait for their threads."""
        seconds = self._drawing.predicted_seconds() if work.heavy or work.slow_start else 0.0
        if work.upload_cost:
            seconds += self._decoders(work).predicted_seconds()
        return seconds

    def _decoders(self, work: Work[Any]) -> StepThreads:
        return self._decoding_large if work.upload_cost > LARGE_UPLOAD else self._decoding

    async def run(self, work: Work[T]) -> T:
        """Return what `work` returns, or raise what ``submit`` does, or DeadlinePassed."""
        return await self.submit(work)

    def close(self) -> None:
        """Refuse new work, give up what waits, let what is being computed finish."""
        self._closed = True
        for request in list(self._pending):
            self._fail(request, NotReady("The service is shutting down."))
        self._workers.shutdown(wait=True, cancel_futures=True)
        for threads in (self._drawing, self._decoding, self._decoding_large):
            threads.close()
        if self._watch is not None:
            self._watch.cancel()

    # Deadlines and cancellation: on the event loop.

    def _release(self, request: Request[Any]) -> None:
        if request not in self._pending:
            return
        del self._pending[request]
        self._admission.release(request.work, request.seconds, request.client)
        if request.future.cancelled():
            self._metrics.count_refusal("cancelled")

    def _watch_deadlines(self) -> None:
        """Have a timer for the oldest request, if there is none."""
        if self._watch is None and self._pending:
            seconds = next(iter(self._pending)).deadline - time.monotonic()
            self._watch = self._loop.call_later(max(0.0, seconds), self._expire)

    def _expire(self) -> None:
        """Answer every request whose deadline has passed, whatever keeps it."""
        self._watch = None
        now = time.monotonic()
        for request in list(self._pending):
            if request.deadline > now:
                break
            self._metrics.count_refusal("deadline")
            wait = max(1, math.ceil(self._admission.predicted_seconds()))
            self._fail(request, DeadlinePassed(self._deadline_seconds, wait))
        self._watch_deadlines()

    def _fail(self, request: Request[Any], error: Exception) -> None:
        if not request.future.done():
            request.future.set_exception(error)
        self._release(request)

    # A request's own steps: on the event loop, or in a thread if they are heavy.

    def _advance(self, request: Request[Any], result: Array | None = None) -> None:
        """Go on with a request whose rows have been computed."""
        threads = None
        if result is None and request.work.upload_cost:
            threads = self._decoders(request.work)
        elif request.work.slow_start if result is None else request.heavy:
            threads = self._drawing
        if threads is None:
            started = time.perf_counter()
            rows, answer, error = _step(request, result)
            if rows is None and result is not None:
                self._metrics.observe(self._metrics.drawing_seconds, time.perf_counter() - started)
            self._take_up(request, rows, answer, error)
        else:
            self._advance_in(threads, request, result)

    def _advance_in(self, threads: StepThreads, request: Request[Any], result: Array | None) -> None:
        def step() -> None:
            wanted = not request.future.done()
            started = time.perf_counter()
            outcome = _step(request, result) if wanted else (None, None, None)
            seconds = time.perf_counter() - started if wanted else None
            self._loop.call_soon_threadsafe(took, seconds, *outcome)

        def took(seconds: float | None, rows: Rows | None, answer: Any, error: Exception | None) -> None:
            threads.ended(seconds, size)
            if seconds is not None and threads is not self._drawing:
                self._metrics.observe_upload(seconds, refused=error is not None)
            elif seconds is not None and rows is None and result is not None:
                self._metrics.observe(self._metrics.drawing_seconds, seconds)
            self._take_up(request, rows, answer, error)

        size = request.work.upload_cost if threads is self._decoding_large else 1
        threads.begin(step, size)

    def _take_up(
        self, request: Request[Any], rows: Rows | None, answer: Any, error: Exception | None
    ) -> None:
        """Do what a request's last step asks for: compute rows, or answer."""
        if request.future.done():
            return
        if rows is not None:
            try:
                request.want(rows)
                if rows.cheap and rows.count <= BATCH_ROWS and rows.operation.is_shared:
                    request.make_ahead()
            except BaseException as failure:
                request.future.set_exception(an_exception(failure))
                return
            self._queue.append(request)
            self._dispatch_soon()
        elif error is not None:
            request.future.set_exception(error)
        else:
            request.future.set_result(answer)
            if request.work.operations:
                self._metrics.count_images(request.work.operations[0].model, request.work.count)

    # Who computes: the event loop or a worker thread.

    def _dispatch_soon(self) -> None:
        """Dispatch after what else this turn of the event loop brings; at once if that is nothing, as before.

        Who asks alone is spared two turns and the wait for an answer: a tenth of what one image takes.
        """
        if self._dispatching:
            return
        if self._turns.bring_one and len(self._pending) == 1:
            self._dispatch()
        else:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        if self._closed:
            return
        until = time.perf_counter() + TURN_SECONDS
        # One batch after another, then one picture after another: each finds its code and data in the caches.
        computed = []
        while self._queue.is_brief(self._inline_seconds, self._alone_seconds, self._wide_seconds):
            batch = self._queue.take(ALONE_SECONDS, WIDE_SECONDS)
            if batch is None:  # what was brief has been given up by those who asked for it
                break
            computed.append(self._compute(time.perf_counter, batch))
            if time.perf_counter() > until:
                self._dispatch_soon()
                break
        for each in computed:
            self._hand_back(*each)
        if not self._dispatching:
            for _ in range(self._queue.new_workers(self._worker_threads)):
                self._workers.do(self._run_worker)

    def _run_worker(self) -> None:
        """Compute batch after batch until there is none; others go on with the queue if that fails."""
        try:
            self._compute_batches()
        except BaseException:
            if self._loop.is_closed():  # nobody waits any more
                return
            log.exception("a worker thread failed")
            self._queue.worker_failed()
            self._loop.call_soon_threadsafe(self._dispatch_soon)

    def _compute_batches(self) -> None:
        while (batch := self._queue.take_for_worker()) is not None:
            # Not how long the thread waits for Python's lock. By the clock, an operation that a worker once
            # computed beside a busy event loop would never be brief again.
            self._computed.append(self._compute(time.thread_time, batch))
            # The event loop is woken for requests that have all their rows, now or once other workers are
            # done. Waking it for each batch of a large picture takes as long as the batch.
            if any(part.request.taken == part.request.rows.count for part in batch.parts):
                self._loop.call_soon_threadsafe(self._collect)
        if self._computed:  # of requests whose other rows nobody wants any more
            self._loop.call_soon_threadsafe(self._collect)

    def _compute(self, clock: Callable[[], float], batch: Batch) -> _Computed:
        """Compute a batch; `clock` tells for how long it keeps its thread busy."""
        operation = batch.operation
        clock = clock if operation.own_thread else time.perf_counter
        started, busy = time.perf_counter(), clock()
        results = batch.compute()
        seconds = time.perf_counter() - started
        operation.learn(operation.busy_seconds, batch.size, clock() - busy)
        self._metrics.observe_batch(operation.model, operation.name, batch.rows, seconds)
        return batch, results, seconds

    # Handing back: on the event loop.

    def _collect(self) -> None:
        """Hand back what worker threads have computed, for a turn at most."""
        until = time.perf_counter() + TURN_SECONDS
        while self._computed:
            self._hand_back(*self._computed.popleft())
            if self._computed and time.perf_counter() > until:
                self._loop.call_soon(self._collect)
                return

    def _hand_back(self, batch: Batch, results: list[Any], seconds: float) -> None:
        batch.operation.learn(batch.operation.elapsed_seconds, batch.size, seconds)
        for part, result in zip(batch.parts, results, strict=True):
            request = part.request
            if request.future.done():
                continue
            if not isinstance(result, Exception):
                try:
                    request.receive(part.start, part.stop, result)
                except MemoryError as error:
                    result = error
            if isinstance(result, Exception):
                request.future.set_exception(result)
            elif request.done == request.rows.count:
                self._advance(request, request.result)


def _step(request: Request[Any], result: Array | None) -> tuple[Rows | None, Any, Exception | None]:
    """Go on with a request's generator: the rows that it wants next, or its answer, or its error."""
    try:
        rows = next(request.steps) if result is None else request.steps.send(result)
        return rows, None, None
    except StopIteration as end:
        return None, end.value, None
    except BaseException as error:  # the caller's to answer
        return None, None, an_exception(error)
