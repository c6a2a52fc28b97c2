"""The workers of one machine: started together, watched, and stopped together."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import IO, Any

import click

from training.errors import Interrupted, WorkerLost

MOST = 64  # processes that --workers starts
EXIT_LOST = 75  # of a worker that another one was lost to
CHECKED_EVERY = 0.1  # seconds
GRACE = 3.0  # seconds in which the others may end by themselves, and say why
LONGEST_GRACE = 20.0  # the same, if those that ended were only told that another one did
HOST = "127.0.0.1"
COMMAND = (sys.executable, "-m", "training.cli")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a worker stands among the others."""

    addresses: tuple[str, ...]  # host:port of each
    index: int


def place_of(cluster: str | None, index: int | None) -> Place | None:
    """Return the place that ``--cluster`` and ``--worker-index`` name; None: there are no other workers.

    Args:
        cluster: addresses with commas between, or JSON as ``TF_CONFIG`` has it: a ``cluster`` of jobs
            ``chief`` and ``worker``, and a ``task`` with ``type`` and ``index``.
        index: in the place of the one that the JSON names.

    Raises:
        click.UsageError: these do not name one of several workers.
    """
    if cluster is None:
        if index is not None:
            raise click.UsageError("--worker-index: of which workers? Name all by --cluster")
        return None
    addresses = cluster.split(",")
    if cluster.lstrip().startswith("{"):
        try:
            told = json.loads(cluster)
            chiefs = list(told["cluster"].get("chief", ()))
            addresses = chiefs + list(told["cluster"].get("worker", ()))
            if index is None:
                index = int(told["task"]["index"]) + (told["task"]["type"] == "worker") * len(chiefs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise click.UsageError(f"TF_CONFIG: names no cluster and task ({error!r})") from error
    wrong = [
        each for each in addresses if not each.rpartition(":")[0] or not each.rpartition(":")[2].isdigit()
    ]
    if wrong or len(set(addresses)) < len(addresses):
        told = f"{wrong[0]!r}: expected host:port" if wrong else "an address stands there twice"
        raise click.UsageError(f"--cluster: {told}")
    if index is None or index >= len(addresses):
        told = f"expected a number below {len(addresses)}, the addresses of --cluster"
        raise click.UsageError(f"--worker-index: {told}. Received: {index}")
    return Place(tuple(addresses), index) if len(addresses) > 1 else None


def launch(arguments: Sequence[str], count: int) -> None:
    """Run ``vitrine-train`` with these arguments in so many workers, until all of them have ended.

    The first one has this process's output. A signal that comes is passed on to all of them.

    Raises:
        WorkerLost: one of them ended before its time; the others are stopped.
        Interrupted: a signal came before training began.
        SystemExit: the first one ended with an exit code of its own, and said why.
    """
    cluster = ",".join(f"{HOST}:{port}" for port in free_ports(count))
    with contextlib.ExitStack() as stack:
        words = [*arguments, "--workers", str(count), "--cluster", cluster, "--worker-index"]
        started: list[_Worker] = []
        stack.callback(_end, started)
        received = stack.enter_context(_passing_on(started))
        for index in range(count):
            started.append(_Worker([*words, str(index)], index, stack.enter_context(_said_by(index))))
        while not (ended := [worker for worker in started if worker.process.poll()]):
            if all(worker.process.poll() == 0 for worker in started):
                return
            time.sleep(CHECKED_EVERY)
        _wait(started, GRACE if not received else LONGEST_GRACE)
        if all(worker.process.poll() in (EXIT_LOST, None) for worker in started):
            _wait(started, LONGEST_GRACE)  # one of them hangs, or its end is not known yet
        _tell(started, ended, received)


def _tell(started: "list[_Worker]", ended: "list[_Worker]", received: list[int]) -> None:
    """Leave as the first worker did, if it said why, or else say which worker ended, and how."""
    code = started[0].process.poll()
    if code is not None and code > 0 and code != EXIT_LOST:
        sys.exit(code)
    if received:  # before any of them could stop by itself
        raise Interrupted(received[0])
    causes = [worker for worker in ended if worker.process.returncode != EXIT_LOST]
    causes += [worker for worker in started if worker.process.poll() not in (0, EXIT_LOST)]
    worker = (causes or started)[0]
    raise WorkerLost(f"worker {worker.index} of {len(started)} {worker.told()}; training stopped")


class _Worker:
    """A process that was started; `said` is where its standard error goes, None: to this process's."""

    def __init__(self, words: list[str], index: int, said: IO[bytes] | None) -> None:
        self.index, self.said = index, said
        # What TensorFlow logs of a lost worker says nothing that is not said here; 2 is what training sets.
        level = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": {"2": "3"}.get(level, level)}
        environment.pop("TF_CONFIG", None)
        self.process = subprocess.Popen(  # noqa: S603
            [*COMMAND, *words],
            stdin=subprocess.PIPE,
            stdout=None if said is None else subprocess.DEVNULL,
            stderr=said,
            env=environment,
            start_new_session=True,  # signals of a terminal reach it through this process alone
        )

    def told(self) -> str:
        """Return how it ended, and the last that it said."""
        code = self.process.poll()
        if code is None:
            return "does not answer"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name} (exit code {128 - code})"
        return f"ended with exit code {code}{self._last_words()}"

    def _last_words(self) -> str:
        if self.said is None:
            return ""
        self.said.seek(0)
        lines = [line for line in self.said.read().decode(errors="replace").splitlines() if line.strip()]
        return f" ({lines[-1].removeprefix('vitrine-train: ')})" if lines else ""


def _said_by(index: int) -> Any:
    return contextlib.nullcontext() if index == 0 else tempfile.TemporaryFile()


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(started: "list[_Worker]", seconds: float) -> None:
    """Wait until all have ended, but not for longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(worker.process.poll() is None for worker in started):
        time.sleep(CHECKED_EVERY)


def _end(started: "list[_Worker]") -> None:
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        if worker.process.stdin is not None:
            worker.process.stdin.close()


@contextlib.contextmanager
def _passing_on(started: "list[_Worker]") -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to all that are started, and give a list of those that came."""
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        for worker in started:
            if worker.process.poll() is None:
                worker.process.send_signal(number)

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # outside the main thread Python forbids it
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, pass_on)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_the_launcher() -> None:
    """Have SIGTERM end this process, a worker, once its launcher has ended, however that came."""

    def watch() -> None:
        os.read(0, 1)  # nothing is ever written there: it ends when the other end is closed
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
