"""The log: lines of text or JSON, written by threads of their own, so that no reader of it holds up serving.

A pipe that nobody reads, a full disk, a closed stream: what cannot be written is dropped and counted, and the
next line that can be written says how many there were. What a client sent cannot begin a line: control
characters are escaped, and the lines of a traceback are indented.
"""

import contextlib
import json
import logging
import os
import queue
import select
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]

MAX_LINES = 1000  # that wait to be written; more are dropped
MAX_CHARACTERS = 16_384  # of a message, and of a traceback: what waits has a bound
FLUSH_SECONDS = 1.0  # that the end of the process waits for the lines that are left

# What ends a line somewhere, or moves the cursor of a terminal; a tab does neither.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029)
}


def configuration(kind: Format) -> dict[str, Any]:
    """Return a configuration for ``logging.config``; requests go to standard output, the rest to error."""
    handlers = {
        name: {"class": "app.logs.Lines", "formatter": "default", "descriptor": descriptor}
        for name, descriptor in (("default", 2), ("access", 1))
    }
    quiet = {"level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": {"()": "app.logs.Json" if kind == "json" else "app.logs.Text"}},
        "handlers": handlers,
        "loggers": {
            "uvicorn": {"handlers": ["default"]} | quiet,
            "uvicorn.error": {"level": "INFO"},
            "vitrine": {"handlers": ["default"]} | quiet,
            "vitrine.requests": {"handlers": ["access"]} | quiet,
        },
    }


class Text(logging.Formatter):
    """A line of text: the level and the message. The lines of a traceback follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = f"{record.levelname + ':':<10}{_message(record).translate(_CONTROLS)}"
        if not record.exc_info:
            return line
        frames = self.formatException(record.exc_info)[-MAX_CHARACTERS:].split("\n")
        return "\n    ".join([line, *(frame.translate(_CONTROLS) for frame in frames)])


class Json(logging.Formatter):
    """An object a line: time in UTC, level, message, and what is known besides, like the request's id."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": _message(record),
            "logger": record.name,
            "process": record.process,
        }
        found |= getattr(record, "fields", {})
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)[-MAX_CHARACTERS:]
        return json.dumps(found, default=str)


def _message(record: logging.LogRecord) -> str:
    return record.getMessage().rstrip("\n")[:MAX_CHARACTERS]


class Lines(logging.Handler):
    """Gives lines to the thread that writes to a descriptor; never waits for it.

    Args:
        descriptor: of the stream, 1 or 2.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Give one line."""
        try:
            line = self.format(record)
        except Exception:  # of arguments that do not fit the message: no reason to end what was being done
            self.handleError(record)
            return
        _writer_of(self._descriptor).write(line, self)

    def flush(self) -> None:
        """Wait for what was given, for FLUSH_SECONDS at most."""
        if writer := _writers.get((os.getpid(), self._descriptor)):
            writer.flush(FLUSH_SECONDS)


class Writer:
    """A thread that writes lines to a descriptor.

    Args:
        descriptor: where it writes.
        max_lines: that may wait.

    Attributes:
        dropped: lines that were not written, since the log said so.
    """

    def __init__(self, descriptor: int, max_lines: int = MAX_LINES) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._max_lines = max_lines
        # A signal's handler may log while its thread does: this queue lets it.
        self._waiting: queue.SimpleQueue[tuple[str, logging.Handler] | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, line: str, handler: logging.Handler) -> None:
        """Have a line written, or drop it if too many wait; `handler` makes the line that says so later."""
        if self._waiting.qsize() >= self._max_lines:
            self.dropped += 1
        else:
            self._waiting.put((line, handler))

    def flush(self, seconds: float) -> bool:
        """Wait until what was given is written, and say whether it was within `seconds`."""
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(seconds)

    def _run(self) -> None:
        while True:
            given = self._waiting.get()
            if isinstance(given, threading.Event):
                given.set()
                continue
            line, handler = given
            if not self._put(line):
                self.dropped += 1
            elif self.dropped and self._put(handler.format(_of_dropped(self.dropped))):
                self.dropped = 0

    def _put(self, line: str) -> bool:
        left = f"{line}\n".encode(errors="backslashreplace")
        try:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # whoever shares the stream made it so
                    select.select([], [self._descriptor], [])
        except (OSError, ValueError):
            return False
        return True


_writers: dict[
    tuple[int, int], Writer
] = {}  # by process and descriptor: a fork has no thread of its parent's
_making = threading.RLock()


def _writer_of(descriptor: int) -> Writer:
    found = _writers.get((os.getpid(), descriptor))
    if found is None:
        with _making:
            found = _writers.setdefault((os.getpid(), descriptor), Writer(descriptor))
    return found


def _of_dropped(lines: int) -> logging.LogRecord:
    text = "%d lines of the log were dropped: nobody read them, or they could not be written"
    return logging.LogRecord("vitrine", logging.WARNING, __file__, 0, text, (lines,), None)


def flush() -> None:
    """Wait for every line that was given, for a moment: before a process ends without further ado."""
    for (process, _), writer in list(_writers.items()):
        if process == os.getpid():
            writer.flush(FLUSH_SECONDS)


def reserve_streams() -> None:
    """Open the standard streams that were closed, on nothing: a socket or a file would get their numbers."""
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            found = os.open(os.devnull, os.O_RDWR)
            if found != descriptor:
                os.dup2(found, descriptor)
                os.close(found)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
