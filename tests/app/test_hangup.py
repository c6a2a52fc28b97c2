import asyncio
import os
import signal
import threading

import pytest

from app import hangup
from app.hangup import Hangup


async def after_a_signal(then):
    listening = Hangup(then)
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0.05)
    listening.stop()
    os.kill(os.getpid(), signal.SIGHUP)  # on its way out: the process does not end by it
    await asyncio.sleep(0.05)


@pytest.fixture(autouse=True)
def handler():
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_each_hangup_has_it_done_and_none_after_the_end(monkeypatch):
    monkeypatch.setattr(hangup, "has_terminal", lambda: True)
    done = []
    asyncio.run(after_a_signal(lambda: done.append(1)))
    assert done == [1]


def test_a_process_whose_terminal_is_gone_ends_as_by_sigterm(monkeypatch):
    terminals, ended, done = iter([True, False]), [], []
    monkeypatch.setattr(hangup, "has_terminal", lambda: next(terminals))
    monkeypatch.setattr(hangup.signal, "raise_signal", ended.append)
    asyncio.run(after_a_signal(lambda: done.append(1)))
    assert (ended, done) == ([signal.SIGTERM], [])


def test_in_another_thread_nothing_is_changed():
    before, found = signal.getsignal(signal.SIGHUP), []

    async def listen():
        Hangup(lambda: None).stop()
        found.append(signal.getsignal(signal.SIGHUP))

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    thread.join()
    assert found == [before]


def test_a_process_in_a_session_of_its_own_has_no_terminal(monkeypatch):
    monkeypatch.setattr(hangup, "TERMINAL", "/dev/null/none")
    assert not hangup.has_terminal()
    monkeypatch.setattr(hangup, "TERMINAL", "/dev/null")
    assert hangup.has_terminal()


def test_before_the_service_listens_the_signal_is_passed_over_where_there_is_no_terminal(monkeypatch):
    before = signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(hangup, "has_terminal", lambda: False)
    try:
        hangup.wait_for_start()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        monkeypatch.setattr(hangup, "has_terminal", lambda: True)
        hangup.wait_for_start()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
