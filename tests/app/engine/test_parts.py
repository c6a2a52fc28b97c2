import threading
import time

import numpy as np
import pytest

from app.engine.parts import in_parts


def halves(rows):
    return -(-rows // 2)


def of(size):
    return lambda rows: min(size, rows)


def recording(called):
    def double(z, noise):
        called.append((threading.current_thread().name, z.tolist()))
        return 2 * z + noise

    return double


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("rows", "size", "parts"),
    [
        (6, 3, [[0, 1, 2], [3, 4, 5]]),
        (7, 3, [[0, 1, 2], [3, 4, 5], [4, 5, 6]]),  # the last one ends with the last row
        (4, 1, [[0], [1], [2], [3]]),
        (5, 8, [[0, 1, 2, 3, 4]]),
        (1, 1, [[0]]),
    ],
)
def test_all_parts_have_one_size_and_the_rows_keep_their_order(rows, size, parts, threads):
    called = []
    z, noise = np.arange(float(rows)), np.linspace(0, 1, rows)
    split = in_parts(recording(called), threads, of(size))
    np.testing.assert_array_equal(split(z, noise), 2 * z + noise)
    assert sorted(part for _, part in called) == parts


def test_the_parts_are_computed_at_the_same_time():
    together = threading.Barrier(2, timeout=10)

    def meet(z):
        together.wait()  # broken, and an error, unless both are there
        return z

    assert in_parts(meet, 2, halves)(np.arange(4)).tolist() == [0, 1, 2, 3]


def test_a_thread_that_is_free_takes_what_a_busy_one_has_not_begun():
    own, called = threading.current_thread().name, []
    busy = threading.Event()

    def slow_for_helpers(z):
        called.append(threading.current_thread().name)
        if threading.current_thread().name != own:
            busy.set()
            time.sleep(0.3)
        else:
            assert busy.wait(10)
        return z

    assert in_parts(slow_for_helpers, 2, of(1))(np.arange(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert (called.count(own), len(called)) == (5, 6)


def test_threads_that_are_busy_elsewhere_are_not_waited_for():
    release, begun = threading.Event(), threading.Event()

    def block(z):
        begun.set()
        release.wait(10)
        return z

    blocked = threading.Thread(target=in_parts(block, 4, of(1)), args=(np.arange(4),))
    blocked.start()  # all three helpers, and this thread
    try:
        assert begun.wait(10)
        time.sleep(0.1)
        assert in_parts(lambda z: z, 4, of(1))(np.arange(9)).tolist() == list(range(9))
    finally:
        release.set()
        blocked.join()


@pytest.mark.parametrize("wrong", [0, 3])
def test_what_a_part_raises_is_raised_and_no_other_is_begun(wrong):
    called = []

    def refuse(z):
        called.append(z)
        if wrong in z:
            raise ValueError("this part")
        time.sleep(0.05)
        return z

    with pytest.raises(ValueError, match="this part"):
        in_parts(refuse, 2, of(1))(np.arange(40))
    assert len(called) < 10


def test_what_fails_in_a_helper_ends_the_parts_of_the_caller_too():
    own, failed, called = threading.current_thread().name, threading.Event(), []

    def refuse_in_helpers(z):
        called.append(z)
        if threading.current_thread().name != own:
            failed.set()
            raise ValueError("a helper")
        assert failed.wait(10)
        time.sleep(0.05)
        return z

    with pytest.raises(ValueError, match="a helper"):
        in_parts(refuse_in_helpers, 2, of(1))(np.arange(40))
    assert len(called) < 10


def test_threads_stay_for_the_next_computation():
    called = []

    def slowly(z):
        called.append(threading.current_thread().name)
        time.sleep(0.02)
        return z

    split = in_parts(slowly, 2, halves)
    for _ in range(5):
        split(np.arange(4.0))
    assert len(set(called)) == 2
