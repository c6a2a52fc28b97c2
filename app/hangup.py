"""SIGHUP: an operator's word to read the store again, unless it is a terminal's that closes."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

TERMINAL = "/dev/tty"


def has_terminal() -> bool:
    """Say whether this process has a terminal that could close."""
    try:
        os.close(os.open(TERMINAL, os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def wait_for_start() -> None:
    """Pass over SIGHUP until a ``Hangup`` listens, where no terminal sends it: it would end the start."""
    if hasattr(signal, "SIGHUP") and not has_terminal():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


class Hangup:
    """Has something done at every SIGHUP that reaches this process. On one event loop.

    A process without a terminal has no other use for that signal. One whose terminal is gone ends as by
    SIGTERM: nobody could stop it by its keys any more. Nothing happens in a thread other than the main one.

    Args:
        then: what is to be done; it is not to take long.
    """

    def __init__(self, then: Callable[[], object]) -> None:
        self._then = then
        self._had_terminal = has_terminal()
        self._loop = asyncio.get_running_loop()
        self._listens = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
        if self._listens:
            self._loop.add_signal_handler(signal.SIGHUP, self._take)

    def _take(self) -> None:
        if self._had_terminal and not has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            self._then()

    def stop(self) -> None:
        """Listen no more; the signal is passed over until the process ends."""
        if self._listens:
            self._loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
