import time

import numpy as np
import pytest

from app.engine.work import BATCH_ROWS, PADDING, SIZES, Operation, Rows, Work, smoothed

ROWS = np.random.default_rng(0).random((BATCH_ROWS, 2), np.float32)


def last_two_differ(rows):
    """A kernel that takes thirty rows at once and the two left over in another way."""
    result = rows.copy()
    result[-2:] += np.float32(1e-6)
    return result


def test_until_it_is_measured_a_position_is_like_itself_only():
    assert Operation("double", lambda rows: rows * 2).alike == tuple(range(BATCH_ROWS))


def test_positions_that_give_the_same_bytes_are_found_alike():
    operation = Operation("double", lambda rows: rows * 2)
    assert operation.measure(ROWS)
    assert operation.alike == (0,) * BATCH_ROWS
    assert 0 < operation.busy_seconds[BATCH_ROWS] < 1
    assert set(operation.sizes) == {BATCH_ROWS}


def test_positions_that_round_in_another_way_are_told_apart():
    operation = Operation("left over", last_two_differ)
    assert operation.measure(ROWS)
    assert operation.alike == (0,) * 30 + (30,) * 2


def test_a_row_is_priced_by_its_share_of_a_batch_which_costs_the_same_however_few_it_holds():
    operation = Operation("double", lambda rows: rows * 2)
    operation.elapsed_seconds[BATCH_ROWS] = 3.2
    operation.alike = (0,) * BATCH_ROWS
    assert [operation.predicted_seconds(count) for count in (1, 32, 400)] == pytest.approx([0.1, 3.2, 40.0])
    operation.alike = (0,) * 30 + (30,) * 2  # 31 rows take one of two places
    assert [operation.predicted_seconds(count) for count in (1, 31, 32)] == pytest.approx(
        [3.2 / 30, 3.2, 3.2]
    )
    operation.alike = tuple(range(BATCH_ROWS))  # no two requests' first rows fit into one batch
    assert [operation.predicted_seconds(count) for count in (1, 32, 33)] == pytest.approx([3.2, 3.2, 6.4])


def test_work_costs_what_its_operations_take_for_its_rows():
    operations = encode, decode = [Operation(name, lambda rows: rows) for name in ("encode", "decode")]
    encode.elapsed_seconds[BATCH_ROWS], decode.elapsed_seconds[BATCH_ROWS] = 1.0, 3.0
    for operation in operations:
        operation.alike = (0,) * BATCH_ROWS
    work = Work(lambda: iter(()), BATCH_ROWS, tuple(operations))
    assert work.images == 2 * BATCH_ROWS
    assert work.predicted_seconds() == pytest.approx(4.0)


def test_a_function_whose_rows_depend_on_each_other_is_found_out():
    assert not Operation("centre", lambda rows: rows - rows.mean(axis=0)).measure(ROWS)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_every_computation_has_a_whole_batch_filled_up_with_padding(count):
    seen = []

    def function(rows):
        seen.append(rows.copy())
        return rows * 2

    rows = np.arange(count, dtype=np.float32)
    assert np.array_equal(Operation("double", function).whole(rows), rows * 2)
    assert {len(batch) for batch in seen} == {BATCH_ROWS}
    assert (seen[-1][(count - 1) % BATCH_ROWS + 1 :] == PADDING).all()


def test_work_done_alone_gets_every_result_it_asks_for():
    double = Operation("double", lambda rows: rows * 2)

    def steps():
        twice = yield Rows.of(double, ROWS)
        return (yield Rows.of(double, twice))

    assert np.array_equal(Work(steps, BATCH_ROWS)(), ROWS * 4)


def test_a_function_that_looks_at_the_row_beside_is_found_out_though_equal_rows_hide_it():
    def neighbours(rows):
        return rows + np.roll(rows, 1, axis=0) - rows  # of equal rows: the row itself

    assert not Operation("beside", neighbours).measure(ROWS)


def test_positions_are_told_apart_by_what_is_not_rounded_yet():
    operation = Operation("levels", lambda rows: last_two_differ(rows).round(1), last_two_differ)
    assert operation.measure(ROWS)
    assert not operation.uniform
    assert operation.alike == (0,) * 30 + (30,) * 2


