"""The runs of a sweep: trained in processes, each under a lock of its own, and compared in a table."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click

from training import runs
from training.configs.load import load
from training.errors import Interrupted, RunError

if sys.platform != "win32":
    import fcntl

COMMAND = (sys.executable, "-m", "training.cli")
CHECKED_EVERY = 0.5  # seconds
NUMBERS = ("val_loss", "val_bits_per_dim", "val_kl", "val_mse")  # of the table
TABLE = "sweep.json"
LOG = "fit.log"


class Job(NamedTuple):
    """One run of a sweep."""

    config: Path
    name: str  # of the experiment
    seed: int
    run: Path

    @property
    def finished(self) -> bool:
        """Whether its run has come to its end, wherever that was."""
        return (self.run / runs.ENVIRONMENT).exists()


def refuse_other_experiments(jobs: Sequence[Job]) -> None:
    """Refuse, by a RunError, finished runs that were of another configuration."""
    for job in jobs:
        if job.finished:
            before, now = runs.read(job.run)[0], load(job.config).replaced({"seed": job.seed})
            if now.optimizer.minutes is None and before != now:
                raise RunError(f"{job.run}: holds a run of another experiment; name another folder by --out")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted, while this lasts, when Ctrl-C or SIGTERM comes."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # outside the main thread Python forbids it
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(jobs: Sequence[Job], options: list[str], processes: int) -> list[Job]:
    """Train what is not finished yet, here or elsewhere, and return what failed here."""
    waiting, failed = [job for job in jobs if not job.finished], []
    for job in jobs:
        if job.finished:
            click.echo(f"{job.run}: finished before")
    with contextlib.ExitStack() as stack:
        running: dict[Job, subprocess.Popen[bytes]] = {}
        stack.callback(_stop, running)
        while waiting or running:
            for job in [job for job, process in running.items() if process.poll() is not None]:
                code = running.pop(job).returncode
                click.echo(f"{job.run}: {'finished' if code == 0 else f'ended with exit code {code}'}")
                failed += [job] if code else []
            for job in [job for job in waiting if len(running) < processes]:
                if job.finished:  # another machine was at it
                    waiting.remove(job)
                elif len(running) < processes and (started := _started(job, options)) is not None:
                    waiting.remove(job)
                    running[job] = started
            time.sleep(CHECKED_EVERY)
    return failed


def _started(job: Job, options: list[str]) -> "subprocess.Popen[bytes] | None":
    """Return the process that trains a run; None, if another one is at it, on whatever machine."""
    with _locked(job) as lock:
        if lock is None or job.finished:
            return None
        begun = job.run.is_dir() and any(job.run.iterdir())
        words = ["fit", str(job.config), "--seed", str(job.seed), "--out", str(job.run), *options]
        words += ["--resume"] if begun else []
        click.echo(f"{job.run}: {'resumed' if begun else 'begun'}")
        log = job.run.with_name(f"{job.run.name}.{LOG}")
        with runs.writing(log), log.open("ab") as said:
            # The process inherits the lock, which lasts as long as anybody has it.
            return subprocess.Popen(  # noqa: S603
                [*COMMAND, *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=lock,
                start_new_session=True,  # a signal of a terminal reaches it through this process, and once
            )


@contextlib.contextmanager
def _locked(job: Job) -> Iterator[tuple[int, ...] | None]:
    """Give the descriptor of a run's lock, or None, if another process has it. Windows has no such lock."""
    if sys.platform == "win32":
        yield ()
        return
    path = job.run.with_name(f"{job.run.name}.lock")
    with runs.writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield (descriptor,)
    finally:
        os.close(descriptor)


def _stop(running: "dict[Job, subprocess.Popen[bytes]]") -> None:
    """Have the runs that go on stop after the step under way: they can be resumed."""
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait()


def table_of(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return the numbers of the epochs whose weights are kept: by run, and by name as mean and spread.

    ``sd`` is the standard deviation over seeds (n - 1); None for one seed.
    """
    rows = []
    for job in jobs:
        if job.finished:
            _, recorded = runs.read(job.run)
            history, kept = runs.history(job.run), recorded["epoch"]
            numbers = {name: history[name][kept - 1] for name in NUMBERS}
            rows.append({"name": job.name, "seed": job.seed, "run": str(job.run), "epoch": kept} | numbers)
    summary = {}
    for name in dict.fromkeys(row["name"] for row in rows):
        values = {number: [row[number] for row in rows if row["name"] == name] for number in NUMBERS}
        summary[name] = {"runs": len(values[NUMBERS[0]])} | {
            number: {"mean": statistics.fmean(each), "sd": statistics.stdev(each) if len(each) > 1 else None}
            for number, each in values.items()
        }
    return {"runs": rows, "summary": summary}


def show(table: dict[str, Any]) -> None:
    """Print a table: a line for each run, then mean and spread of each name."""
    lines = [("name", "seed", *NUMBERS)]
    lines += [
        (row["name"], str(row["seed"]), *(f"{row[number]:.4f}" for number in NUMBERS))
        for row in table["runs"]
    ]
    for name, found in table["summary"].items():
        means = [f"{found[number]['mean']:.4f}" for number in NUMBERS]
        lines.append((name, f"mean of {found['runs']}", *means))
        if found["runs"] > 1:
            lines.append((name, "sd", *(f"{found[number]['sd']:.4f}" for number in NUMBERS)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())
