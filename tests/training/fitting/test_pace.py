import pytest

from training.fitting import pace


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    passed = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: passed[0])

    def wait(seconds):
        passed[0] += seconds

    return wait


def test_what_compiling_takes_enters_no_estimate(clock):
    """An epoch of ten steps of 0.7 s; compiling takes 60 s, the first validation 20 s, every other one 1 s."""
    found = pace.Pace()
    found.begin_epoch(compiles=False)
    clock(60.7)
    found.take(1)
    assert found.left(249, 25) == ""  # one step was taken, and compiled: nothing is known
    assert found.seconds_a_step is None
    clock(2.1)
    found.take(4)
    assert found.seconds_a_step == pytest.approx(0.7)
    assert found.left(246, 25) == ", 2 min 52 s left"
    clock(4.2)
    found.take(10)
    clock(20)
    found.begin_epoch(compiles=False)
    assert found.left(240, 24) == ", 2 min 48 s left"  # the first validation compiled
    clock(7)
    found.take(10)
    clock(1)
    found.begin_epoch(compiles=False)
    assert found.left(230, 23) == ", 3 min 04 s left"  # 161 s of steps and 23 s of validation


def test_a_final_phase_is_compiled_and_measured_anew(clock):
    found = pace.Pace()
    found.begin_epoch(compiles=False)
    for seconds, done in ((30, 1), (1, 2)):
        clock(seconds)
        found.take(done)
    found.begin_epoch(compiles=True)
    assert found.left(10, 1) == ""
    for seconds, done in ((30, 1), (5, 2)):
        clock(seconds)
        found.take(done)
    assert found.seconds_a_step == pytest.approx(5)
    assert found.left(11, 0) == ", 0 min 55 s left"


def test_a_minute_is_never_written_as_sixty_seconds(clock):
    found = pace.Pace()
    found.begin_epoch(compiles=False)
    for done in (1, 2):
        clock(1.1999)
        found.take(done)
    assert found.left(50, 0) == ", 1 min 00 s left"
