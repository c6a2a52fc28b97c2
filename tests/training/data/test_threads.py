import threading
import time

import joblib
import pytest

from training.data import threads


@pytest.fixture
def of_24_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 24)


def test_results_come_in_the_order_of_the_items(of_24_cores):
    assert list(threads.spread(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_as_many_work_at_once_as_the_process_may_use_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    together = threading.Barrier(3)  # which lets nobody pass until three have come
    assert list(threads.spread(lambda _: together.wait(30), range(3))) != []
    names = set(threads.spread(lambda _: threading.current_thread().name, range(50)))
    assert len(names) <= 3


def test_no_more_bytes_are_in_flight_than_allowed_whatever_the_number_of_cores(of_24_cores, monkeypatch):
    monkeypatch.setattr(threads, "MAX_BYTES", 100)
    changing, held, most = threading.Lock(), [0], [0]

    def work(size):
        with changing:
            held[0] += size
            most[0] = max(most[0], held[0])
        time.sleep(0.001)
        with changing:
            held[0] -= size

    list(threads.spread(work, [30] * 60, lambda size: size))
    assert 30 <= most[0] <= 90
    most[0] = 0
    list(threads.spread(work, [1] * 50 + [300] + [1] * 150, lambda size: size))  # one too large goes alone
    assert most[0] == 300


def test_an_error_gives_its_bytes_back(of_24_cores, monkeypatch):
    monkeypatch.setattr(threads, "MAX_BYTES", 10)

    def work(number):
        if number == 0:
            raise ValueError("the first")
        return number

    with pytest.raises(ValueError, match="the first"):
        list(threads.spread(work, range(20), lambda _: 10))
