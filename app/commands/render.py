"""``vitrine render --seeds``: a data set of images, a file for each, or in shards."""

import json
import re
from typing import TYPE_CHECKING, Any

import click

from app.commands.exits import errors_leave
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

if TYPE_CHECKING:
    from app.rendering.job import Job

_SEEDS = re.compile(r"([0-9]{1,19})\.\.([0-9]{1,19})")


class _Seeds(click.ParamType[Any, Any]):
    """``A..B``: both and all between."""

    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the first seed and their number."""
        from app.jobs.job import MAX_IMAGES

        found = _SEEDS.fullmatch(str(value))
        if found is None or int(found[1]) > int(found[2]):
            self.fail(f"{value!r}: expected two whole numbers in order, like 0..999999", param, ctx)
        first, count = int(found[1]), int(found[2]) - int(found[1]) + 1
        if count > MAX_IMAGES:
            self.fail(f"{value!r}: expected at most {MAX_IMAGES} seeds. Received: {count}", param, ctx)
        return first, count


@click.command("render")
@click.option("--seeds", type=_Seeds(), required=True, help="One image of each seed, from A to B with both.")
@click.option(
    "--out", "-o", required=True, help="Folder, or an address that fsspec knows, like s3://bucket/x."
)
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
@working
@errors_leave()
def render_seeds(**given: Any) -> None:
    """Draw a data set: one image of each seed, with an index of seeds, labels and digests.

    What is there already is not drawn again. After an interruption, the same command goes on; the files are
    those of a run that nobody interrupted.
    """
    from app.jobs.run import run
    from app.rendering.drawer import Drawing

    require_folder(given["out"])
    report = Report(given["as_json"])
    with ends_in_one_line(given["out"]):
        job, classes, model_store = _job(given)
        make = maker_of(given, Drawing(job, given["out"], model_store))
        shards = run(job, given["out"], {"classes": classes}, make, report)
    if given["as_json"]:
        told = summary(given["out"], job, shards, report) | {"drawn": report.done}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(
        f"{given['out']}: {counted(job.count, 'image')} of {job.model} in {counted(job.shards, 'shard')}"
    )


def _job(given: dict[str, Any]) -> tuple["Job", tuple[str, ...], str]:
    """Return the data set that is asked for, its classes, and the store of its model; opens the model."""
    from app.images import Asked, Maker, open_version
    from app.rendering.job import Job
    from app.rendering.shards import check_format

    found, version, model_store = version_of(given)
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
    return job, maker.classes, model_store
