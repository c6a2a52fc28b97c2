"""One process that decodes uploads, as the service sees it."""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from app.decoding import messages
from app.errors import DecoderUnavailable
from app.settings import PROJECT, for_decoders

START_SECONDS = 30.0  # a busy machine may take some to import Pillow and NumPy
BY_THE_CLOCK = 2.0  # times as many seconds as of processor time, as others need the processor too
_END_SECONDS = 5.0

# Its path for imports is the service's own; that of variables and the current folder are left out.
_START = """
import json, socket, sys, traceback
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
try:
    from app.decoding import child
except Exception:
    from app.decoding import messages
    trace = {"trace": traceback.format_exc()}
    messages.send(socket.socket(fileno=given["descriptor"]), messages.FAILED, trace)
    sys.exit(1)
child.main(given["descriptor"], child.Bounds(**given["bounds"]))
"""


log = logging.getLogger("vitrine")


# Freed memory goes back to the system at once, and no package starts threads.
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Allowance(NamedTuple):
    """What each decoder may take.

    Args:
        memory: bytes beside what it has when it starts.
        seconds: of processor time for one upload; twice as many by the clock.
        idle_seconds: after which it ends if nobody needs it.
    """

    memory: int
    seconds: float
    idle_seconds: float = 60.0


class EndedError(Exception):
    """A decoder ended before it answered.

    Args:
        status: its exit status, negative for a signal; None: it is stuck, or what it said was no answer.
        took: whether it had taken the upload; else another one can be asked.
        why: in words.
    """

    def __init__(self, status: int | None, took: bool, why: str) -> None:
        super().__init__(why)
        self.status, self.took = status, took


class Decoder:
    """A process that was started; ends with the service. One thread at a time may ask it.

    Raises:
        DecoderUnavailable: it cannot be started.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._ended = threading.Event()
        started: Future[subprocess.Popen[bytes]] = Future()
        try:
            self._connection, theirs = socket.socketpair()
        except OSError as error:
            raise _not_started(error) from error
        try:
            with theirs:
                arguments = (self._command(theirs.fileno()), theirs.fileno(), started)
                # The system ends a process with the thread that started it, where it was asked to end it
                # with its parent: this one stays, and takes up the exit status at once.
                threading.Thread(target=self._look_after, args=arguments, name="decoder", daemon=True).start()
                self._process = started.result()
            hello = messages.receive(self._connection, 0, time.monotonic() + START_SECONDS)
            if hello.kind != messages.READY:
                raise RuntimeError(hello.words.get("trace"))
        except BaseException as error:
            self._connection.close()
            if started.done() and not started.exception():
                started.result().kill()
            if not isinstance(error, OSError | RuntimeError | EOFError | messages.GarbledError):
                raise
            raise _not_started(error) from error

    @property
    def number(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, as it is after some time without uploads."""
        return self._ended.is_set()

    def ask(self, words: dict[str, Any], contents: Sequence[bytes], most: int) -> messages.Message:
        """Return what it says to an upload.

        Args:
            words: what is asked.
            contents: of the files.
            most: bytes that an answer has at most.

        Raises:
            EndedError: it has ended, or was ended, as it was stuck or said what is no answer.
        """
        until, took = time.monotonic() + BY_THE_CLOCK * self._allowance.seconds, False
        try:
            messages.send(self._connection, messages.ASK, words, contents, until)
            took = True
            words_at_most = messages.MAX_WORDS + messages.WORDS_A_FILE * len(contents)
            return messages.receive(self._connection, most, until, words_at_most)
        except TimeoutError:
            self.end()
            raise EndedError(
                None, True, f"no answer within {BY_THE_CLOCK * self._allowance.seconds:g} s"
            ) from None
        except messages.GarbledError as error:
            self.end()
            raise EndedError(None, True, f"an answer that is none: {error}") from error
        except (EOFError, OSError) as error:
            self._ended.wait(_END_SECONDS)  # it may still be ending
            self.end()
            status = self._process.returncode
            # After a time without uploads it ends with 0, which may be just when one comes.
            raise EndedError(status, took and status != 0, _said(status)) from error
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End it, whatever it does, and wait until it has ended."""
        self._connection.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._ended.wait(_END_SECONDS)

    def _command(self, descriptor: int) -> list[str]:
        bounds = {"parent": os.getpid(), **self._allowance._asdict()}
        # An installation that can be edited is found by a hook of its own, which is not there without site.
        given = {"path": [*sys.path, str(PROJECT)], "descriptor": descriptor, "bounds": bounds}
        return [sys.executable, "-I", "-S", "-c", _START, json.dumps(given)]

    def _look_after(
        self, command: list[str], descriptor: int, started: "Future[subprocess.Popen[bytes]]"
    ) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[descriptor],
                env=for_decoders() | _ENVIRONMENT,
                start_new_session=True,  # what a terminal sends to the service is for that alone
            )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()
        self._ended.set()


def _not_started(error: Exception) -> DecoderUnavailable:
    log.error("a process that decodes uploads cannot be started: %s", str(error) or "it ended")
    return DecoderUnavailable("No process that decodes uploads can be started.")


def _said(status: int | None) -> str:
    """Return an exit status in words."""
    if status is None:
        return "its connection was closed"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
