"""A training run, told top to bottom.

A run folder holds all that is known of it. At the beginning and, as training goes, after every epoch:

    config.json       the resolved experiment
    data.json         what was found of the images, and all that was left out
    sources.json      commit and digests of what it is trained by; see ``training.sources``
    best.npz          the weights that validation found best
    history.json      every epoch's numbers
    curves.png        losses by epoch
    axes.png          KL by latent axis
    samples.png       generated images; validation images and their reconstructions
    tensorboard/      event files, if they were asked for
    mlflow.json       the run of an MLflow server that the numbers are sent to, if they are
    last.npz          the checkpoint to resume from

and at its end:

    weights.weights.h5
    environment.json  data, seed, sources, library versions, processor, and the digest of the weights

They are written in this order, each whole or not at all, so that a run may end between any two of them: an
epoch whose checkpoint is not there is repeated, and a run is finished once environment.json is there.
"""

import contextlib
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training import data, priors, runs, sources
from training.configs.schema import Config
from training.determinism import make_deterministic
from training.errors import ConfigError, RunError
from training.fitting import budget, checkpoints, loop, optimizers, start, workers
from training.fitting.callbacks import Measure, ProgressLine, stopping_on_signals
from training.fitting.loop import averaged_weights, steps_per_epoch
from training.fitting.stopping import best_epoch, has_ended
from training.fitting.tensorboard import Events
from training.fitting.tracking import Tracking
from training.fitting.workers import Workers
from training.models.vae import VariationalAutoencoder, weights_sha256

SHEET = "samples.png"
SHEET_SAMPLES = 35  # five rows of seven, beside five reconstructions
SHEET_IMAGES = 5
PICTURES_SHARE = 0.03  # of the time that training takes


@dataclasses.dataclass(frozen=True)
class Session:
    """How a run is carried out: nothing of it changes the weights, but for how several workers round.

    Attributes:
        config_file: where the configuration was read, which the card names.
        progress: a moving line, or one line an epoch; None: a moving one if standard output is a terminal.
        resume: go on from the folder's checkpoint; from the start, if it came to none.
        tensorboard: write event files for TensorBoard too.
        mlflow: where MLflow's server is, to which every epoch's numbers are sent; None: nowhere.
        workers: those that train the model together, of which this process is the first.
    """

    config_file: Path | None = None
    progress: bool | None = None
    resume: bool = False
    tensorboard: bool = False
    mlflow: str | None = None
    workers: Workers | None = None


