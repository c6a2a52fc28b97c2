"""The ``vitrine-train`` command.

TensorFlow, whose import takes seconds, is imported once arguments, configuration, run folder and data are
known to be right: a usage error is told at once.
"""

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training import output
from training.configs.load import load, to_toml
from training.configs.meanings import meanings_of
from training.errors import ConfigError, DataError, RunError, TrainingError
from training.fit_command import fit
from training.importing import import_model
from training.options import (
    DATA_OPTION,
    JSON_OPTION,
    MAP_OPTION,
    PATH,
    RUN_ARGUMENT,
    STORE_OPTION,
    need_tensorflow,
)
from training.quick import quick
from training.sweep import sweep

if TYPE_CHECKING:
    from training.data import Dataset

EXIT_USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine-vae", prog_name="vitrine-train")
def cli() -> None:
    """Train variational autoencoders and publish them to a model store.

    \b
    vitrine-train fit training/configs/fashion-dense.toml
    vitrine-train evaluate runs/fashion-dense
    vitrine-train export runs/fashion-dense
    """  # noqa: D301  \b is click's mark for "keep these lines"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name or a path may be what no terminal can show


def _images(run: Path, data_folder: Path | None) -> "Dataset":
    """Return the images that a finished run was trained on; a RunError if it is none."""
    from training import data, runs

    need_tensorflow()
    config, environment = runs.read(run)
    return data.load_again(config.data.name, data_folder, runs.image_fit(config), environment)


def _images_of_evaluated(run: Path, data_folder: Path | None) -> "Dataset":
    """Return the same of a run that ``evaluate`` has measured; a RunError before that."""
    from training import runs

    runs.read(run)
    if not (run / runs.REPORT).exists():
        raise RunError(f"{run}: not evaluated yet; run vitrine-train evaluate {run} first")
    return _images(run, data_folder)


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@JSON_OPTION
@click.option("--full", is_flag=True, help="L_500 on all test images, L_5000 on 1,000: a card's figures.")
@click.option("--quality", is_flag=True, help="Measure the quality of samples too; takes some minutes.")
@click.option(
    "--reference",
    "--beside",
    "reference_folder",
    type=PATH,
    help="A version's folder or a run whose quality is measured too, against the same real images.",
)
def evaluate(
    run: Path,
    data_folder: Path | None,
    as_json: bool,
    full: bool,
    quality: bool,
    reference_folder: Path | None,
) -> None:
    """Measure the model of RUN on the test split; fit its prior first, if it has one to fit.

    Writes report.json, pictures of the numbers and the model card, card.md, into RUN.
    """
    from training import runs
    from training.publish.versions import standing_in_for

    if reference_folder is not None and not quality:
        raise click.UsageError("--reference: what is measured of it is quality; add --quality")
    if reference_folder is not None and (published := standing_in_for(reference_folder)):
        click.echo(f"{reference_folder}: not there; {published} is the reference model", err=True)
        reference_folder = published
    if reference_folder is not None and not (reference_folder / "manifest.json").exists():
        runs.read(reference_folder)  # a RunError, and at once, if it is no run either
    with output.result(as_json) as found:
        dataset = _images(run, data_folder)
        from training import pipeline
        from training.trained import TrainedModel

        reference = TrainedModel.open(reference_folder) if reference_folder is not None else None
        report = pipeline.evaluate(run, dataset, full=full, quality=quality, reference=reference)
        click.echo(f"written to {run}; next: vitrine-train export {run}")
        found |= report.as_dict()


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@click.option("--full", is_flag=True, help="All test images, up to L_500.")
@JSON_OPTION
def recalibrate(run: Path, data_folder: Path | None, full: bool, as_json: bool) -> None:
    """Score the model of RUN as a probability over 256 levels, whatever it was trained with.

    Discretized logistics are fitted around its mean images, then the encoder anew, the decoder frozen; RUN's
    weights stay. The result joins report.json and card.md, so evaluate comes first.
    """
    with output.result(as_json) as result:
        dataset = _images_of_evaluated(run, data_folder)
        from training import pipeline

        found = pipeline.recalibrate(run, dataset, full=full)
        click.echo(f"written to {run}")
        result |= found.as_dict()


@cli.command("final-phases")
@RUN_ARGUMENT
@DATA_OPTION
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Of training, for each objective and seed.",
)
@click.option("--seeds", type=click.IntRange(1, 10), default=3, show_default=True)
@click.option("--k", type=click.IntRange(2, 50), default=5, show_default=True, help="Draws of IWAE and DReG.")
@JSON_OPTION
def final_phases(
    run: Path, data_folder: Path | None, minutes: float, seeds: int, k: int, as_json: bool
) -> None:
    """Train the model of RUN on with its own objective, IWAE and DReG, and compare the bounds.

    RUN's weights stay. The result joins report.json and card.md, so evaluate comes first.
    """
    with output.result(as_json) as result:
        dataset = _images_of_evaluated(run, data_folder)
        from training import pipeline

        found = pipeline.final_phases(run, dataset, minutes=minutes, seeds=seeds, k=k)
        click.echo(f"written to {run}")
        result |= found.as_dict()


