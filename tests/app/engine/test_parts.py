import threading

import numpy as np
import pytest

from app.engine.parts import in_parts


def recording(called):
    def double(z, noise):
        called.append((threading.current_thread().name, len(z)))
        return 2 * z + noise

    return double


@pytest.mark.parametrize(
    ("rows", "threads", "sizes"),
    [(21, 2, [11, 10]), (32, 2, [16, 16]), (7, 3, [3, 3, 1]), (2, 4, [1, 1]), (1, 2, [1]), (5, 1, [5])],
)
def test_every_thread_computes_a_part_and_the_rows_keep_their_order(rows, threads, sizes):
    called = []
    z, noise = np.arange(float(rows)), np.linspace(0, 1, rows)
    np.testing.assert_array_equal(in_parts(recording(called), threads)(z, noise), 2 * z + noise)
    assert sorted(size for _, size in called) == sorted(sizes)
    own = threading.current_thread().name
    assert [size for name, size in called if name == own] == sizes[:1]


def test_the_parts_are_computed_at_the_same_time():
    together = threading.Barrier(2, timeout=10)

    def meet(z):
        together.wait()  # broken, and an error, unless both are there
        return z

    assert in_parts(meet, 2)(np.arange(4)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("wrong", [0, 3])
def test_what_a_part_raises_is_raised(wrong):
    def refuse(z):
        if wrong in z:
            raise ValueError("this part")
        return z

    with pytest.raises(ValueError, match="this part"):
        in_parts(refuse, 2)(np.arange(4))


def test_threads_stay_for_the_next_computation():
    called = []
    split = in_parts(recording(called), 2)
    for _ in range(5):
        split(np.arange(4.0), np.zeros(4))
    assert len({name for name, _ in called}) == 2
