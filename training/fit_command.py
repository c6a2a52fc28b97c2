"""The command ``fit``: trains a configuration, in this process or by several workers."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from training import launching, output
from training.configs.load import load
from training.errors import WorkerLost
from training.options import DATA_OPTION, FOLDER, JSON_OPTION, PATH, need_mlflow, need_tensorflow


@click.command()
@click.argument("config", type=PATH)
@DATA_OPTION
@click.option("--out", type=FOLDER, help="Run folder to create; runs/NAME, or runs/NAME-seedN with --seed N.")
@click.option("--seed", type=int, help="Seed to train with, in the place of CONFIG's.")
@click.option("--resume", is_flag=True, help="Go on from the run folder's checkpoint, as if never stopped.")
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard into RUN/tensorboard.")
@click.option("--mlflow", metavar="URI", help="Send the configuration and every epoch's numbers to MLflow.")
@click.option(
    "--workers",
    type=click.IntRange(1, launching.MOST),
    default=1,
    show_default=True,
    help="Processes on this machine, each of which takes a part of every batch.",
)
@click.option(
    "--cluster",
    envvar="TF_CONFIG",
    help="host:port of every worker, with commas between, where they run on several machines; or what "
    "TF_CONFIG says.",
)
@click.option("--worker-index", type=click.IntRange(0), help="Which of --cluster this is, from 0.")
@JSON_OPTION
def fit(
    config: Path, data_folder: Path | None, out: Path | None, seed: int | None, as_json: bool, **how: Any
) -> None:
    """Train the model that CONFIG, a TOML file, describes.

    Ctrl-C stops after the step under way; --resume goes on from the last whole epoch, to the same weights. A
    second Ctrl-C ends at once.
    """
    from training import runs

    experiment = load(config)
    if seed is not None:
        experiment = experiment.replaced({"seed": seed})
    if how["mlflow"] is not None:
        need_mlflow()
    run = out or Path("runs") / (experiment.name if seed is None else f"{experiment.name}-seed{seed}")
    started = how["workers"] if how["worker_index"] is None else 1
    place = launching.place_of(how["cluster"], how["worker_index"]) if started == 1 else None
    if place is None or place.index == 0:
        runs.check_folder(run, how["resume"])
    again = {"--out": run, "--data": data_folder, "--seed": seed, "--mlflow": how["mlflow"]} | _of_workers(
        how
    )
    with output.telling_how_to_resume(config, again, how["tensorboard"]):
        if started > 1:
            launching.launch(_arguments(config, again, as_json, how), started)
            return
        with _launched() if how["workers"] > 1 else contextlib.nullcontext():
            _fit(experiment, run, data_folder, as_json, {"config_file": config, "place": place} | how)


def _fit(experiment: Any, run: Path, data_folder: Path | None, as_json: bool, how: dict[str, Any]) -> None:
    """Train in this process, which may be one of several workers."""
    from training import data, runs

    with output.result(as_json) as found:
        need_tensorflow()
        dataset = data.load(experiment.data.name, data_folder, runs.image_fit(experiment))
        from training import pipeline

        place, workers = how["place"], None
        if place is not None:
            from training.fitting.workers import Workers

            workers = Workers(place.addresses, place.index)
        if workers is not None and not workers.leads:
            pipeline.follow(experiment, dataset, workers)
            return
        pipeline.say_found(experiment, dataset)
        options = {name: how[name] for name in ("config_file", "resume", "tensorboard", "mlflow")}
        found |= pipeline.fit(experiment, dataset, run, workers=workers, **options)
        click.echo(f"next: vitrine-train evaluate {run}")


def _of_workers(how: dict[str, Any]) -> dict[str, Any]:
    """Return the options that start the workers of a run once more; none for one process alone."""
    if how["workers"] > 1:
        return {"--workers": how["workers"]}
    return {"--cluster": how["cluster"], "--worker-index": how["worker_index"]}


def _arguments(config: Path, options: dict[str, Any], as_json: bool, how: dict[str, Any]) -> list[str]:
    """Return what every worker of this machine is started with."""
    words = ["fit", str(config), *output.words_of(options)]
    flags = {"--json": as_json, "--resume": how["resume"], "--tensorboard": how["tensorboard"]}
    return words + [flag for flag, given in flags.items() if given]


@contextlib.contextmanager
def _launched() -> Iterator[None]:
    """End a worker that was launched with its launcher, and without a word if it lost another worker.

    The launcher sees which one ended, and says so.
    """
    launching.end_with_the_launcher()
    try:
        yield
    except WorkerLost:
        sys.stdout.flush()
        sys.exit(launching.EXIT_LOST)