cli.add_command(fit)
cli.add_command(sweep)
cli.add_command(quick)
cli.add_command(import_model)

# Cards of published versions print its former name.
cli.add_command(
    click.Command("rescore", params=recalibrate.params, callback=recalibrate.callback, hidden=True)
)


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@STORE_OPTION
@MAP_OPTION
@JSON_OPTION
def export(run: Path, data_folder: Path | None, store: Path, map_images: int | None, as_json: bool) -> None:
    """Publish the model of RUN as the next version in a model store."""
    with output.result(as_json) as found:
        dataset = _images(run, data_folder)
        from training import pipeline

        found |= pipeline.export(run, dataset, store, map_images)
        click.echo(f"serve it: vitrine serve --model-store {store}")


@cli.command()
@click.argument("version", type=PATH)
@DATA_OPTION
@MAP_OPTION
@JSON_OPTION
def convert(version: Path, data_folder: Path | None, map_images: int | None, as_json: bool) -> None:
    """Publish VERSION's folder again as the next version, with the files that a service is fastest with.

    With the data at hand, what a usual score is gets measured too, and the map of the test set made.
    """
    with output.result(as_json) as found:
        need_tensorflow()
        from training.publish.convert import convert as run_convert

        converted = run_convert(version, data_folder, map_images)
        click.echo(f"published {converted}")
        digest = json.loads((converted / "manifest.json").read_text())["digest"]
        found |= {"version": int(converted.name), "folder": str(converted), "digest": digest}


@cli.command()
@click.option("--dataset", "name", default="fashion-mnist", show_default=True, help="Data set with labels.")
@DATA_OPTION
@click.option("--out", type=PATH, help="File to write; runs/classifier-DATASET.npz if not given.")
@click.option("--second", is_flag=True, help="Train the second, by which nothing is chosen.")
@JSON_OPTION
def classifier(name: str, data_folder: Path | None, out: Path | None, second: bool, as_json: bool) -> None:
    """Train a classifier in whose features sample quality is measured.

    The one that the project ships is never overwritten: published numbers hold for its SHA-256 alone.
    """
    from training import data

    with output.result(as_json) as found:
        need_tensorflow()
        dataset = data.load(name, data_folder)
        labels = dataset.known_labels
        from training.metrics import classifier as classifiers

        kind = classifiers.SECOND if second else classifiers.FIRST
        trained = classifiers.train(dataset, kind=kind)
        name = dataset.name + kind.suffix
        out = out or Path("runs") / f"classifier-{name}.npz"
        classifiers.save(trained, out)
        accuracy = trained.accuracy(dataset.test, labels.test)
        click.echo(f"test accuracy {accuracy:.4f}")
        shipped = trained.sha256 == classifiers.PINNED.get(name)
        same = "the same as" if shipped else "not that of"
        click.echo(f"SHA-256 {trained.sha256}, {same} the classifier shipped")
        click.echo(f"written to {out}")
        found |= {"file": str(out), "sha256": trained.sha256, "shipped": shipped, "test_accuracy": accuracy}


@cli.command()
@click.argument("config", type=PATH)
@JSON_OPTION
def describe(config: Path, as_json: bool) -> None:
    """Say what CONFIG will train and what its loss means, without training."""
    experiment = load(config)
    meanings = list(meanings_of(experiment))
    with output.result(as_json) as found:
        click.echo(to_toml(experiment.as_dict()))
        click.echo("\n".join(meanings))
        found |= {"config": experiment.as_dict(), "meaning": meanings}


def main() -> None:
    """Run the command line; a foreseen failure is one line on standard error, never a traceback."""
    try:
        with output.output_arrives():
            cli()
    except TrainingError as error:
        click.echo(f"vitrine-train: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, ConfigError | DataError) else output.EXIT_FAILURE)
    except ModuleNotFoundError as error:
        if error.name not in ("joblib", "keras", "matplotlib", "scipy", "sklearn", "tensorflow"):
            raise
        remedy = "run make setup, or pip install -e '.[train]' in the project's folder"
        click.echo(f"vitrine-train: training needs {error.name}: {remedy}", err=True)
        sys.exit(output.EXIT_FAILURE)


if __name__ == "__main__":
    main()
