import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.engine.batching import Queue, Request
from app.engine.work import BATCH_ROWS, SIZES, Operation, Rows, Work

DOUBLE = Operation("double", lambda rows: rows * 2)
DOUBLE.alike = (0,) * BATCH_ROWS


@pytest.fixture
def future():
    loop = asyncio.new_event_loop()
    yield loop.create_future
    loop.close()


def waiting(queue, future, count, operation=DOUBLE, first=0.0, seconds=100.0):
    request = Request(Work(lambda: iter(()), count), time.monotonic() + seconds, future())
    request.want(Rows.of(operation, first + np.arange(count, dtype=np.float32)))
    queue.append(request)
    return request


def new_queue():
    return Queue(on_start=lambda seconds: None)


def test_small_requests_share_a_batch_and_each_gets_its_own_rows(future):
    queue = new_queue()
    requests = [waiting(queue, future, 3, first=10.0 * k) for k in range(4)]
    batch = queue.take(slowest=1.0)
    assert batch.rows == 12
    assert [part.request for part in batch.parts] == requests
    for k, rows in enumerate(batch.compute()):
        assert rows.tolist() == [20.0 * k, 20.0 * k + 2, 20.0 * k + 4]
    assert queue.take(slowest=1.0) is None


def test_a_row_stays_at_its_own_position_where_positions_are_not_alike(future):
    operation = Operation("offset", lambda rows: rows + np.arange(BATCH_ROWS, dtype=np.float32))
    queue = new_queue()
    first, second = (waiting(queue, future, 2, operation) for _ in range(2))
    batch = queue.take(slowest=1.0)
    assert [part.request for part in batch.parts] == [first]  # positions 0 and 1 are taken
    assert batch.compute()[0].tolist() == [0.0, 2.0]
    assert queue.take(slowest=1.0).parts[0].request is second


def test_few_and_many_rows_take_turns(future):
    queue = new_queue()
    many = waiting(queue, future, 3 * BATCH_ROWS)
    few = [waiting(queue, future, BATCH_ROWS) for _ in range(2)]
    order = [queue.take(slowest=1.0).parts[0].request for _ in range(5)]
    assert order == [few[0], many, few[1], many, many]


def test_operations_take_turns(future):
    other = Operation("other", lambda rows: rows)
    queue = new_queue()
    for operation in (DOUBLE, other):
        waiting(queue, future, 2 * BATCH_ROWS, operation)
    assert [queue.take(slowest=1.0).operation.name for _ in range(4)] == ["double", "other"] * 2


def test_what_nobody_waits_for_any_more_is_not_computed(future):
    queue = new_queue()
    cancelled, late, wanted = (waiting(queue, future, 2, seconds=s) for s in (100.0, -1.0, 100.0))
    cancelled.future.cancel()
    batch = queue.take(slowest=1.0)
    assert [part.request for part in batch.parts] == [wanted]
    assert late.taken == 0


def test_a_fault_in_a_shared_batch_is_the_guilty_requests_alone(future):
    def refuse_negatives(rows):
        if (rows < 0).any():
            raise ValueError("negative")
        return rows

    operation = Operation("careful", refuse_negatives)
    operation.alike = (0,) * BATCH_ROWS
    queue = new_queue()
    for first in (1.0, -5.0, 7.0):
        waiting(queue, future, 2, operation, first)
    good, bad, also_good = queue.take(slowest=1.0).compute()
    assert good.tolist() == [1.0, 2.0]
    assert isinstance(bad, ValueError)
    assert also_good.tolist() == [7.0, 8.0]


def test_workers_are_counted_from_the_rows_that_wait_until_they_find_nothing(future):
    queue = new_queue()
    waiting(queue, future, 3 * BATCH_ROWS)
    assert queue.new_workers(most=2) == 2
    assert queue.new_workers(most=2) == 0
    assert all(queue.take_for_worker() is not None for _ in range(3))
    assert queue.take_for_worker() is None
    assert queue.workers == 1


def test_an_operation_is_brief_by_its_measured_time_and_may_take_longer_alone(future):
    operation = Operation("slow", lambda rows: rows)
    operation.busy_seconds[BATCH_ROWS] = 0.0008
    queue = new_queue()
    assert not queue.is_brief(1.0, 1.0)  # nothing waits
    waiting(queue, future, BATCH_ROWS, operation)
    assert queue.is_brief(0.0006, 0.001)
    waiting(queue, future, 1, operation)
    assert not queue.is_brief(0.0006, 0.001)
    assert queue.take(slowest=0.0001) is None


def test_a_worker_that_takes_the_last_request_meanwhile_does_not_confuse_who_looks(future):
    queue = new_queue()
    waiting(queue, future, 1)

    class Racing:
        """A lock after whose release another thread takes what waits, before anything else happens."""

        def __init__(self, lock):
            self.lock = lock

        def __enter__(self):
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()
            queue._lock = self.lock
            queue.take(slowest=1.0)

    queue._lock = Racing(queue._lock)
    assert queue.is_brief(1.0, 1.0)
    assert queue.take(slowest=1.0) is None


def sized(seconds_a_row):
    operation = Operation("double", lambda rows: rows * 2)
    operation.alike = (0,) * BATCH_ROWS
    operation.takes({size: seconds_a_row * size for size in SIZES})
    return operation


