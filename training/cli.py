"""The ``vitrine-train`` command. TensorFlow is imported only when a command needs it."""

import contextlib
import io
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from training.configs.load import load, to_toml
from training.configs.schema import Config
from training.errors import ConfigError, DataError, Interrupted, RunError, TrainingError

if TYPE_CHECKING:
    from training.data import Dataset, Fit
    from training.trained import TrainedModel

EXIT_FAILURE = 1
EXIT_USAGE = 2

PATH = click.Path(path_type=Path)
DATA_OPTION = click.option(
    "--data",
    "data_folder",
    type=PATH,
    envvar="VITRINE_DATA",
    help="Fashion-MNIST's folder, or your own images: a folder of pictures, an .npz or idx files; or set "
    "VITRINE_DATA. If neither is given: where the run found them; for fit of Fashion-MNIST, Keras' cache, "
    "Debian's package folder, Keras' download.",
)
RUN_ARGUMENT = click.argument("run", type=PATH)
MEANINGS = {  # of the loss, by objective
    "textbook": "The loss is (SSE + KL) / pixels: the negative ELBO, up to a constant, of variance 1/2.",
    "elbo": "The loss is the negative ELBO in nats per image, KL weighed by beta.",
    "iwae": "The loss is -L_k in nats per image, k = {k}.",
    "dreg": "The loss is -L_k in nats per image, k = {k}, by the doubly reparameterised gradient.",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine", prog_name="vitrine-train")
def cli() -> None:
    """Train variational autoencoders and publish them to a model store.

    \b
    vitrine-train fit training/configs/fashion-dense.toml
    vitrine-train evaluate runs/fashion-dense
    vitrine-train export runs/fashion-dense
    """  # noqa: D301  \b is click's mark for "keep these lines"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name or a path may be what no terminal can show
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read by TensorFlow when it is imported
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever else the machine does with Keras


@cli.command()
@click.argument("config", type=PATH)
@DATA_OPTION
@click.option("--out", type=PATH, help="Run folder to create; runs/NAME, or runs/NAME-seedN with --seed N.")
@click.option("--seed", type=int, help="Seed to train with, in the place of CONFIG's.")
@click.option("--resume", is_flag=True, help="Go on from the run folder's checkpoint, as if never stopped.")
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard into RUN/tensorboard.")
def fit(
    config: Path,
    data_folder: Path | None,
    out: Path | None,
    seed: int | None,
    resume: bool,
    tensorboard: bool,
) -> None:
    """Train the model that CONFIG, a TOML file, describes.

    Ctrl-C stops after the step under way; --resume goes on from the last whole epoch, to the same weights. A
    second Ctrl-C ends at once.
    """
    experiment = load(config)
    if seed is not None:
        experiment = experiment.replaced({"seed": seed})
    from training import data, runs
    from training.fitting.fit import fit as run_fit

    dataset = data.load(experiment.data.name, data_folder, _image_fit(experiment))
    for note in dataset.notes:  # the whole of it will be in data.json
        click.echo(note)
    click.echo(f"ground: {dataset.ground}")
    out = out or Path("runs") / (experiment.name if seed is None else f"{experiment.name}-seed{seed}")
    click.echo(
        f"{experiment.name}: {len(dataset.train)} training and {len(dataset.validation)} validation images "
        f"from {dataset.source}"
    )
    try:
        result = run_fit(experiment, dataset, out, resume=resume, tensorboard=tensorboard)
        runs.record_configuration(out, config)
    except Interrupted as interrupted:
        words = ["vitrine-train", "fit", str(config), "--resume"]
        for option, value in {"--out": out, "--data": data_folder, "--seed": seed}.items():
            words += [option, str(value)] if value is not None else []
        words += ["--tensorboard"] if tensorboard else []
        click.echo(f"vitrine-train: {interrupted}; to go on: {shlex.join(words)}", err=True)
        sys.exit(128 + interrupted.signal)  # as a shell reports a process that a signal ended
    losses = f"loss {result['loss']:.4f}, val_loss {result['val_loss']:.4f}"
    click.echo(f"epoch {result['epoch']}: {losses}, KL {result['kl']:.2f} nats")
    click.echo(f"weights {result['weights_sha256']}")
    click.echo(f"written to {out}; next: vitrine-train evaluate {out}")


def _images(model: "TrainedModel", data_folder: Path | None) -> "Dataset":
    """Return the images that a run's model was trained on."""
    from training import data

    config = model.experiment
    dataset = data.load_again(config.data.name, data_folder, _image_fit(config), model.environment)
    model.environment.setdefault("ground", dataset.ground)  # earlier runs did not measure it
    return dataset


def _open(run: Path, stream: TextIO) -> "TrainedModel":
    """Return the model of a run; what is done with it is logged to a stream from now on."""
    from training.trained import TrainedModel

    logging.raiseExceptions = False  # a line that cannot be written is no reason for a traceback
    logging.basicConfig(format="%(message)s", stream=stream)
    logging.getLogger("training").setLevel(logging.INFO)
    return TrainedModel.from_run(run)


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
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
    if reference_folder is not None and not quality:
        raise click.UsageError("--reference: what is measured of it is quality; add --quality")
    from training.evaluation.evaluate import evaluate as run_evaluate
    from training.publish import card
    from training.trained import TrainedModel

    model = _open(run, sys.stderr if as_json else sys.stdout)
    reference = TrainedModel.open(_reference(reference_folder)) if reference_folder is not None else None
    dataset = _images(model, data_folder)
    report = run_evaluate(model, dataset, run, full=full, quality=quality, reference=reference)
    card.write(model.with_fitted_prior(dataset, run), report, run)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
        return
    mse, parts = report.reconstruction, report.kl_decomposition
    click.echo(f"reconstruction MSE {mse.reconstruction_mse:.4f}, PCA {mse.pca_reconstruction_mse:.4f}")
    for row in report.bounds.log_p_x:
        click.echo(f"L_{row.k}: {row.nats:.2f} nats an image, {row.bits_per_dim:.3f} bits per dim")
    click.echo(f"KL by axis, nats: {', '.join(f'{axis.kl:.2f}' for axis in report.axes)}")
    for name, terms in parts.priors.items():
        made_of = f"{parts.information:.2f} information + {terms.marginal_kl:.2f} KL(q(z) || p(z))"
        click.echo(f"KL to {name}: {terms.kl:.2f} nats = {made_of}")
    click.echo(f"written to {run}; next: vitrine-train export {run}")


def _reference(folder: Path) -> Path:
    """Return where a reference model lies: at `folder`, or if nothing is there, its newest published version.

    A card that says runs/NAME was written where that run was; whoever has the published versions alone has no
    such folder.
    """
    published = [path for path in Path("model_store", folder.name).glob("*") if path.name.isdecimal()]
    if folder.exists() or not published:
        return folder
    newest = max(published, key=lambda path: int(path.name))
    click.echo(f"{folder}: not there; {newest} is the reference model", err=True)
    return newest


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@click.option("--full", is_flag=True, help="All test images, up to L_500.")
def recalibrate(run: Path, data_folder: Path | None, full: bool) -> None:
    """Score the model of RUN as a probability over 256 levels, whatever it was trained with.

    Discretized logistics are fitted around its mean images, then the encoder anew, the decoder frozen; RUN's
    weights stay. The result joins report.json and card.md, so evaluate comes first.
    """
    from training.evaluation.evaluate import load_report, write_report
    from training.evaluation.recalibrate import recalibrate as run_recalibrate
    from training.publish import card

    model = _open(run, sys.stdout)
    report = load_report(run, model.weights_sha256)
    if report is None:
        raise RunError(f"{run}: not evaluated yet; run vitrine-train evaluate {run} first")
    dataset = _images(model, data_folder)
    model = model.with_fitted_prior(dataset, run)
    found = run_recalibrate(model, dataset, full=full)
    report = report.model_copy(update={"recalibrated": found})
    write_report(run, report)
    card.write(model, report, run)
    for scales, part in (("shared", found.shared), ("per pixel", found.per_pixel)):
        for when, bounds in (("before", part.before), ("after", part.after)):
            bits = ", ".join(f"L_{row.k} {row.bits_per_dim:.3f}" for row in bounds.log_p_x)
            click.echo(f"{scales} scales, {when} refitting: {bits} bits per dim")
    click.echo(f"written to {run}")


# Cards of published versions print its former name.
cli.add_command(
    click.Command("rescore", params=recalibrate.params, callback=recalibrate.callback, hidden=True)
)


@cli.command()
@RUN_ARGUMENT
@DATA_OPTION
@click.option(
    "--store",
    type=PATH,
    envvar="VITRINE_MODEL_STORE",
    default=Path("model_store"),
    show_default=True,
    help="Model store to publish to.",
)
def export(run: Path, data_folder: Path | None, store: Path) -> None:
    """Publish the model of RUN as the next version in a model store."""
    from training.evaluation import evaluate as evaluation
    from training.publish.export import export as run_export

    model = _open(run, sys.stdout)
    dataset = _images(model, data_folder)
    model = model.with_fitted_prior(dataset, run)
    report = evaluation.load_report(run, model.weights_sha256)
    if report is None:
        click.echo("not evaluated yet: measuring on the test split first")
        report = evaluation.evaluate(model, dataset, run)
    version = run_export(model, report, dataset.validation, store)
    click.echo(f"published {version}; serve it: vitrine serve --model-store {store}")


@cli.command()
@click.option("--dataset", "name", default="fashion-mnist", show_default=True, help="Data set with labels.")
@DATA_OPTION
@click.option("--out", type=PATH, help="File to write; runs/classifier-DATASET.npz if not given.")
def classifier(name: str, data_folder: Path | None, out: Path | None) -> None:
    """Train the classifier in whose features sample quality is measured.

    The one that the project ships is never overwritten: published numbers hold for its SHA-256 alone.
    """
    from training import data
    from training.metrics import classifier as classifiers

    dataset = data.load(name, data_folder)
    trained = classifiers.train(dataset)
    out = out or Path("runs") / f"classifier-{dataset.name}.npz"
    classifiers.save(trained, out)
    if dataset.labels is not None:
        click.echo(f"test accuracy {trained.accuracy(dataset.test, dataset.labels.test):.4f}")
    same = "the same as" if trained.sha256 == classifiers.PINNED.get(dataset.name) else "not that of"
    click.echo(f"SHA-256 {trained.sha256}, {same} the classifier shipped")
    click.echo(f"written to {out}")


@cli.command()
@click.argument("config", type=PATH)
def describe(config: Path) -> None:
    """Say what CONFIG will train and what its loss means, without training."""
    experiment = load(config)
    click.echo(to_toml(experiment.as_dict()))
    click.echo(f"p(x given z): {experiment.likelihood.name}")
    variance = experiment.likelihood.parameters.get("variance")
    if variance is not None:
        click.echo(f"its standard deviation is {variance**0.5:.3f} per pixel.")
    objective = experiment.objective
    warmup = objective.kl_warmup_epochs
    warmed = f", reached after {warmup} epoch{'s' * (warmup > 1)}" if warmup else ""
    click.echo(f"beta, the weight of KL in training, is {objective.beta:g}{warmed}.")
    click.echo(MEANINGS[objective.name].format(k=objective.k))
    phase = objective.final_phase
    if phase is not None:
        meaning = MEANINGS[phase.name].format(k=phase.k)
        click.echo(f"The last {phase.epochs} epochs minimise another: {meaning}")


def _image_fit(config: Config) -> "Fit":
    """Return what an experiment's images are made to be."""
    from training.data import Fit

    size = config.data.size
    return Fit((size[0], size[1]) if size else None, config.data.channels, len(config.network.channels))


@contextlib.contextmanager
def _output_arrives() -> Iterator[None]:
    """End with one line and exit code 1 if standard output does not take all: a full disk, a closed pipe."""
    given = sys.__stdout__
    if given is None or given is not sys.stdout:  # closed, or taken over by a test
        yield
        return
    # With a buffer, whatever the platform says: what could not be written fails once more when it is flushed.
    sys.stdout = stream = os.fdopen(1, "w", encoding=given.encoding, errors=given.errors, closefd=False)
    try:
        yield
    finally:
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or it fails a third time, as Python ends
            click.echo(f"vitrine-train: standard output: {error.strerror}", err=True)
            sys.exit(EXIT_FAILURE)


def main() -> None:
    """Run the command line; a foreseen failure is one line on standard error, never a traceback."""
    try:
        with _output_arrives():
            cli()
    except TrainingError as error:
        click.echo(f"vitrine-train: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, ConfigError | DataError) else EXIT_FAILURE)
    except ModuleNotFoundError as error:
        if error.name not in ("joblib", "keras", "matplotlib", "scipy", "sklearn", "tensorflow"):
            raise
        remedy = "run make setup, or pip install -e '.[train]' in the project's folder"
        click.echo(f"vitrine-train: training needs {error.name}: {remedy}", err=True)
        sys.exit(EXIT_FAILURE)
