"""What makes shards in a process of its own: a task, opened once."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Protocol

from app.jobs.records import Shard

PARENT_SECONDS = 0.5  # between two looks whether the parent is there

MakeShard = Callable[[int], Shard]  # the number of a shard -> its record, when all of it is written


class Task(Protocol):
    """How the shards of a job are made, by whichever process; it can be pickled."""

    def open(self) -> MakeShard:
        """Open what it needs, a model above all, and return what makes a shard."""


_own: list[MakeShard] = []  # the one of this process


def start(task: Task, parent: int) -> None:
    """Make this process one that works; it ends with the process `parent`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked too, and ends in order
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _own[:] = [task.open()]


def make(number: int) -> Shard:
    """Make a shard in a process that was started so."""
    return _own[0](number)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
