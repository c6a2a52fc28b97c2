"""The engine against the faults that such queues are known for. Time is controlled by events."""

import asyncio
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.engine import Engine
from app.engine.turns import LONE_TURNS
from app.engine.work import BATCH_ROWS, SIZES, Operation, Rows, Work
from app.errors import DeadlinePassed, NotReady, Overloaded
from app.metrics import Metrics


class Held:
    """An operation that doubles rows, remembers them, and waits in its first batch for `go_on`."""

    def __init__(self, alike=(0,) * BATCH_ROWS, held=True):
        self.operation = Operation("double", self.compute)
        self.operation.alike = alike
        self.go_on, self.begun = threading.Event(), threading.Event()
        self.batches = []
        if not held:
            self.go_on.set()

    def compute(self, rows):
        self.batches.append(rows.copy())
        self.begun.set()
        assert self.go_on.wait(10)
        if (rows < 0).any():
            raise ValueError("negative")
        return rows * 2

    def work(self, first, count=1):
        """The numbers `first`, `first` + 1, ... doubled, as a list."""

        def steps():
            rows = np.arange(first, first + count, dtype=np.float32)
            return (yield Rows.of(self.operation, rows)).tolist()

        return Work(steps, count, (self.operation,))

    def computed(self):
        return {value for batch in self.batches for value in batch.tolist()} - {0.5}


def new_engine(worker_threads=1, images=1000, seconds=10.0, inline_seconds=0.0, metrics=None, **options):
    return Engine(
        worker_threads, images, seconds, metrics or Metrics(), inline_seconds=inline_seconds, **options
    )


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never happened")


async def occupied(held, engine):
    """Have the only worker wait in a batch of one image, and return the future of that."""
    first = engine.submit(held.work(1000))
    await until(held.begun.is_set)
    return first


def doubled(first, count=1):
    return [2.0 * (first + k) for k in range(count)]


@pytest.mark.parametrize("inline_seconds", [0.0, 1.0], ids=["in a worker", "on the event loop"])
def test_an_idle_engine_computes_at_once(inline_seconds):
    async def scenario():
        held = Held(held=False)
        engine = new_engine(inline_seconds=inline_seconds)
        assert await engine.run(held.work(1, 70)) == doubled(1, 70)
        assert [len(batch) for batch in held.batches] == [BATCH_ROWS] * 3

    asyncio.run(scenario())


def test_who_asks_alone_again_and_again_has_the_answer_without_a_turn_of_the_event_loop():
    async def scenario():
        held = Held(held=False)
        engine = new_engine(inline_seconds=1.0)
        for number in range(LONE_TURNS):
            future = engine.submit(held.work(number))
            assert not future.done()  # somebody else might ask in the same turn
            assert await future == doubled(number)
            await asyncio.sleep(0)
        future = engine.submit(held.work(50, 3))
        assert future.done()
        assert future.result() == doubled(50, 3)
        other = engine.submit(held.work(60))  # in the same turn: from now on others are waited for
        assert await other == doubled(60)
        await asyncio.sleep(0)
        together = [engine.submit(held.work(number)) for number in (70, 80)]
        assert not any(future.done() for future in together)
        before = len(held.batches)
        assert await asyncio.gather(*together) == [doubled(70), doubled(80)]
        assert len(held.batches) == before + 1

    asyncio.run(scenario())


@pytest.mark.parametrize("inline_seconds", [0.0, 1.0], ids=["in a worker", "on the event loop"])
@pytest.mark.parametrize("count", [1, 5, BATCH_ROWS])
def test_rows_that_are_made_ahead_are_made_once(inline_seconds, count):
    async def scenario():
        engine, made = new_engine(inline_seconds=inline_seconds), []
        operation = Operation("double", lambda rows: rows * 2)
        operation.takes({BATCH_ROWS: 1.0})  # so long that threads share it

        def make(start, number):
            made.append((start, number))
            return (np.arange(start, start + number, dtype=np.float32),)

        def steps():
            return (yield Rows(operation, count, make, cheap=True))

        answer = await engine.run(Work(steps, count, (operation,)))
        assert answer.tolist() == [2.0 * number for number in range(count)]
        assert made == [(0, count)]

    asyncio.run(scenario())