def test_what_is_not_rounded_is_computed_in_the_same_places_and_sizes_without_being_measured():
    calls = []

    def exact(rows):
        calls.append(len(rows))
        return slow(rows) + np.float32(0.25)

    operation = Operation("levels", lambda rows: exact(rows).round(), exact, own_thread=False)
    assert operation.measure(ROWS, sizes=(8,))
    measured = len(calls)
    unrounded = operation.unrounded
    assert unrounded is operation.unrounded
    assert len(calls) == measured
    assert (unrounded.sizes, unrounded.alike) == (operation.sizes, operation.alike) == ((8, 32), (0,) * 32)
    assert (unrounded.busy_seconds, unrounded.own_thread) == (operation.busy_seconds, False)
    unrounded.learn(unrounded.busy_seconds, 8, 1.0)  # the other's own are as they were
    assert operation.busy_seconds[8] < 0.1 < unrounded.busy_seconds[8]
    np.testing.assert_array_equal(unrounded(ROWS[:3]), ROWS[:3] * 2 + np.float32(0.25))
    assert calls[-1] == 8


def slow(rows):
    """As many milliseconds as there are rows."""
    time.sleep(0.001 * len(rows))
    return rows * 2


def test_sizes_that_save_time_and_give_the_same_bytes_are_kept():
    operation = Operation("double", slow)
    assert operation.measure(ROWS, sizes=(1, 8, 16))
    assert set(operation.sizes) == {1, 8, 16, 32}
    took = list(operation.busy_seconds.values())
    assert took == sorted(took)
    assert took[0] >= 0.001
    assert operation.elapsed_seconds == operation.busy_seconds
    assert [operation.size_for(rows) for rows in (1, 2, 8, 9, 17, 32)] == [1, 8, 8, 16, 32, 32]


def test_a_size_that_rounds_in_another_way_is_never_used():
    operation = Operation("double", lambda rows: slow(rows) + (np.float32(1e-6) if len(rows) == 8 else 0))
    assert operation.measure(ROWS, sizes=(1, 8, 16))
    assert set(operation.sizes) == {1, 16, 32}


def test_where_positions_differ_every_computation_has_all_rows():
    operation = Operation("left over", lambda rows: last_two_differ(slow(rows)))
    assert operation.measure(ROWS, sizes=(1, 8, 16))
    assert set(operation.sizes) == {BATCH_ROWS}


def test_a_size_that_saves_nothing_is_no_size():
    def constant(rows):
        time.sleep(0.002)
        return rows * 2

    operation = Operation("double", constant)
    assert operation.measure(ROWS, sizes=(31,))
    assert set(operation.sizes) == {BATCH_ROWS} or operation.busy_seconds[31] < operation.busy_seconds[32]


def test_a_computation_is_filled_up_to_the_next_size():
    seen = []
    operation = Operation("double", lambda rows: seen.append(len(rows)) or rows * 2)
    operation.takes({1: 0.1, 8: 0.8, 32: 3.2})
    for count in (1, 5, 8, 9):
        assert np.array_equal(operation(ROWS[:count]), ROWS[:count] * 2)
    assert seen == [1, 8, 8, 32]


@pytest.mark.parametrize(
    ("rows", "threads", "expected"),
    [
        (21, 1, 21),
        (21, 2, 11),
        (100, 2, 32),
        (36, 2, 16),  # of 18: nearer than 21
        (7, 2, 4),
        (2, 2, 2),  # one row is not worth a thread
        (0, 2, 2),  # of requests that nobody wants any more
        (400, 1, 32),
    ],
)
def test_threads_share_what_waits_so_that_all_are_done_at_the_same_time(rows, threads, expected):
    operation = Operation("double", lambda rows: rows)
    operation.takes({size: 0.0003 * size for size in SIZES})
    assert operation.share(rows, threads) == expected


def test_what_takes_less_time_than_a_change_of_thread_is_not_shared():
    operation = Operation("double", lambda rows: rows)
    operation.takes({size: 0.00001 * size for size in SIZES})
    assert operation.share(21, 2) == BATCH_ROWS


