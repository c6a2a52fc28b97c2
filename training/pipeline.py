"""The steps from images to a published version, as commands take them: each says what came of it.

A run folder joins them; every step finds there what the one before left.
"""

import json
from pathlib import Path
from typing import Any

import click

from training.configs.schema import Config
from training.data import Dataset
from training.errors import RunError
from training.evaluation import evaluate as evaluation
from training.evaluation import final_phases as phases
from training.evaluation.recalibrate import recalibrate as run_recalibrate
from training.evaluation.schema import FinalPhases, RecalibratedLikelihood, Report
from training.fitting.fit import fit as run_fit
from training.fitting.fit import follow as follow  # for whom nothing remains to be said
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
    click.echo(f"epoch {result['epoch']}: {losses}, KL {result['kl']:.2f} nats in training")
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


def recalibrate(run: Path, dataset: Dataset, *, full: bool = False) -> RecalibratedLikelihood:
    """Recalibrate the likelihood of a run that is evaluated; the result joins its report and card.

    `full` and errors are those of ``training.evaluation.recalibrate.recalibrate``.
    """
    model, report = _evaluated(run, dataset)
    found = run_recalibrate(model, dataset, full=full)
    _add(model, report.model_copy(update={"recalibrated": found}), run)
    for scales, part in (("shared", found.shared), ("per pixel", found.per_pixel)):
        for when, bounds in (("before", part.before), ("after", part.after)):
            bits = ", ".join(f"L_{row.k} {row.bits_per_dim:.3f}" for row in bounds.log_p_x)
            click.echo(f"{scales} scales, {when} refitting: {bits} bits per dim")
    return found


def final_phases(run: Path, dataset: Dataset, **options: Any) -> FinalPhases:
    """Compare final phases from the weights of a run that is evaluated; the result joins its report and card.

    `options` and errors are those of ``training.evaluation.final_phases.compare``.
    """
    model, report = _evaluated(run, dataset)
    found = phases.compare(run, model, dataset, **options)
    _add(model, report.model_copy(update={"final_phases": found}), run)
    phases.draw(found, model.name, run)
    for name in found.by_objective:
        spreads = {k: found.spread(name, k) for k in (1, found.k, found.most_draws)}
        told = ", ".join(f"L_{k} {mean:.2f} (sd {sd:.2f})" for k, (mean, sd) in spreads.items())
        click.echo(f"{name}: {told} nats an image")
    return found


def _evaluated(run: Path, dataset: Dataset) -> tuple[TrainedModel, Report]:
    """Return the model of a run with its prior, and its report; a RunError if there is none."""
    model = model_of(run, dataset)
    report = evaluation.load_report(run, model.weights_sha256)
    if report is None:
        raise RunError(f"{run}: not evaluated yet; run vitrine-train evaluate {run} first")
    return model.with_fitted_prior(dataset, run), report


def _add(model: TrainedModel, report: Report, run: Path) -> None:
    evaluation.write_report(run, report)
    card.write(model, report, run)


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
