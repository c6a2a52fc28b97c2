"""The steps from images to a published version, as commands take them: each says what came of it.

A run folder joins them; every step finds there what the one before left.
"""

import json
from pathlib import Path
from typing import Any

import click

from training.configs.schema import Config
from training.data import Dataset
from training.evaluation import evaluate as evaluation
from training.evaluation.schema import Report
from training.fitting.fit import fit as run_fit
from training.publish import card, maps
from training.publish.export import export as run_export
from training.trained import TrainedModel


def say_found(experiment: Config, dataset: Dataset) -> None:
    """Say what was found of the images; the whole of it will be in data.json."""
    for note in dataset.notes:
        click.echo(note)
    click.echo(f"ground: {dataset.ground}")
    told = " and ".join(f"{number} {split}" for split, number in _images(dataset).items())
    click.echo(f"{experiment.name}: {told} images from {dataset.source}")


def fit(experiment: Config, dataset: Dataset, run: Path, **options: Any) -> dict[str, Any]:
    """Train an experiment into a run folder; return what is found of it, plain values.

    `options` and errors are those of ``training.fitting.fit.fit``.
    """
    result = run_fit(experiment, dataset, run, **options)
    losses = f"loss {result['loss']:.4f}, val_loss {result['val_loss']:.4f}"
    click.echo(f"epoch {result['epoch']}: {losses}, KL {result['kl']:.2f} nats")
    click.echo(f"weights {result['weights_sha256']}")
    click.echo(f"written to {run}")
    found = {"name": experiment.name, "seed": experiment.seed, "run": str(run), "images": _images(dataset)}
    found |= {"source": dataset.source, "notes": dataset.notes, "ground": dataset.ground}
    found |= {key: result.pop(key) for key in ("epoch", "weights_sha256")}
    return found | {"metrics": result}


def evaluate(run: Path, dataset: Dataset, **options: Any) -> Report:
    """Measure the model of a run on the test split, and write its report and card.

    `options` and errors are those of ``training.evaluation.evaluate.evaluate``.
    """
    model = model_of(run, dataset)
    report = evaluation.evaluate(model, dataset, run, **options)
    card.write(model.with_fitted_prior(dataset, run), report, run)
    click.echo("\n".join(report.in_brief()))
    return report


def export(run: Path, dataset: Dataset, store: Path, map_images: int | None = None) -> dict[str, Any]:
    """Publish the model of a run as the next version in a store; return what is found of that version.

    One that is not evaluated yet is measured first. `map_images` as ``maps.chosen`` takes it.
    """
    model = model_of(run, dataset).with_fitted_prior(dataset, run)
    report = evaluation.load_report(run, model.weights_sha256)
    if report is None:
        click.echo("not evaluated yet: measuring on the test split first")
        report = evaluation.evaluate(model, dataset, run)
    version = run_export(model, report, dataset.validation, store, maps.chosen(dataset, map_images))
    click.echo(f"published {version}")
    manifest = json.loads((version / "manifest.json").read_text())
    found = {"name": model.name, "version": int(version.name), "folder": str(version)}
    return found | {key: manifest[key] for key in ("digest", "metrics")}


def model_of(run: Path, dataset: Dataset) -> TrainedModel:
    """Return the model of a run; `dataset`, of which earlier runs did not measure the ground, tells that."""
    model = TrainedModel.from_run(run)
    model.environment.setdefault("ground", dataset.ground)
    return model


def _images(dataset: Dataset) -> dict[str, int]:
    return {"training": len(dataset.train), "validation": len(dataset.validation)}
