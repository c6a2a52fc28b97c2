from app.engine.positions import FreePositions, FreeRun
from app.engine.work import BATCH_ROWS


def test_a_row_gets_a_free_position_that_is_alike_to_its_own_until_there_is_none():
    free = FreePositions((0,) * 30 + (30,) * 2)
    assert free.take(0, 3) == [0, 1, 2]
    assert free.take(30, 32) == [30, 31]
    assert free.take(31, 32) == []
    assert free.take(BATCH_ROWS, 2 * BATCH_ROWS) == list(range(3, 30))  # and none for its last two


def test_a_run_gives_its_positions_in_order_up_to_its_end():
    free = FreeRun(5)
    assert free.take(0, 3) == range(3)
    assert free.take(40, 44) == range(3, 5)
    assert len(free.take(0, 1)) == 0
