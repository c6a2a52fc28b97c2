import pytest

from benchmarks import page


def move(at: float, value: float) -> dict[str, float | str]:
    return {"at": at, "value": str(value)}


def picture(at: float, value: float) -> dict[str, float | str]:
    return {"at": at, "point": f"z:9,{value:.4g}"}


def test_a_move_takes_until_its_picture_is_painted():
    found = page.latencies([move(0, 0.1), move(50, 0.2)], [picture(20, 0.1), picture(85, 0.2)], axis=1)
    assert found == {"milliseconds": [20, 35], "moves": 2, "left out": 0}


def test_a_move_whose_picture_is_left_out_ends_with_the_first_newer_one():
    moves = [move(0, 0.1), move(50, 0.2), move(100, 0.3)]
    found = page.latencies(moves, [picture(20, 0.1), picture(130, 0.3)], axis=1)
    assert found == {"milliseconds": [20, 80, 30], "moves": 3, "left out": 1}


def test_a_value_that_comes_again_is_the_next_move_with_it():
    moves = [move(0, 0.1), move(50, 0.2), move(100, 0.1)]
    pictures = [picture(20, 0.1), picture(70, 0.2), picture(140, 0.1)]
    assert page.latencies(moves, pictures, axis=1)["milliseconds"] == [20, 20, 40]


def test_a_move_that_no_picture_came_of_is_no_measurement():
    with pytest.raises(StopIteration):
        page.latencies([move(0, 0.1), move(50, 0.2)], [picture(20, 0.1)], axis=1)


def test_the_percentile_lies_between_the_numbers_beside_it():
    assert page.percentile([float(number) for number in range(1, 101)], 0.95) == pytest.approx(95.05)
