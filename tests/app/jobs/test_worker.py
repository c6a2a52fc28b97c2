import os
import signal

import pytest

from app.jobs import worker
from app.jobs.records import Shard


class Counting:
    """A task that says which shard it was asked for."""

    def open(self):
        return lambda number: Shard(number, 1, {})


@pytest.fixture
def worker_here():
    before = signal.getsignal(signal.SIGINT)
    worker.start(Counting(), os.getppid())
    yield
    signal.signal(signal.SIGINT, before)
    worker._own.clear()


def test_a_process_that_was_started_makes_the_shards_of_its_task(worker_here):
    assert [worker.make(number).number for number in (3, 1)] == [3, 1]


def test_it_leaves_an_interruption_to_its_parent(worker_here):
    os.kill(os.getpid(), signal.SIGINT)
    assert worker.make(0).images == 1
