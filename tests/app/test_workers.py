"""What the parent does about its workers' ends; with processes it is tests/test_life.py's."""

import logging
import signal
import time
from types import SimpleNamespace

import pytest
from uvicorn.config import STARTUP_FAILURE

from app import workers
from app.draining import DrainConfig
from app.workers import FAILED, MAX_DELAY_SECONDS, Workers


@pytest.fixture
def parent():
    config = DrainConfig("app.main:app", workers=2, log_config=None)
    made = Workers(config, [], None, lambda: None)
    yield made
    made._woken.close()
    made._wake.close()


def ended(code, ready=False, age=0.0):
    return SimpleNamespace(
        pid=7,
        ready=ready,
        began=time.monotonic() - age,
        process=SimpleNamespace(exitcode=code),
        close=lambda: None,
    )


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("code", "expected"), [(STARTUP_FAILURE, STARTUP_FAILURE), (-9, FAILED), (1, FAILED)]
)
def test_if_no_worker_can_serve_the_service_ends_with_the_reason_once(parent, caplog, code, expected):
    worker = ended(code)
    parent._workers = [worker]
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        parent._bury(worker)
    assert parent._code == expected
    assert len(caplog.messages) == (0 if code == STARTUP_FAILURE else 1)  # which has said why
    assert ("signal 9" in caplog.text) is (code == -9)


@pytest.mark.fault(1, 5)
def test_a_worker_that_dies_young_is_replaced_later_and_later_and_another_at_once(parent):
    serving = ended(None, ready=True)
    delays = []
    for _ in range(9):
        young = ended(-11)
        parent._workers = [serving, young]
        parent._bury(young)
        delays.append(parent._delay)
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == MAX_DELAY_SECONDS
    old = ended(-9, ready=True, age=100)
    parent._workers = [serving, old]
    parent._bury(old)
    assert parent._due <= time.monotonic()
    assert parent._code is None


def test_the_next_worker_waits_for_the_first_that_serves(parent):
    assert parent._may_start()
    parent._workers = [ended(None)]
    assert not parent._may_start()
    parent._workers = [ended(None, ready=True)]
    assert parent._may_start()
    parent._workers *= 2
    assert not parent._may_start()


@pytest.mark.fault(3)
def test_a_second_sigint_ends_at_once_and_a_second_sigterm_changes_nothing(parent):
    parent._signals = [signal.SIGTERM, signal.SIGTERM]
    parent._note_ending()
    assert (parent._ending, parent._code) == (signal.SIGTERM, None)
    parent._signals = [signal.SIGHUP, signal.SIGINT]
    parent._note_ending()
    assert (parent._ending, parent._code) == (signal.SIGTERM, 130)
    assert parent._signals == [signal.SIGHUP]


@pytest.mark.fault(4)
def test_a_worker_may_be_silent_for_as_long_as_an_import_takes():
    assert workers.SILENT_SECONDS == 60


def test_gauges_of_workers_that_are_gone_are_forgotten(tmp_path):
    config = DrainConfig("app.main:app", workers=2, log_config=None)
    parent = Workers(config, [], tmp_path, lambda: None)
    try:
        (tmp_path / "gauge_livesum_7.db").write_bytes(b"")
        (tmp_path / "gauge_livesum_8.db").write_bytes(b"")
        parent._workers = [SimpleNamespace(pid=7)]
        parent._forget_gauges()
        assert [path.name for path in tmp_path.iterdir()] == ["gauge_livesum_7.db"]
    finally:
        parent._woken.close()
        parent._wake.close()