def test_what_waits_while_a_worker_is_busy_is_computed_together():
    async def scenario():
        held, engine = Held(), new_engine()
        first = await occupied(held, engine)
        rest = [engine.submit(held.work(number)) for number in range(1, BATCH_ROWS + 1)]
        await asyncio.sleep(0)
        held.go_on.set()
        assert await asyncio.gather(first, *rest) == [doubled(n) for n in (1000, *range(1, BATCH_ROWS + 1))]
        assert len(held.batches) == 2

    asyncio.run(scenario())


def test_many_images_do_not_keep_one_waiting_for_longer_than_a_batch():
    async def scenario():
        held, engine = Held(), new_engine()
        first = await occupied(held, engine)
        large = engine.submit(held.work(1, 400))
        small = engine.submit(held.work(2000))
        await asyncio.sleep(0)
        held.go_on.set()
        await asyncio.gather(first, large, small)
        # Of batch 0 it knows nothing; at most one is the large one's alone, which was there before it.
        assert any(2000 in batch for batch in held.batches[1:3])
        assert large.result() == doubled(1, 400)

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, BATCH_ROWS, BATCH_ROWS + 1])
@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize("failure", [MemoryError("no memory"), SystemExit(3)])
def test_rows_that_cannot_be_made_fail_their_request_alone(count, cheap, failure):
    async def scenario():
        held, engine = Held(held=False), new_engine()

        def make(start, count):
            raise failure

        def steps():
            return (yield Rows(held.operation, count, make, cheap=cheap))

        failed, other = engine.submit(Work(steps, count, (held.operation,))), engine.submit(held.work(5))
        with pytest.raises((MemoryError, RuntimeError), match=str(failure)):
            await failed
        assert await other == doubled(5)
        await asyncio.sleep(0)
        assert engine.waiting == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("cheap", [False, True])
def test_a_request_that_wants_no_rows_fails_alone_and_keeps_nobody_waiting(cheap):
    async def scenario():
        held, engine = Held(held=False), new_engine()

        def steps():
            yield Rows(held.operation, 0, lambda *_: (np.empty(0, np.float32),), cheap)

        with pytest.raises(ValueError, match="no rows"):
            await asyncio.wait_for(engine.run(Work(steps, 1, (held.operation,))), 10)
        assert await asyncio.wait_for(engine.run(held.work(7)), 10) == [14]
        assert engine.waiting == 0
        engine.close()

    asyncio.run(scenario())


async def answers_of_who_stays(engine, held, requests):
    """Ask for all `requests`, (rows, whether the client leaves); yield first number, rows and answer."""
    futures = [engine.submit(held.work(100 * k, n)) for k, (n, _) in enumerate(requests)]
    for future, (_, leaves) in zip(futures, requests, strict=True):
        if leaves:
            future.cancel()
    for k, ((count, leaves), future) in enumerate(zip(requests, futures, strict=True)):
        if not leaves:
            yield 100 * k, count, await future