def test_an_average_moves_by_a_tenth_of_the_newest_difference():
    assert smoothed(0.0, 5.0) == 5.0
    assert smoothed(5.0, 15.0) == pytest.approx(6.0)


def test_what_one_size_takes_tells_of_all_so_that_none_is_thought_slow_for_ever():
    operation = Operation("double", lambda rows: rows)
    operation.takes({1: 0.1, 32: 3.2})
    operation.learn(
        operation.busy_seconds, 32, 32.0
    )  # ten times as long: something else kept the machine busy
    assert operation.busy_seconds == pytest.approx({1: 0.19, 32: 6.08})
    for _ in range(100):
        operation.learn(operation.busy_seconds, 1, 0.1)
    assert operation.busy_seconds == pytest.approx({1: 0.1, 32: 3.2}, rel=1e-3)
    assert operation.elapsed_seconds == {1: 0.1, 32: 3.2}


@pytest.mark.parametrize("row", [0, 17, 31])
def test_a_size_in_which_any_one_row_differs_is_found_out(row):
    value = ROWS[row, 0]
    operation = Operation(
        "double", lambda rows: slow(rows) + np.float32(1e-6) * ((rows[:, :1] == value) & (len(rows) == 11))
    )
    assert operation.measure(ROWS, sizes=(8, 11))
    assert set(operation.sizes) == {8, 32}


def widened(function, sizes=(1, 8, 16)):
    """An operation of a millisecond a row, and one that is to compute for it when it is alone."""
    operation, wide = Operation("double", slow), Operation("double", function)
    assert operation.measure(ROWS, sizes=sizes)
    operation.busy_seconds = {size: 0.0002 * size for size in operation.sizes}
    operation.widen(wide, ROWS)
    return operation, wide


def test_what_is_alone_is_computed_by_more_threads_where_it_is_worth_them():
    operation, wide = widened(lambda rows: rows * 2)
    assert operation.wide is wide
    assert wide.sizes == (8, 16, 32)  # one row takes less time than a second thread is worth
    assert [operation.alone(rows) is wide for rows in (1, 2, 8, 9, 32)] == [False, True, True, True, True]
    assert wide.uniform
    assert wide.busy_seconds[32] < operation.busy_seconds[32]  # each has times of its own
    assert np.array_equal(wide(ROWS[:5]), ROWS[:5] * 2)


def taking(seconds):
    """Doubles rows, and takes so long for all of them."""

    def double(rows):
        time.sleep(seconds(len(rows)))
        return rows * 2

    return double


def test_more_threads_that_are_slower_are_not_used():
    operation, _ = widened(taking(lambda rows: 0.0004 * rows))  # twice what one thread takes
    assert operation.wide is None
    assert operation.alone(32) is operation


def test_more_threads_are_used_in_those_sizes_alone_in_which_they_save_time():
    operation, wide = widened(taking(lambda rows: 0.0 if rows == 32 else 0.006))  # one thread: 1.6 to 6.4 ms
    assert operation.wide is wide
    assert wide.sizes == (32,)
    assert [operation.alone(rows) is wide for rows in (8, 16, 17, 32)] == [False, False, True, True]


@pytest.mark.parametrize("row", [0, 17, 31])
@pytest.mark.parametrize("size", [8, 16, 32])
def test_more_threads_that_round_any_row_of_any_size_in_another_way_are_not_used(row, size):
    value = ROWS[row, 0]
    operation, _ = widened(
        lambda rows: rows * 2 + np.float32(1e-6) * ((rows[:, :1] == value) & (len(rows) == size))
    )
    assert operation.wide is None
    assert operation.alone(32) is operation


def test_more_threads_are_for_long_operations_alone_and_for_positions_that_are_alike():
    fast = Operation("double", lambda rows: rows * 2)
    assert fast.measure(ROWS, sizes=(8,))
    fast.takes({8: 0.0001, 32: 0.0004})
    fast.widen(Operation("double", lambda rows: rows * 2), ROWS)
    assert fast.wide is None
    uneven = Operation("left over", lambda rows: last_two_differ(slow(rows)))
    assert uneven.measure(ROWS)
    uneven.widen(Operation("left over", lambda rows: last_two_differ(rows * 2)), ROWS)
    assert uneven.wide is None
