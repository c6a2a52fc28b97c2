"""What the commands of jobs in shards have in common: options, the model, progress, and their end."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.commands.exits import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, leave

if TYPE_CHECKING:
    from app.jobs.job import ShardedJob
    from app.jobs.records import Shard
    from app.jobs.run import Make, Progress
    from app.jobs.worker import Task
    from app.store import Store, Version

GOES_ON = "The same command goes on from there."
TOLD_SECONDS = 10.0  # between two lines of progress, where no terminal shows one that changes

F = TypeVar("F", bound=Callable[..., Any])


def working(command: F) -> F:
    """Give a command the options that say by which model, and by what."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON at the end."),
        click.option(
            "--ray", "cluster", help="Work on the Ray cluster at this address; `local` starts one here."
        ),
        click.option(
            "--processes", type=click.IntRange(1, 256), help="That work; one for each core if not given."
        ),
        click.option("--model-store", type=click.Path(), help="Folder with the models, or an address."),
        click.option(
            "--model", help="NAME, NAME@VERSION or NAME@VERSION-DIGEST; the default model if not given."
        ),
    ):
        command = option(command)
    return command


def require_folder(out: str) -> None:
    """Refuse a place that is standard output, a file or below one: a job has many files.

    Raises:
        click.UsageError: it is one.
    """
    if out == "-":
        raise click.UsageError("--out -: name a folder; nothing goes to standard output.")
    if "://" in out:
        return
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise click.UsageError(f"--out {out}: a file is there of that name; name a folder.")
    for above in path.parents:
        if above.exists() and not above.is_dir():
            raise click.UsageError(f"--out {out}: {above} is a file; name a folder elsewhere.")


def version_of(given: dict[str, Any]) -> tuple["Store", "Version", str]:
    """Return the store that a command is about, the version in it, and where the store is."""
    from app import store
    from app.mirror import stores
    from app.settings import load_settings

    options = {"default_model": given["model"], "model_store": given["model_store"]}
    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    settings, folder, _ = stores.prepared(settings, fresh=True)
    found = store.scan(folder, trusted=settings.trusted)
    version = found.find(settings.for_store(found.names).default_model)
    return found, version, str(settings.model_store)


def maker_of(given: dict[str, Any], task: "Task") -> "Make":
    """Return what makes the shards of a task: processes of this machine, or a Ray cluster."""
    from app.cores import available_cores
    from app.jobs.run import by_processes

    if given["cluster"] is None:
        return by_processes(given["processes"] or available_cores(), task)
    if given["processes"] is not None:
        raise click.UsageError("--processes is of this machine, and goes without --ray.")
    from app.jobs.ray import by_ray

    return by_ray(given["cluster"], task)


@contextlib.contextmanager
def ends_in_one_line(out: str) -> Iterator[None]:
    """Turn what keeps a job from its end into a line and an exit code; `out`: where it goes."""
    from app.errors import InvalidParameter
    from app.jobs.job import InvalidJob
    from app.jobs.run import Interrupted

    try:
        yield
    except InvalidParameter as error:
        leave(EXIT_USAGE, error.detail)
    except InvalidJob as error:
        leave(EXIT_USAGE, str(error))
    except Interrupted as error:
        leave(EXIT_FAILURE, f"{error}. {GOES_ON}")
    except KeyboardInterrupt:
        leave(EXIT_INTERRUPTED, f"interrupted. {GOES_ON}")
    except OSError as error:
        leave(EXIT_FAILURE, f"{out}: {error.strerror or error}. {GOES_ON}")


def summary(out: str, job: "ShardedJob", shards: list["Shard"], report: "Report") -> dict[str, Any]:
    """Return what a command says at its end, ready for JSON."""
    return {
        "out": out,
        "model": job.model,
        "images": job.count,
        "shards": job.shards,
        "bytes": sum(size for shard in shards for size, _ in shard.files.values()),
        "images_per_second": round(report.per_second, 1),
    }


class Report:
    """Tells how far it is: in one line that changes on a terminal, else in a line now and then.

    Attributes:
        done: images that this run has done.
        per_second: of these.
    """

    def __init__(self, as_json: bool) -> None:
        self._changes = sys.stderr.isatty() and not as_json
        self._told: float | None = None
        self._before: int | None = None
        self.done, self.per_second = 0, 0.0

    def __call__(self, progress: "Progress") -> None:
        """Take up progress, and tell it if it is time."""
        if self._before is None:
            self._before = progress.images
        self.done, self.per_second = progress.images - self._before, progress.per_second
        now, whole = time.monotonic(), progress.images == progress.total
        if self._changes or whole or self._told is None or now - self._told >= TOLD_SECONDS:
            self._told = now
            line = _line(progress)
            click.echo(f"\r{line:<78}" if self._changes else line, err=True, nl=not self._changes or whole)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which has an s unless there is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _line(progress: "Progress") -> str:
    done = f"{progress.images:,} of {counted(progress.total, 'image')}"
    left = progress.seconds_left
    if left is None or progress.images == progress.total:
        return done
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{done}, {progress.per_second:,.0f} a second, {hours}:{minutes:02}:{seconds:02} left"
