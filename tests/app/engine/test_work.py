import numpy as np
import pytest

from app.engine.work import BATCH_ROWS, PADDING, Operation, Rows, Work

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
    assert 0 < operation.seconds < 1


def test_positions_that_round_in_another_way_are_told_apart():
    operation = Operation("left over", last_two_differ)
    assert operation.measure(ROWS)
    assert operation.alike == (0,) * 30 + (30,) * 2


def test_a_row_is_priced_by_its_share_of_a_batch_which_costs_the_same_however_few_it_holds():
    operation = Operation("double", lambda rows: rows * 2)
    operation.elapsed_seconds = 3.2
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
    encode.elapsed_seconds, decode.elapsed_seconds = 1.0, 3.0
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
