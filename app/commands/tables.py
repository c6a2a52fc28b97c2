"""``vitrine score`` and ``vitrine encode`` of many images: a row for each, in a table."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from app.commands.exits import EXIT_FAILURE, errors_leave, leave
from app.commands.jobs import (
    Report,
    counted,
    ends_in_one_line,
    maker_of,
    require_folder,
    summary,
    version_of,
    working,
)
from app.tabulating.places import is_table

if TYPE_CHECKING:
    from app.jobs.records import Shard
    from app.tabulating.job import Format, Kind, TableJob
    from app.tabulating.places import Place

FLAGS = ("--json", "--strict", "--force", "--local", "--help", "-h")  # of either command of a name

F = TypeVar("F", bound=Callable[..., Any])


def is_meant(args: list[str]) -> bool:
    """Say whether arguments name a place of many images: a folder, or a file that is called like a table."""
    for before, each in zip(["", *args], args, strict=False):
        is_value = before.startswith("-") and "=" not in before and before not in FLAGS
        if not is_value and not each.startswith("-") and (Path(each).is_dir() or is_table(Path(each).name)):
            return True
    return False


class _Seed(click.ParamType[Any, Any]):
    """A number, or a word that stands for one."""

    name = "seed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        from app.explore.seeds import read_seed

        try:
            return value if isinstance(value, int) else read_seed(str(value))
        except ValueError:
            self.fail(f"{value!r}: expected 0..2^63-1, or a word of up to 64 characters", param, ctx)


def _about_images(command: F) -> F:
    """Give a command the options that say which images, and where their table goes."""
    for option in (
        click.option("--strict", is_flag=True, help="Exit 1 if an image could not be read."),
        click.option("--force", is_flag=True, help="Write over a file that is there."),
        click.option(
            "--shard-images",
            type=click.IntRange(1, 1_000_000),
            default=200,
            show_default=True,
            help="Images in a shard: what is done at a time, and again after an interruption.",
        ),
        click.option(
            "--invert",
            type=click.Choice(["no", "yes", "auto"]),
            default="no",
            show_default=True,
            help="Dark on light becomes light on dark, or back; auto: by the border of each.",
        ),
        click.option("--label-column", help="Of a Parquet file; `label` if it has that."),
        click.option("--column", help="Of a Parquet file, with the images; else the only one of bytes."),
        click.option(
            "--out",
            "-o",
            required=True,
            help="Folder, or an address that fsspec knows; or a file x.parquet, x.csv or x.npz.",
        ),
        click.argument("place", type=click.Path(exists=True)),
    ):
        command = option(command)
    return command


_SEED = click.option("--seed", type=_Seed(), default=42, show_default=True, help="Of the draws' noise.")


@click.command("score")
@_about_images
@click.option(
    "--format", "kind", type=click.Choice(["parquet", "csv", "npz"]), help="Of the shards in a folder."
)
@click.option(
    "-k",
    "--k",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    help="Draws of q(z given x) for each image.",
)
@_SEED
@working
@errors_leave()
def score_images(**given: Any) -> None:
    """Say how unusual each image of PLACE is: a folder, a Parquet file, a tar file, or a folder of such.

    A row has the numbers of `POST /score` for that file, its name, its label and its SHA-256. A file that
    cannot be read has a row that says why. After an interruption, the same command goes on.
    """
    _tabulate("score", given)


@click.command("encode")
@_about_images
@click.option(
    "--format", "kind", type=click.Choice(["parquet", "csv", "npz"]), help="Of the shards in a folder."
)
@click.option(
    "--draws", "k", type=click.IntRange(0), default=0, show_default=True, help="Of each posterior, beside."
)
@_SEED
@working
@errors_leave()
def encode_images(**given: Any) -> None:
    """Say what each image of PLACE encodes to: a folder, a Parquet file, a tar file, or a folder of such.

    A row has z_mean, z_log_var and the KL of `POST /encode` for that file, its name, its label and its
    SHA-256. A file that cannot be read has a row that says why. After an interruption, the same command
    goes on.
    """
    _tabulate("encode", given)


class _Goal(NamedTuple):
    """Where a table goes.

    Args:
        address: of the shards.
        file: that they are joined into; None: they stay.
        format: of each.
    """

    address: str
    file: Path | None
    format: "Format"


def _tabulate(kind: "Kind", given: dict[str, Any]) -> None:
    from app.jobs.run import run
    from app.tabulating.task import Tabulating

    report = Report(given["as_json"])
    goal = _goal(given)
    with ends_in_one_line(given["out"]):
        job, place, left_out, model_store = _job(kind, goal, given)
        _require_free(job, goal, given)
        make = maker_of(given, Tabulating(job, place, goal.address, model_store))
        shards = run(job, goal.address, {"source": Path(place.path).name}, make, report)
        if goal.file is not None:
            _join(job, goal, goal.file)
    _tell(job, shards, left_out, given, report)


def _goal(given: dict[str, Any]) -> _Goal:
    """Return where a table goes, or refuse it."""
    out, kind = given["out"], given["kind"]
    ending = Path(out).suffix.lower()[1:]
    if ending not in ("parquet", "csv", "npz"):
        require_folder(out)
        return _Goal(out, None, kind or "parquet")
    if "://" in out:
        raise click.UsageError(f"--out {out}: at an address, name a folder; --format says what it holds.")
    if kind not in (None, ending):
        raise click.UsageError(f"--format {kind}: the end of {out} says another one.")
    file, parts = Path(out), f"{out}.parts"
    if not file.absolute().parent.is_dir():
        raise click.UsageError(f"--out {out}: {file.absolute().parent} is no folder; make it first.")
    if file.is_dir():
        raise click.UsageError(f"--out {out}: a folder is there of that name.")
    if Path(parts).exists() and not Path(parts).is_dir():
        raise click.UsageError(f"--out {out}: its parts need a folder {parts}, and a file is there.")
    return _Goal(parts, file, cast("Format", ending))


def _require_free(job: "TableJob", goal: _Goal, given: dict[str, Any]) -> None:
    """Refuse to write over a finished table, unless its writing over was begun by this very job."""
    from app.jobs.run import is_begun

    if goal.file is None or not goal.file.exists() or given["force"]:
        return
    if not is_begun(job, goal.address):
        leave(EXIT_FAILURE, f"{given['out']} is there already; --force writes over it, --out names another")


def _job(kind: "Kind", goal: _Goal, given: dict[str, Any]) -> tuple["TableJob", "Place", int, str]:
    """Return the job, where its images are, how many files are none, and the store; opens the model."""
    from app.images import open_version
    from app.settings import load_settings
    from app.tabulating.job import TableJob
    from app.tabulating.measuring import Measure
    from app.tabulating.places import Place
    from app.tabulating.writing import check_format

    check_format(goal.format)
    found, version, model_store = version_of(given)
    settings = load_settings()
    path = str(Path(given["place"]).absolute())
    place = Place(path, settings.max_upload_bytes, given["column"], given["label_column"])
    images = place.open()
    job = TableJob.of(
        model=version.pinned,
        digest=version.manifest.digest,
        count=images.count,
        shard_images=given["shard_images"],
        kind=kind,
        images_sha256=images.fingerprint,
        format=goal.format,
        invert=given["invert"],
        k=given["k"],
        seed=given["seed"],
    )
    Measure(job, open_version(found, version), settings)  # what cannot be done is told before anything is
    return job, place, images.left_out, model_store


def _join(job: "TableJob", goal: _Goal, file: Path) -> None:
    from app.tabulating.task import file_of
    from app.tabulating.writing import join

    parts = Path(goal.address)
    join(job, [parts / file_of(job, number) for number in range(job.shards)], file)
    shutil.rmtree(parts, ignore_errors=True)


def _tell(
    job: "TableJob", shards: list["Shard"], left_out: int, given: dict[str, Any], report: Report
) -> None:
    """Say what was done; with ``--strict``, end with 1 if an image could not be read."""
    unread = sum(shard.unread for shard in shards)
    if given["as_json"]:
        told = summary(given["out"], job, shards, report)
        told |= {"done": report.done, "unread": unread, "left_out": left_out}
        click.echo(json.dumps(told, indent=2))
    else:
        done = "scores" if job.kind == "score" else "codes"
        line = f"{given['out']}: {done} of {counted(job.count, 'image')} by {job.model}"
        line += f"; {unread} could not be read: see the column error" if unread else ""
        line += f"; left out, as no picture by its name: {left_out}" if left_out else ""
        click.echo(line)
    if unread and given["strict"]:
        leave(EXIT_FAILURE, f"{unread} of {counted(job.count, 'image')} could not be read")
