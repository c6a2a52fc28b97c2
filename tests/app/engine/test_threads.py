import asyncio
import threading

import pytest

from app.engine.threads import StepThreads, Threads


@pytest.fixture
def no_new_threads(monkeypatch):
    """Let no thread start, as a system does that has no memory left."""

    def fail(thread):
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", fail)


def test_what_is_submitted_is_done_though_no_further_thread_can_be_started(no_new_threads):
    threads, done = Threads(4, "test"), threading.Semaphore(0)
    no_new_threads()
    for _ in range(3):
        threads.do(done.release)
    for _ in range(3):
        assert done.acquire(timeout=10)
    threads.shutdown()


def test_a_system_without_threads_is_found_out_when_the_engine_is_made(no_new_threads):
    no_new_threads()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Threads(1, "test")


def test_the_wait_for_a_step_is_what_steps_took_lately():
    async def scenario():
        steps = StepThreads(2, "test")
        assert steps.predicted_seconds() == 0.0
        for _ in range(3):
            steps.begin(int)
        steps.ended(0.5)
        assert steps.predicted_seconds() == pytest.approx(2 * 0.5 / 2)
        steps.ended(None)  # nobody waited for it: that says nothing of what steps take
        assert steps.predicted_seconds() == pytest.approx(1 * 0.5 / 2)
        steps.close()

    asyncio.run(scenario())


def test_the_wait_for_large_steps_is_in_proportion_to_their_sizes():
    async def scenario():
        steps = StepThreads(2, "test", first_seconds=0.001)
        steps.begin(int, 1000)
        steps.begin(int, 500)
        assert steps.predicted_seconds() == pytest.approx(1.5)  # as if one came after the other
        steps.ended(0.5, 1000)
        assert steps.predicted_seconds() == pytest.approx(500 * 0.0005 / 2)
        steps.ended(None, 500)
        assert steps.predicted_seconds() == 0.0
        steps.close()

    asyncio.run(scenario())