@given(
    st.lists(st.tuples(st.integers(1, 80), st.booleans()), min_size=1, max_size=12),
    st.sets(st.sampled_from(SIZES)),
    st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_everyone_gets_their_own_rows_in_computations_of_any_size(requests, sizes, threads):
    async def scenario():
        held = Held(held=False)
        held.operation.takes({size: 0.001 * size for size in sorted(sizes | {BATCH_ROWS})})
        engine = new_engine(worker_threads=threads)
        async for first, count, answer in answers_of_who_stays(engine, held, requests):
            assert answer == doubled(first, count)
        assert {len(batch) for batch in held.batches} <= sizes | {BATCH_ROWS}
        await asyncio.sleep(0)
        assert engine.waiting == 0

    asyncio.run(scenario())


@given(
    st.lists(st.tuples(st.integers(1, 80), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([(0,) * BATCH_ROWS, (0,) * 30 + (30,) * 2, tuple(range(BATCH_ROWS))]),
)
@settings(max_examples=30, deadline=None)
def test_everyone_gets_their_own_rows_each_computed_at_a_position_alike_to_its_own(requests, alike):
    """A row's number says its own position: the operation adds what its class of positions adds."""
    offsets = np.array(alike, np.float32) / 64  # exact, and less than the half between two numbers

    async def scenario():
        held = Held(alike, held=False)
        held.operation.function = lambda rows: rows + offsets
        engine = new_engine(worker_threads=2)
        async for first, count, answer in answers_of_who_stays(engine, held, requests):
            assert answer == [first + row + offsets[row % BATCH_ROWS] for row in range(count)]
        await asyncio.sleep(0)
        assert engine.waiting == 0

    asyncio.run(scenario())


def test_an_error_fails_the_request_that_caused_it_and_none_beside_it():
    async def scenario():
        held, engine = Held(), new_engine()
        first = await occupied(held, engine)
        good, bad = engine.submit(held.work(1)), engine.submit(held.work(-5))
        await asyncio.sleep(0)
        held.go_on.set()
        assert await first == doubled(1000)
        assert await good == doubled(1)
        with pytest.raises(ValueError, match="negative"):
            await bad
        assert await engine.run(held.work(7)) == doubled(7)

    asyncio.run(scenario())


@pytest.mark.fault(23)
def test_beyond_the_last_place_work_is_refused_at_once_with_a_time_and_what_is_admitted_finishes():
    async def scenario():
        held, metrics = Held(), Metrics()
        engine = new_engine(images=97, metrics=metrics)
        first = await occupied(held, engine)
        waiting = [engine.submit(held.work(n, 32)) for n in (1, 2, 3)]
        started = time.perf_counter()
        for _ in range(10):
            with pytest.raises(Overloaded) as caught:
                engine.submit(held.work(1))
            assert int(caught.value.headers["Retry-After"]) >= 1
        assert time.perf_counter() - started < 0.2  # twenty milliseconds each
        held.go_on.set()
        assert await asyncio.gather(first, *waiting) == [doubled(1000), *(doubled(n, 32) for n in (1, 2, 3))]
        assert 'vitrine_refused_total{reason="queue_full"} 10.0' in metrics.exposition()[0].decode()

    asyncio.run(scenario())


def test_retry_after_is_what_the_measured_rate_predicts():
    async def scenario():
        held = Held()
        engine = new_engine(images=2000, seconds=100)
        for batch_seconds, expected in ((0.001, 1), (0.2, 10), (1.0, 50)):
            held.operation.elapsed_seconds[BATCH_ROWS] = batch_seconds
            waiting = engine.submit(held.work(1, 50 * BATCH_ROWS))
            with pytest.raises(Overloaded) as caught:
                engine.submit(held.work(1, 401))
            assert caught.value.headers["Retry-After"] == str(expected)
            waiting.cancel()
            await asyncio.sleep(0)
        held.go_on.set()
        engine.close()

    asyncio.run(scenario())


@pytest.mark.fault(22, 23)
def test_what_would_wait_for_longer_than_the_queue_may_be_is_refused_though_the_queue_is_not_full():
    async def scenario():
        held = Held()
        engine = new_engine(images=10**6, seconds=100.0, queue_seconds=1.5)
        await occupied(held, engine)
        held.operation.elapsed_seconds[BATCH_ROWS] = 0.32
        engine.submit(held.work(1, 149))  # whose turn is in 10 ms
        engine.submit(held.work(1, 33))  # in 1.5 s; and that of whoever comes after it, later
        with pytest.raises(Overloaded) as caught:
            engine.submit(held.work(1, 33))
        assert caught.value.headers["Retry-After"] == "2"
        held.go_on.set()
        engine.close()

    asyncio.run(scenario())


def test_work_larger_than_the_queue_is_let_in_when_nothing_else_waits():
    async def scenario():
        assert await new_engine(images=1).run(Held(held=False).work(0, 50)) == doubled(0, 50)

    asyncio.run(scenario())


def test_cancelled_work_gives_its_place_back_at_once_and_is_never_computed():
    async def scenario():
        held = Held()
        engine = new_engine(images=120)
        first = await occupied(held, engine)
        gone = engine.submit(held.work(2000, 99))
        gone.cancel()
        await asyncio.sleep(0)
        assert engine.waiting == 1
        late = engine.submit(held.work(1, 99))
        await asyncio.sleep(0)
        held.go_on.set()
        await asyncio.gather(first, late)
        assert held.computed() == {1000.0, *map(float, range(1, 100))}

    asyncio.run(scenario())


@pytest.mark.fault(27)
def test_work_whose_deadline_passes_is_answered_though_the_worker_is_stuck_and_is_never_computed():
    async def scenario():
        held = Held()
        engine = new_engine(seconds=0.02)
        first = await occupied(held, engine)
        waiting = engine.submit(held.work(1))
        for future in (first, waiting):
            with pytest.raises(DeadlinePassed) as caught:
                await future
            assert int(caught.value.headers["Retry-After"]) >= 1
        await asyncio.sleep(0)
        assert engine.waiting == 0
        held.go_on.set()
        engine.close()
        assert held.computed() == {1000.0}

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, 21, 400])
def test_an_idle_engine_lets_large_pictures_in_whatever_it_computed_before(count):
    async def scenario():
        held = Held(held=False)
        held.operation.function = lambda rows: (time.sleep(0.004), rows * 2)[1]
        # 400 images are 13 batches, 0.05 s; by what an image took in a batch of its own they were 1.6 s.
        engine = new_engine(queue_seconds=0.5)
        for _ in range(20):
            await engine.run(held.work(1, count))
        await asyncio.gather(engine.run(held.work(1, 400)), engine.run(held.work(1, 7)))

    asyncio.run(scenario())


def test_a_small_picture_is_let_in_beside_uploads_that_take_long_to_decode():
    async def scenario():
        held, decoded = Held(held=False), threading.Event()
        engine = new_engine(queue_seconds=0.5)

        def steps():
            decoded.wait(10)
            return (yield Rows.of(held.operation, np.ones(1, np.float32))).tolist()

        def upload(size):
            return engine.submit(Work(steps, 1, (held.operation,), upload_cost=size))

        engine._decoding_large._seconds = 1.0  # what the last ones took
        large = [upload(10**7)]
        with pytest.raises(Overloaded):
            upload(10**7)
        assert await engine.run(held.work(1)) == doubled(1)
        small = upload(1000)  # has threads and a price of its own
        decoded.set()
        assert await asyncio.gather(small, *large) == [[2.0]] * 2

    asyncio.run(scenario())


def test_the_first_large_uploads_of_a_service_are_not_all_let_in():
    async def scenario():
        decoded = threading.Event()
        engine = new_engine(queue_seconds=1.5)

        def steps():
            decoded.wait(10)
            return "decoded"
            yield

        def upload():
            return engine.submit(Work(steps, 1, upload_cost=3_276_800))  # of 25 megapixels

        let_in = [upload() for _ in range(3)]
        with pytest.raises(Overloaded) as refusal:
            upload()
        assert refusal.value.headers["Retry-After"] == "2"
        decoded.set()
        assert await asyncio.gather(*let_in) == ["decoded"] * 3
        assert engine._decoding_large.predicted_seconds() == 0.0

    asyncio.run(scenario())


class Exit(BaseException):
    """What is no Exception, as SystemExit is not."""


@pytest.mark.fault(28)
@pytest.mark.parametrize("inline_seconds", [0.0, 1.0], ids=["in a worker", "on the event loop"])
@pytest.mark.parametrize("error", [Exit("left"), StopIteration("left"), MemoryError("left")], ids=repr)
def test_whatever_leaves_a_computation_fails_its_request_and_the_next_is_answered(inline_seconds, error):
    async def scenario():
        held = Held(held=False)
        engine = new_engine(inline_seconds=inline_seconds)
        function = held.operation.function

        def leave(rows):
            raise error

        held.operation.function = leave
        with pytest.raises(Exception, match="left"):
            await engine.run(held.work(1))
        held.operation.function = function
        assert await engine.run(held.work(7)) == doubled(7)

    asyncio.run(scenario())


@pytest.mark.fault(28)
@pytest.mark.parametrize("error", [Exit("left"), MemoryError("left")], ids=repr)
def test_whatever_leaves_a_requests_own_step_fails_that_request_alone(error):
    async def scenario():
        held = Held(held=False)
        engine = new_engine()

        def steps():
            raise error
            yield

        for upload_cost in (0, 1, 10**7):
            with pytest.raises(Exception, match="left"):
                await engine.run(Work(steps, 1, upload_cost=upload_cost))
        assert engine.waiting == 0
        assert await engine.run(held.work(7)) == doubled(7)

    asyncio.run(scenario())


def test_a_worker_that_fails_leaves_the_queue_to_the_next():
    async def scenario():
        held, engine = Held(held=False), new_engine()
        take, failures = engine._queue.take_for_worker, [MemoryError(), Exit()]

        def take_or_fail():
            if failures:
                raise failures.pop()
            return take()

        engine._queue.take_for_worker = take_or_fail
        assert await engine.run(held.work(7)) == doubled(7)

    asyncio.run(scenario())


def test_pictures_are_computed_though_no_thread_can_be_started(monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    async def scenario():
        held, engine = Held(held=False), new_engine(worker_threads=2)
        monkeypatch.setattr(threading.Thread, "start", fail)
        assert await engine.run(held.work(1, 400)) == doubled(1, 400)
        monkeypatch.undo()
        assert await engine.run(held.work(7)) == doubled(7)

    asyncio.run(scenario())


def test_the_event_loop_answers_while_every_worker_and_every_heavy_thread_is_busy():
    async def scenario():
        held, engine = Held(), new_engine()
        first = await occupied(held, engine)

        def steps():
            held.go_on.wait(10)
            return (yield Rows.of(held.operation, np.ones(1, np.float32))).tolist()

        heavy = engine.submit(Work(steps, 1, heavy=True, upload_cost=1))
        started = time.perf_counter()
        for _ in range(10):
            await asyncio.sleep(0)
        assert time.perf_counter() - started < 0.2
        held.go_on.set()
        assert await asyncio.gather(first, heavy) == [doubled(1000), [2.0]]

    asyncio.run(scenario())


def test_closing_finishes_the_batch_that_is_being_computed_and_gives_up_what_waits():
    async def scenario():
        held, engine = Held(), new_engine()
        first = await occupied(held, engine)
        waiting = engine.submit(held.work(1))
        threading.Timer(0.02, held.go_on.set).start()
        engine.close()
        for future in (first, waiting):
            with pytest.raises(NotReady):
                await future
        assert held.computed() == {1000.0}
        with pytest.raises(NotReady):
            engine.submit(held.work(2))

    asyncio.run(scenario())


def test_the_queue_can_be_seen():
    async def scenario():
        held, metrics = Held(), Metrics()
        engine = new_engine(metrics=metrics)
        first = await occupied(held, engine)
        gone, stays = engine.submit(held.work(1, 5)), engine.submit(held.work(1, 20))
        assert "vitrine_queue_images 26.0" in metrics.exposition()[0].decode()
        gone.cancel()
        await asyncio.sleep(0)
        held.go_on.set()
        await asyncio.gather(first, stays)
        await asyncio.sleep(0)
        text = metrics.exposition()[0].decode()
        assert "vitrine_queue_images 0.0" in text
        assert "vitrine_batch_images_sum 21.0" in text
        assert "vitrine_queue_duration_seconds_count 2.0" in text
        assert 'vitrine_refused_total{reason="cancelled"} 1.0' in text

    asyncio.run(scenario())