def test_two_workers_share_the_rows_of_one_request(future):
    queue = Queue(lambda _: None, threads=2)
    waiting(queue, future, 21, sized(0.3))  # long enough to be under way still when the second one takes
    assert queue.new_workers(2) == 2
    with ThreadPoolExecutor(1) as other:
        batches = [other.submit(queue.take_for_worker).result(), queue.take_for_worker()]
    assert [(batch.rows, batch.size) for batch in batches] == [(11, 11), (10, 11)]
    assert [(part.start, part.stop) for batch in batches for part in batch.parts] == [(0, 11), (11, 21)]
    results = np.concatenate([result for batch in batches for result in batch.compute()])
    assert np.array_equal(results, 2 * np.arange(21))


def test_what_others_have_begun_counts_and_what_they_have_done_does_not(future):
    queue = Queue(lambda _: None, threads=2)
    waiting(queue, future, 100, sized(0.0003))
    with ThreadPoolExecutor(1) as other:
        assert other.submit(queue.take_for_worker).result().rows == 32
        assert queue.take_for_worker().rows == 32
        assert (
            queue.take_for_worker().rows == 32
        )  # 36 are left, and 32 are being computed: a fair share is 34
        assert other.submit(queue.take_for_worker).result().rows == 4
    queue = Queue(lambda _: None, threads=2)
    waiting(queue, future, 36, sized(0.0003))
    assert queue.take_for_worker().rows == 16  # of 18
    assert queue.take_for_worker().rows == 11  # of ten, as nobody else is at work


def test_who_computes_alone_takes_all_that_waits(future):
    queue = Queue(lambda _: None, threads=2)
    waiting(queue, future, 21, sized(0.0003))
    assert queue.take(slowest=1.0).rows == 21


def test_an_operation_is_as_brief_as_the_rows_that_wait(future):
    queue = new_queue()
    operation = sized(0.0003)
    waiting(queue, future, 1, operation)
    assert queue.is_brief(0.0006, 0.001)
    waiting(queue, future, 3, operation)
    assert not queue.is_brief(0.0006, 0.001)  # four rows: 1.2 ms
    assert queue.take(slowest=0.001) is None


def test_a_stretch_of_rows_is_made_once_for_all_who_compute_a_part_of_it(future):
    queue = Queue(lambda _: None, threads=2)
    asked = []

    def make(start, count):
        asked.append((start, count))
        return (np.arange(start, start + count, dtype=np.float32)[:, None],)

    request = Request(Work(lambda: iter(()), 21), time.monotonic() + 100, future())
    request.want(Rows(sized(0.0003), 21, make))
    queue.append(request)
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: queue.take_for_worker().compute()).result()
    queue.take_for_worker().compute()
    assert asked == [(0, 21)]


def widened(seconds_each, seconds_each_wide):
    operation, wide = sized(seconds_each), sized(seconds_each_wide)
    operation.wide = wide
    wide.takes({size: seconds for size, seconds in wide.busy_seconds.items() if size > 2})
    return operation, wide


def test_a_computation_that_is_alone_is_done_by_all_threads_at_once(future):
    queue = Queue(lambda _: None, threads=2)
    operation, wide = widened(0.0003, 0.0002)
    request = waiting(queue, future, 21, operation)
    assert queue.new_workers(most=2) == 1
    batch = queue.take_for_worker()
    assert (batch.operation, batch.rows, batch.size) == (wide, 21, 21)
    assert [(part.request, part.start, part.stop) for part in batch.parts] == [(request, 0, 21)]
    assert queue.take_for_worker() is None


def test_requests_of_few_rows_that_fit_into_one_computation_are_alone_together(future):
    queue = Queue(lambda _: None, threads=2)
    operation, wide = widened(0.0003, 0.0002)
    requests = [waiting(queue, future, count, operation) for count in (2, 3, 4)]
    batch = queue.take(slowest=0.0, slowest_wide=0.01)
    assert (batch.operation, batch.size) == (wide, 11)
    assert [part.request for part in batch.parts] == requests


def test_one_row_is_not_worth_all_threads(future):
    queue = Queue(lambda _: None, threads=2)
    operation, _ = widened(0.0003, 0.0002)
    waiting(queue, future, 1, operation)
    assert queue.take(slowest=1.0).operation is operation


def test_nothing_is_alone_beside_another_worker_another_operation_or_more_than_a_batch(future):
    operation, _ = widened(0.0003, 0.0002)
    beside_worker = Queue(lambda _: None, threads=2)
    waiting(beside_worker, future, 2 * BATCH_ROWS, operation)
    assert beside_worker.new_workers(most=2) == 2
    assert beside_worker.take_for_worker().operation is operation
    assert beside_worker.take_for_worker().operation is operation  # 32 rows are left, and another is at work
    beside_operation = Queue(lambda _: None, threads=2)
    waiting(beside_operation, future, 8, operation)
    waiting(beside_operation, future, 8)
    assert beside_operation.take(slowest=1.0).operation is operation
    many = Queue(lambda _: None, threads=2)
    waiting(many, future, BATCH_ROWS + 1, operation)
    assert many.take(slowest=1.0).operation is operation
    assert many.take(slowest=1.0, slowest_wide=1.0).operation is operation  # one row


def test_what_all_threads_compute_is_brief_by_a_bound_and_a_time_of_its_own(future):
    queue = Queue(lambda _: None, threads=2)
    operation, _ = widened(0.0003, 0.0002)
    waiting(queue, future, 21, operation)  # 6.3 ms, or 4.2 by all
    assert queue.is_brief(0.0006, 0.0015, 0.005)
    assert not queue.is_brief(0.0006, 0.0015, 0.004)
    assert not queue.is_brief(1.0, 1.0)
    assert queue.take(slowest=1.0) is None
    assert queue.take(slowest=0.0, slowest_wide=0.005).rows == 21
