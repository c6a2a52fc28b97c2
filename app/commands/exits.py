"""Exit codes, and what ends a command by one: a line on standard error."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import click

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NO_MODEL = 3
EXIT_UNREACHABLE = 4
EXIT_ADDRESS = 5
EXIT_INTERRUPTED = 130  # as a shell reports a process that SIGINT ended


def leave(code: int, message: str) -> NoReturn:
    """End with an exit code and a line that says why."""
    click.echo(f"vitrine: {message}", err=True)
    sys.exit(code)


@contextlib.contextmanager
def errors_leave() -> Iterator[None]:
    """Turn what is wrong with the settings, the store or a model into a message and an exit code."""
    from app.errors import ModelError, ModelNotFound, StoreError
    from app.settings import SettingsError

    try:
        yield
    except SettingsError as error:
        leave(EXIT_USAGE, str(error))
    except (StoreError, ModelNotFound, ModelError) as error:
        leave(EXIT_NO_MODEL, error.detail)


@contextlib.contextmanager
def signals_leave() -> Iterator[None]:
    """End at once by SIGTERM, with 0, or by SIGINT, until a server handles them: nobody is served yet.

    The first process of a container would pass SIGTERM over otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        click.echo("vitrine: stopped before it served", err=True)
        os._exit(0 if number == signal.SIGTERM else EXIT_INTERRUPTED)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
