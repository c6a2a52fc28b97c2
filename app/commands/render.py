"""``vitrine render --seeds``: a data set of images, a file for each, or in shards."""

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from app.commands.exits import EXIT_FAILURE, EXIT_USAGE, errors_leave, leave

if TYPE_CHECKING:
    from app.rendering.job import Job
    from app.rendering.run import Draw, Progress

EXIT_INTERRUPTED = 130  # as shells have it for SIGINT
TOLD_SECONDS = 10.0  # between two lines of progress, where no terminal shows one that changes
_SEEDS = re.compile(r"([0-9]{1,19})\.\.([0-9]{1,19})")


class _Seeds(click.ParamType[Any, Any]):
    """``A..B``: both and all between."""

    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the first seed and their number."""
        found = _SEEDS.fullmatch(str(value))
        if found is None or int(found[1]) > int(found[2]):
            self.fail(f"{value!r}: expected two whole numbers in order, like 0..999999", param, ctx)
        return int(found[1]), int(found[2]) - int(found[1]) + 1


@click.command("render")
@click.option("--seeds", type=_Seeds(), required=True, help="One image of each seed, from A to B with both.")
@click.option(
    "--out", "-o", required=True, help="Folder, or an address that fsspec knows, like s3://bucket/x."
)
@click.option("--model", help="NAME, NAME@VERSION or NAME@VERSION-DIGEST; the default model if not given.")
@click.option("--model-store", type=click.Path(exists=True, file_okay=False), help="Folder with the models.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["webdataset", "parquet", "png"]),
    default="webdataset",
    show_default=True,
    help="Shards as tar files for WebDataset, or as Parquet; or a PNG file for each image.",
)
@click.option(
    "--shard-images",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="Images in a shard.",
)
@click.option(
    "--temperature", type=click.FloatRange(0, 4), default=1.0, show_default=True, help="Of the codes."
)
@click.option("--render", type=click.Choice(["mean", "draw"]), help="What is shown; else as the model says.")
@click.option("--label", help="Class, by its name or number; all of the prior if not given.")
@click.option("--prior", type=click.Choice(["standard_normal", "gaussian_mixture"]), help="Of the codes.")
@click.option("--processes", type=click.IntRange(1, 256), help="That draw; one for each core if not given.")
@click.option("--ray", "cluster", help="Draw on the Ray cluster at this address; `local` starts one here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end.")
@errors_leave()
def render_seeds(**given: Any) -> None:
    """Draw a data set: one image of each seed, with an index of seeds, labels and digests.

    What is there already is not drawn again. After an interruption, the same command goes on; the files are
    those of a run that nobody interrupted.
    """
    from app.errors import InvalidParameter
    from app.rendering.job import InvalidJob
    from app.rendering.run import Interrupted, run

    try:
        job, classes, model_store = _job(given)
        draw = _draw(given, model_store)
        report = _Report(as_json=given["as_json"])
        shards = run(job, given["out"], classes, draw, report)
    except InvalidParameter as error:
        leave(EXIT_USAGE, error.detail)
    except InvalidJob as error:
        leave(EXIT_USAGE, str(error))
    except Interrupted as error:
        leave(EXIT_FAILURE, f"{error}. The same command goes on from there.")
    except KeyboardInterrupt:
        leave(EXIT_INTERRUPTED, "interrupted. The same command goes on from there.")
    except OSError as error:
        leave(
            EXIT_FAILURE, f"{given['out']}: {error.strerror or error}. The same command goes on from there."
        )
    num_bytes = sum(size for shard in shards for size, _ in shard.files.values())
    if given["as_json"]:
        told = {"out": given["out"], "model": job.model, "images": job.count, "shards": job.shards}
        told |= {"bytes": num_bytes, "drawn": report.drawn, "images_per_second": round(report.per_second, 1)}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"{given['out']}: {job.count} images of {job.model} in {job.shards} shards")


def _job(given: dict[str, Any]) -> tuple["Job", tuple[str, ...], str]:
    """Return the data set that is asked for, its classes, and the store of its model; opens the model."""
    from app import store
    from app.images import Asked, Maker, open_version
    from app.mirror import stores
    from app.rendering.job import Job
    from app.rendering.shards import check_format
    from app.settings import load_settings

    options = {"default_model": given["model"], "model_store": given["model_store"]}
    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    settings, folder, _ = stores.prepared(settings, fresh=True)
    found = store.scan(folder, trusted=settings.trusted)
    version = found.find(settings.for_store(found.names).default_model)
    asked = Asked(given["temperature"], given["render"], given["label"], given["prior"])
    maker = Maker(open_version(found, version), asked)  # what cannot be drawn is told before anything is
    first, count = given["seeds"]
    job = Job.of(
        model=version.pinned,
        digest=version.manifest.digest,
        first_seed=first,
        count=count,
        shard_images=given["shard_images"],
        format=given["kind"],
        temperature=given["temperature"],
        render=maker.render,
        label=given["label"],
        prior=given["prior"],
    )
    check_format(job)
    return job, maker.classes, str(settings.model_store)


def _draw(given: dict[str, Any], model_store: str) -> "Draw":
    from app.cores import available_cores
    from app.rendering.run import by_processes

    if given["cluster"] is None:
        return by_processes(given["processes"] or available_cores(), given["out"], model_store)
    if given["processes"] is not None:
        raise click.UsageError("--processes is of this machine, and goes without --ray.")
    from app.rendering.ray import by_ray

    return by_ray(given["cluster"], given["out"], model_store)


class _Report:
    """Tells how far it is: in one line that changes on a terminal, else in a line now and then."""

    def __init__(self, as_json: bool) -> None:
        self._changes = sys.stderr.isatty() and not as_json
        self._told: float | None = None
        self._before: int | None = None
        self.drawn, self.per_second = 0, 0.0

    def __call__(self, progress: "Progress") -> None:
        """Take up progress, and tell it if it is time."""
        if self._before is None:
            self._before = progress.images
        self.drawn, self.per_second = progress.images - self._before, progress.per_second
        now, whole = time.monotonic(), progress.images == progress.total
        if self._changes or whole or self._told is None or now - self._told >= TOLD_SECONDS:
            self._told = now
            line = _line(progress)
            click.echo(f"\r{line:<78}" if self._changes else line, err=True, nl=not self._changes or whole)


def _line(progress: "Progress") -> str:
    done = f"{progress.images:,} of {progress.total:,} images"
    left = progress.seconds_left
    if left is None or progress.images == progress.total:
        return done
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{done}, {progress.per_second:,.0f} a second, {hours}:{minutes:02}:{seconds:02} left"