def fit(config: Config, dataset: data.Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Train one model and write its run folder.

    The same sources, configuration, data, machine and libraries give the same weights, bit for bit, whether
    training was interrupted or not. Elsewhere rounding may differ: numbers agree to about three digits.

    Args:
        config: the experiment.
        dataset: images; the test split is not touched.
        out: the run folder; created.
        options: those of a ``Session``.

    Returns:
        The numbers of the epoch whose weights are kept, ``epoch``, counted from 1, and ``weights_sha256``.

    Raises:
        ConfigError: the likelihood is none of such images, or several workers cannot train such a model.
        NotWritten: a file cannot be written; once that is mended, the run can be resumed.
        RunError: the folder holds another run or nothing to resume; the loss is no number.
        WorkerLost: another worker ended; the checkpoint of the last whole epoch is there.
        Interrupted: Ctrl-C or SIGTERM came; likewise.
    """
    session = Session(**options)
    finished = runs.check_folder(out, session.resume)
    _check_images(config, dataset)
    if session.workers is not None:
        workers.check(config, dataset, session.workers)
    config = budget.resolved(config, dataset, compiled, out if session.resume else None)
    make_deterministic(config.seed)
    vae = compiled(config, dataset)
    started = start.begin(vae, config, Path(config.start_from)) if config.start_from else None
    state = checkpoints.resume(out / runs.LAST, vae, config, dataset, finished=finished)
    record = Record(config, dataset, out, state, started)
    with runs.writing(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / runs.ENVIRONMENT).unlink(missing_ok=True)  # an extended run is unfinished again
    runs.write_json(out / runs.CONFIG, config.as_dict())
    runs.write_json(out / runs.DATA, dataset.describe())
    # At the beginning: whoever trains for hours may change the sources meanwhile.
    runs.write_json(out / runs.SOURCES, sources.remembered(out / runs.SOURCES, goes_on=state.epoch > 0))
    with session.workers.together() if session.workers else contextlib.nullcontext():
        _train(vae, record, session)
    return _finish(vae, record, session)


def follow(config: Config, dataset: data.Dataset, others: Workers) -> None:
    """Train one model with others, as a worker that is not the first: nothing is written.

    Raises:
        ConfigError: as of ``fit``.
        RunError: what this worker trains is not what the first one does.
        WorkerLost: another worker ended.
        Interrupted: Ctrl-C or SIGTERM came, to any of them.
    """
    _check_images(config, dataset)
    workers.check(config, dataset, others)
    make_deterministic(config.seed)
    vae = compiled(config, dataset)
    with others.together(), stopping_on_signals(others) as stop:
        first = others.meet(config, dataset, {})
        if not first["ended"]:
            loop.train(vae, dataset, config, first_epoch=first["epoch"], callbacks=[stop], workers=others)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _finish(vae: VariationalAutoencoder, record: "Record", session: Session) -> dict[str, Any]:
    """Write the weights that are kept, and what marks the run finished; return the numbers of ``fit``."""
    config, out = record.config, record.out
    kept = record.state.epoch
    if config.optimizer.keep != "last":
        kept = checkpoints.load_best(out / runs.BEST, vae)
    if kept > record.state.epoch:
        raise RunError(
            f"{out}: {runs.BEST} is of epoch {kept}, which the run had when it was to be longer; resume it "
            "with as many epochs again"
        )
    digest = weights_sha256(vae)
    with runs.replacing(out / runs.WEIGHTS) as file:
        vae.save_weights(file)
    recorded = runs.environment(config, record.dataset, digest)
    recorded["sources"] = json.loads((out / runs.SOURCES).read_text())
    if record.started is not None:
        recorded["started_from_weights"] = record.started
    if session.config_file is not None:
        recorded["config_file"] = str(session.config_file.absolute())
    if session.workers is not None:
        recorded["workers"] = session.workers.count  # of the last session; another number rounds otherwise
    runs.write_json(out / runs.ENVIRONMENT, recorded | {"epoch": kept})  # last: it marks the run finished
    numbers = {name: values[kept - 1] for name, values in record.history.items()}
    return numbers | {"epoch": kept, "weights_sha256": digest}


def compiled(config: Config, dataset: data.Dataset) -> VariationalAutoencoder:
    """Return the model of a configuration before its first step, with its optimizer and warm-up of KL.

    Raises:
        ConfigError: the networks cannot be built for images of this shape.
    """
    vae = VariationalAutoencoder(config, dataset.image_shape)
    vae.compile(optimizer=_optimizer(config, len(dataset.train)), jit_compile=False)
    section = config.optimizer
    steps = steps_per_epoch(len(dataset.train), section.batch_size, section.passes)
    vae.kl_warmup_steps = config.objective.kl_warmup_epochs * steps
    return vae


def _check_images(config: Config, dataset: data.Dataset) -> None:
    """Refuse images that the likelihood is none of.

    Of greys a Bernoulli's formula sums to more than one over 256 levels, and bounds nothing; a causal network
    knows one number for each pixel before, and its squares cover the images; colours lean on each other only
    where there are three.
    """
    images = dataset.train
    name, coloured = config.likelihood.name, len(dataset.image_shape) > 2
    if name == "causal-logistic" and coloured:
        raise ConfigError(
            "likelihood.name: expected another than causal-logistic, as the images are in colour; "
            "name causal-colour-logistic or autoregressive-logistic. Received: 'causal-logistic'"
        )
    block, sides = config.likelihood.parameters.get("block", 1), dataset.image_shape[:2]
    if any(side % block for side in sides):
        raise ConfigError(
            f"likelihood.block: expected a divisor of both sides of the images, {sides[0]} and {sides[1]}. "
            f"Received: {block}"
        )
    if name in ("colour-logistic", "causal-colour-logistic") and not coloured:
        raise ConfigError(
            f"likelihood.name: expected another than {name}, as the images are grey; "
            f"name causal-logistic or discretized-logistic. Received: {name!r}"
        )
    if name == "bernoulli" and not ((images == 0) | (images == 1)).all():
        raise ConfigError(
            "likelihood.name: expected another than bernoulli, as the images have greys; "
            "name continuous-bernoulli or discretized-logistic. Received: 'bernoulli'"
        )


def _train(vae: VariationalAutoencoder, record: "Record", session: Session) -> None:
    """Run the epochs that remain; the model then has its last weights, averaged if they are."""
    config, dataset, measure = record.config, record.dataset, record.measure
    ended, epoch = has_ended(config, record.history), record.state.epoch
    if session.workers is not None:
        session.workers.meet(config, dataset, {"ended": ended, "epoch": epoch})
    if ended:  # ended between the last checkpoint and the weights
        vae(dataset.train[:1], step=0)  # Keras saves no weights of a model that was never called
        vae.optimizer.finalize_variable_values(vae.trainable_variables)
        return
    moving = _is_terminal() if session.progress is None else session.progress
    line = ProgressLine(config, len(dataset.train), record.history, measure, moving)
    callbacks = [measure, record]
    callbacks += [Events(record.out, record.out / SHEET)] if session.tensorboard else []
    callbacks += [Tracking(session.mlflow, config, record.out, record.history)] if session.mlflow else []
    callbacks += [keras.callbacks.LambdaCallback(on_epoch_end=record.finish_epoch), line]
    with stopping_on_signals(session.workers) as stop, contextlib.closing(line):
        callbacks += [stop]
        loop.train(vae, dataset, config, first_epoch=epoch, callbacks=callbacks, workers=session.workers)


class Record(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Writes an epoch down when it ends: the best weights, history, pictures; then the checkpoint.

    Args:
        config: the experiment.
        dataset: its training and validation images are used.
        out: the run folder.
        state: where training begins.
        started: digest of the weights that training once began with; None: chance.

    Attributes:
        history: one number an epoch; grows.
        measure: what is to run before this callback.
        state: after the latest epoch.
    """

    def __init__(
        self,
        config: Config,
        dataset: data.Dataset,
        out: Path,
        state: checkpoints.Progress,
        started: str | None = None,
    ) -> None:
        super().__init__()
        self.started = started
        self.config, self.dataset, self.out = config, dataset, out
        self.state, self.history = state, state.history
        self.measure = Measure(config, dataset.validation)
        self.began = time.monotonic()
        self.drawing = 0.0  # seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write all but the checkpoint."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        best = best_epoch(self.config, self.history)
        if best == epoch + 1:
            with averaged_weights(self.model):
                checkpoints.save_best(self.out / runs.BEST, self.model, best)
        runs.write_json(self.out / runs.HISTORY, self.history)
        ends = has_ended(self.config, self.history)
        self.model.stop_training = ends
        if ends or self.drawing <= PICTURES_SHARE * (time.monotonic() - self.began):
            self._draw()

    def finish_epoch(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002  Keras' signature
        """Write the checkpoint, after everything else of the epoch: from now on it is not repeated."""
        self.state = checkpoints.Progress(epoch + 1, self.history)
        checkpoints.save_last(self.out / runs.LAST, self.model, self.config, self.dataset, self.state)

    def _draw(self) -> None:
        """Draw all pictures. The codes come from a generator of their own: training's are not touched."""
        from training import figures  # matplotlib is needed here alone

        began = time.monotonic()
        name = self.config.name
        figures.training_curves(self.history, self.config.objective.name, name, self.out / "curves.png")
        figures.axes_spectrum(self.measure.kl_per_axis, name, self.out / "axes.png")
        images = self.dataset.validation[:SHEET_IMAGES]
        with averaged_weights(self.model):
            z_mean, _ = self.model.encoder(images, training=False)
            codes = priors.learned(self.model).draw(SHEET_SAMPLES, np.random.default_rng(self.config.seed))
            decoded = self.model.decoder(np.concatenate([codes, z_mean]), training=False)
            pictures = keras.ops.convert_to_numpy(self.model.likelihood.mean(decoded))
        samples, reconstructions = pictures[:SHEET_SAMPLES], pictures[SHEET_SAMPLES:]
        figures.sample_sheet(samples, images, reconstructions, self.out / SHEET)
        self.drawing += time.monotonic() - began


def _optimizer(config: Config, num_images: int) -> keras.optimizers.Optimizer:
    section = config.optimizer
    rate: Any = section.learning_rate
    if section.schedule == "cosine":
        steps = section.epochs * steps_per_epoch(num_images, section.batch_size, section.passes)
        rising = max(1, steps // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            0.01 * rate, steps - rising, alpha=0.01, warmup_target=rate, warmup_steps=rising
        )
    kinds = {"adam": keras.optimizers.Adam, "nadam": optimizers.Nadam}
    more: dict[str, Any] = {}
    if section.ema_momentum:
        more |= {"use_ema": True, "ema_momentum": section.ema_momentum}
    if section.clip_norm:
        more["global_clipnorm"] = section.clip_norm
    return kinds[section.name](rate, **more)
