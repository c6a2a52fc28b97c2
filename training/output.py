"""What a command of ``vitrine-train`` says, and where: results, failures, and how to go on."""

import contextlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from training.errors import Interrupted, NotWritten, WorkerLost

EXIT_FAILURE = 1


@contextlib.contextmanager
def result(as_json: bool) -> Iterator[dict[str, Any]]:
    """Give a dictionary for what a command found, which as JSON is all that goes to standard output."""
    found: dict[str, Any] = {}
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        logging.raiseExceptions = False  # a line that cannot be written is no reason for a traceback
        logging.basicConfig(format="%(message)s", stream=sys.stdout)
        logging.getLogger("training").setLevel(logging.INFO)
        for library in ("absl", "tensorflow"):
            logging.getLogger(library).setLevel(logging.ERROR)  # not what they merely advise
        yield found
    if as_json:
        click.echo(json.dumps(found, indent=2, allow_nan=False))


@contextlib.contextmanager
def telling_how_to_resume(config: Path, options: dict[str, Any], tensorboard: bool) -> Iterator[None]:
    """End the command, if training is stopped or cannot write, with the command that goes on."""
    try:
        yield
    except (Interrupted, NotWritten, WorkerLost) as error:
        begun = options["--out"].is_dir()
        if isinstance(error, NotWritten) and not begun:  # it cannot be made
            raise
        # A worker may end before there is a folder.
        going_on = [] if isinstance(error, WorkerLost) and not begun else ["--resume"]
        words = ["vitrine-train", "fit", str(config), *going_on, *words_of(options)]
        words += ["--tensorboard"] if tensorboard else []
        click.echo(f"vitrine-train: {error}; to go on: {shlex.join(words)}", err=True)
        # As a shell reports a process that a signal ended.
        sys.exit(128 + error.signal if isinstance(error, Interrupted) else EXIT_FAILURE)


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as a command line has them; those that are None are left out."""
    return [word for option, value in options.items() if value is not None for word in (option, str(value))]


@contextlib.contextmanager
def output_arrives() -> Iterator[None]:
    """End with one line and exit code 1 if standard output does not take all: a full disk, a closed pipe."""
    given = sys.__stdout__
    if given is None or given is not sys.stdout:  # closed, or taken over by a test
        yield
        return
    # With a buffer, whatever the platform says: what could not be written fails once more when it is flushed.
    sys.stdout = stream = os.fdopen(1, "w", encoding=given.encoding, errors=given.errors, closefd=False)
    try:
        yield
    finally:
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or it fails a third time, as Python ends
            click.echo(f"vitrine-train: standard output: {error.strerror}", err=True)
            sys.exit(EXIT_FAILURE)
