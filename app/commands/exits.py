"""Exit codes, and what ends a command by one: a line on standard error."""

import contextlib
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NO_MODEL = 3
EXIT_UNREACHABLE = 4
EXIT_ADDRESS = 5


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
