"""``vitrine-train quick``: a folder of pictures -> a published model, by one command."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training import output
from training.errors import RunError
from training.options import FOLDER, JSON_OPTION, PATH, STORE_OPTION, need_tensorflow

if TYPE_CHECKING:
    from training.configs.schema import Config
    from training.data import Dataset
    from training.evaluation.schema import Report

NOTICEABLE = 0.5  # dB, from which on eyes tell two sets of pictures apart


@click.command()
@click.argument("folder", type=PATH)
@click.option("--name", help="The model's name; the folder's if not given.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Of training; reading, measuring and publishing take some more.",
)
@click.option("--size", type=click.IntRange(8), help="Pixels along the longer side; at most 64 if not given.")
@click.option("--mirror", is_flag=True, help="A mirror image of a picture could be one of them too.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True)
@click.option(
    "--from",
    "source",
    help="Go on from this model: NAME@VERSION or NAME in the store, a version's folder, or a run folder.",
)
@click.option("--out", type=FOLDER, help="Run folder to create; runs/NAME if not given.")
@STORE_OPTION
@JSON_OPTION
def quick(folder: Path, as_json: bool, store: Path, out: Path | None, **asked: Any) -> None:
    """Train a model on the pictures in FOLDER and publish it: fit, evaluate and export in one.

    Subfolders are classes. Size, colours, networks and rate are chosen by the pictures; what was chosen
    stands in the run folder as a TOML file for vitrine-train fit. 20 pictures at least, better 200 and more.
    """
    from training import data, defaults, runs

    name = asked["name"] or defaults.name_of(folder.resolve().name)
    run = out or Path("runs") / name
    runs.check_folder(run, resume=False)
    file = run / f"{name}.toml"
    options = {"--out": run, "--data": folder}
    with output.result(as_json) as found, output.telling_how_to_resume(file, options, tensorboard=False):
        need_tensorflow()
        started = _started(asked["source"], store)
        dataset = data.load("images", folder, _fit(asked["size"], started))
        _say_if_few(dataset)
        experiment = _experiment(name, dataset, asked, started)
        from training import pipeline

        pipeline.say_found(experiment, dataset)
        experiment = _resolved(experiment, dataset, run, file)
        found["fit"] = pipeline.fit(experiment, dataset, run, config_file=file)
        report = pipeline.evaluate(run, dataset)
        found["export"] = pipeline.export(run, dataset, store)
        found["verdict"] = verdict(report, len(dataset.train))
        click.echo("\n".join(found["verdict"]))
        click.echo(f"serve it: vitrine serve --model-store {store}")
        click.echo(f"then look: http://127.0.0.1:8000/?model={name}")


def _started(source: str | None, store: Path) -> "tuple[str, Config, tuple[int, ...]] | None":
    """Return the folder of what to go on from, its experiment and the shape of its images."""
    if source is None:
        return None
    from training.fitting import start
    from training.publish import versions

    found = versions.named(source, store)
    if found is None:
        raise RunError(f"--from {source}: neither a folder nor a version in {store}; name one of these")
    return str(found), *start.experiment_of(found)


def _fit(size: int | None, started: "tuple[str, Config, tuple[int, ...]] | None") -> Any:
    from training import data, defaults

    if started is None:
        return data.Fit(halvings=defaults.HALVINGS, longest=size or defaults.LONGEST)
    height, width, *colours = started[2]
    if size not in (None, max(height, width)):
        raise click.UsageError(f"--size: the model of --from draws {height} x {width}; leave --size out")
    return data.Fit((height, width), (colours or [1])[0])


def _say_if_few(dataset: "Dataset") -> None:
    from training import defaults

    count = len(dataset.train) + len(dataset.validation) + len(dataset.test)
    if count < defaults.FEW:
        click.echo(
            f"warning: {count} pictures are few; expect soft pictures near to the ones you have, and bring "
            f"{defaults.FEW} or more if you can",
            err=True,
        )


def _experiment(name: str, dataset: "Dataset", asked: dict[str, Any], started: Any) -> "Config":
    from training import defaults

    if started is None:
        return defaults.experiment(
            name, dataset, asked["minutes"], seed=asked["seed"], mirror=asked["mirror"]
        )
    source, before, _ = started
    return defaults.going_on(before, name, dataset, asked["minutes"], source)


def _resolved(experiment: "Config", dataset: "Dataset", run: Path, file: Path) -> "Config":
    """Return the experiment with epochs in the place of minutes, and write it down as what fit takes."""
    from training import defaults, runs
    from training.configs.load import to_toml
    from training.fitting import budget
    from training.fitting.fit import compiled

    experiment = defaults.patient(budget.resolved(experiment, dataset, compiled))
    with runs.writing(run):
        run.mkdir(parents=True, exist_ok=True)
    with runs.replacing(file) as content:
        content.write(to_toml(experiment.as_dict()).encode())
    return experiment


def verdict(report: "Report", num_train: int) -> list[str]:
    """Return how good the reconstructions of held-out pictures are, and what to do if they are not good."""
    measured = report.reconstruction
    model, pca = (
        -10 * math.log10(max(error, 1e-12))
        for error in (measured.reconstruction_mse, measured.pca_reconstruction_mse)
    )
    components = min(len(report.axes), num_train - 1)  # as many as pictures give
    told = (
        f"{measured.num_images} pictures that training never saw come back with a PSNR of {model:.1f} dB; "
        f"PCA with {components} numbers a picture: {pca:.1f} dB"
    )
    if model >= pca + NOTICEABLE:
        return [told, f"that is {model - pca:.1f} dB better than PCA"]
    compared = "no better than" if model > pca - NOTICEABLE else f"{pca - model:.1f} dB worse than"
    more = "more pictures, if you have them, or " if num_train < 1_000 else ""
    return [told, f"that is {compared} PCA: bring {more}more time (--minutes), or a smaller --size"]
