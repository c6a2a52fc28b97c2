"""Threads that always do what they are given, and how long a request waits for one."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.engine.work import smoothed


class Threads(ThreadPoolExecutor):
    """An executor that has its first thread at once, so that what is submitted is always done.

    The library starts a thread with a task, and a system that is short of memory may not let it: the task
    then waits for a thread that never comes. Here the thread that there is takes it.
    """

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, thread_name_prefix=name)
        super().submit(int).result()

    def do(self, task: Callable[[], object]) -> None:
        """Have a task done by a thread: a new one, or if none can be started, one that there is."""
        with contextlib.suppress(RuntimeError):  # raised after the task was queued
            self.submit(task)


class StepThreads:
    """Threads for requests' own steps of one kind; knows how many wait. Used on one event loop.

    Args:
        threads: how many there are.
        name: of the threads.
        first_seconds: that a step of size 1 is taken to last, alone, until one has been measured.
    """

    def __init__(self, threads: int, name: str, first_seconds: float = 0.0) -> None:
        self._threads = threads
        self._waiting = 0  # sizes of all steps that have not ended
        self._seconds = 0.0  # smoothed time of a step, for each unit of its size
        self._first_seconds = first_seconds * threads
        self._executor = Threads(threads, name)

    def begin(self, step: Callable[[], object], size: int = 1) -> None:
        """Have a step done; `size`: what its time is in proportion to."""
        self._waiting += size
        self._executor.do(step)

    def ended(self, seconds: float | None, size: int = 1) -> None:
        """Count a step out and learn what it took; None: it was left out, as nobody waited for it."""
        self._waiting -= size
        if seconds is not None:
            self._seconds = smoothed(self._seconds, seconds / size)

    def predicted_seconds(self) -> float:
        """Return the time until it is the turn of a step that comes now."""
        return self._waiting * (self._seconds or self._first_seconds) / self._threads

    def close(self) -> None:
        """Let the steps that have begun end."""
        self._executor.shutdown(wait=True, cancel_futures=True)
