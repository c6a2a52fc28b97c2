"""What a person sees while a model trains: numbers that mean something, one line, and early warnings."""

import contextlib
import itertools
import math
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click
import keras
import numpy as np

from training.configs.schema import Config
from training.errors import Interrupted, RunError
from training.fitting.loop import averaged_weights, steps_per_epoch
from training.fitting.pace import Pace
from training.fitting.stopping import History
from training.fitting.workers import Workers
from training.models import latent_axes, objectives
from training.types import Array

MEASURED_IMAGES = 1_000  # of the validation split, for numbers by axis: a sixth of the cost of all
COLLAPSED_KL = 0.1  # nats: an axis below it tells next to nothing of the image
PATIENCE = 3  # epochs of opposite trends before overfitting is called by its name
CLIPPED_MARGIN = 0.05  # outside [0, 1]: thirteen grey levels, which the eye sees; a mean ripples by less
CLIPPED_IMAGES = 100  # of the validation split, whose reconstructions are looked at
CLIPPED_SHARE = 0.05  # of the reconstructed pixels

Logs = dict[str, float] | None


def elbo(logs: dict[str, float], objective: str, pixels: int) -> float:
    """Return the ELBO on validation in nats per image.

    For the textbook's objective, whose loss is (SSE + KL) / pixels, it is that of its Gaussian of variance
    1/2: -(pixels * loss + pixels / 2 * log(pi)); see ``objectives.textbook``. For every other one it is
    E[log p(x given z)] - KL, whatever ``loss`` is: beta and k do not enter.
    """
    if objective == "textbook":
        return -pixels * (logs["val_loss"] + 0.5 * math.log(math.pi))
    return -(logs["val_reconstruction"] + logs["val_kl"])


class Measure(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Adds to an epoch's numbers what its losses do not say; later callbacks find it in ``logs``.

    ``val_elbo`` in nats per image and ``val_bits_per_dim`` of the averaged weights at beta 1; ``val_mse``,
    the squared error per pixel of reconstructions from the posterior mean, of the first 1,000 images if
    something depends on it, else of the first 100;
    ``active_axes``, how many latent axes the posterior mean moves along (Burda et al. 2016).

    Args:
        config: the experiment.
        images: the validation split.

    Attributes:
        kl_per_axis: nats, (D,), a mean over the first 1,000 images.
        clipped: share of their reconstructed pixels that lie outside [0, 1] by more than 0.05.

    Raises:
        RunError: a number is not finite.
    """

    def __init__(self, config: Config, images: Array) -> None:
        super().__init__()
        self.objective = config.objective.name
        self.pixels = math.prod(images.shape[1:])
        self.images = images[:MEASURED_IMAGES]
        self.decoded = MEASURED_IMAGES if config.optimizer.watches_pictures else CLIPPED_IMAGES
        self.kl_per_axis: Array = np.zeros(config.network.latent_dim, np.float32)
        self.clipped = 0.0
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002  Keras' signature
        """Note which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Refuse to go on with a loss that is not finite."""
        self._refuse_infinite(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        """Measure. Nothing is drawn, so the streams of training are as they were."""
        self._refuse_infinite(logs)
        with averaged_weights(self.model):
            z_mean, z_log_var = self.model.encoder(self.images, training=False)
            decoded = self.model.decoder(z_mean[: self.decoded], training=False)
            pixels = keras.ops.convert_to_numpy(self.model.likelihood.mean(decoded))
        self.kl_per_axis = objectives.kl_per_axis(z_mean, z_log_var).numpy().mean(axis=0)
        self.clipped = float(np.mean(np.abs(pixels[:CLIPPED_IMAGES] - 0.5) > 0.5 + CLIPPED_MARGIN))
        squared = (np.clip(pixels, 0, 1) - self.images[: self.decoded]) ** 2
        logs["val_mse"] = float(np.mean(squared, dtype=np.float64))
        logs["val_elbo"] = elbo(logs, self.objective, self.pixels)
        logs["val_bits_per_dim"] = self.model.likelihood.bits_per_dim(logs["val_elbo"], self.pixels)
        logs["active_axes"] = float(np.sum(latent_axes.is_active(z_mean.numpy(), self.kl_per_axis)))

    def _refuse_infinite(self, logs: dict[str, float]) -> None:
        wrong = [name for name, value in logs.items() if not math.isfinite(value)]
        if wrong:
            told = f"the loss is no longer a number ({', '.join(wrong)}); try a smaller learning_rate"
            raise RunError(f"epoch {self.epoch + 1}: {told}")


class ProgressLine(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows an epoch as one line, moving on a terminal and otherwise a new one; and each warning once.

    Args:
        config: the experiment.
        num_images: images in the training split.
        history: of the epochs done; has grown by one when this callback learns of an epoch's end.
        measure: runs before this callback.
        moving: whether the line moves.
    """

    def __init__(
        self, config: Config, num_images: int, history: History, measure: Measure, moving: bool
    ) -> None:
        super().__init__()
        self.config, self.num_images, self.moving = config, num_images, moving
        self.history, self.measure = history, measure
        self.first_epoch = len(history.get("loss", ()))
        self.steps = steps_per_epoch(num_images, config.optimizer.batch_size, config.optimizer.passes)
        self.pace = Pace()
        self.measured = ""
        self.warned: set[str] = set()

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002  Keras' signature
        """Start the bar."""
        if self.moving:
            self.bar: Any = click.progressbar(
                length=(self.config.optimizer.epochs - self.first_epoch) * self.steps,
                width=0,  # as wide as the terminal lets it be
                show_eta=False,  # click's counts the time of compiling
                item_show_func=lambda _: self.measured,
                update_min_steps=max(1, self.steps // 50),
            )
            self.bar.render_progress()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002
        """Say which epoch it is."""
        self.pace.begin_epoch(compiles=epoch == self.config.final_phase_begins)
        self.epoch, self.shown = epoch, 0
        self.label = f"epoch {epoch + 1}/{self.config.optimizer.epochs}"
        phase = self.config.objective.final_phase
        described = f"final phase, {phase.name} with {phase.k} draws an image" if phase else ""
        if self.moving:
            self.label += f", {described}" if epoch >= self.config.final_phase_begins else ""
        elif epoch == self.config.final_phase_begins:
            click.echo(f"epoch {epoch + 1}: here begins the {described}; val_loss stays the negative ELBO")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:  # noqa: ARG002
        """Move on."""
        self.pace.take(batch + 1)
        if self.moving:
            self.bar.label = self.label + self._left(self.steps - batch - 1)
            self.bar.update(batch + 1 - self.shown)
            self.shown = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Show what was measured, and what looks wrong."""
        measured = (
            f"ELBO {logs['val_elbo']:.1f} nats, {logs['val_bits_per_dim']:.3f} bits/dim, "
            f"MSE {logs['val_mse']:.4f}, "
            f"KL {logs['val_kl']:.2f} nats, "
            f"{logs['active_axes']:.0f}/{self.config.network.latent_dim} axes active"
        )
        if (seconds := self.pace.seconds_a_step) is not None:
            measured += f", {min(self.num_images, self.config.optimizer.batch_size) / seconds:.0f} images/s"
        if self.moving:
            self.measured = measured
            self.bar.render_progress()
        else:
            names = ("loss", "reconstruction", "kl", "val_loss")
            losses = ", ".join(f"{name} {logs[name]:.4f}" for name in names)
            click.echo(f"{self.label}: {losses}, {measured}{self._left(0)}")
        found = warnings_of(self.config, self.history, self.measure.kl_per_axis, self.measure.clipped)
        for kind, sentence in found:
            if kind not in self.warned:
                self.warned.add(kind)
                click.echo(f"warning, epoch {epoch + 1}: {sentence}", err=True)

    def _left(self, steps: int) -> str:
        """Return how long the run has still to go, of whose epoch under way so many steps remain."""
        epochs = self.config.optimizer.epochs - self.epoch - 1
        return self.pace.left(epochs * self.steps + steps, epochs + (steps > 0))

    def close(self) -> None:
        """End the moving line, so that what is printed next begins a new one."""
        if self.moving:
            self.bar.render_finish()


def warnings_of(
    config: Config, history: History, kl_per_axis: Array, clipped: float
) -> Iterator[tuple[str, str]]:
    """Yield the kind of each thing that looks wrong after the latest epoch, and a sentence on it.

    The latest numbers are the last ones of `history`; ``Measure`` explains `kl_per_axis` and `clipped`.
    """
    epoch = len(history["loss"])
    weak = int(np.sum(kl_per_axis < COLLAPSED_KL))
    # In the first epoch little has been learnt, and while KL is warmed up its weight is not the real one.
    if epoch > max(1, config.objective.kl_warmup_epochs) and weak > len(kl_per_axis) / 2:
        yield (
            "collapse",
            f"posterior collapse: {weak} of {len(kl_per_axis)} axes carry less than {COLLAPSED_KL} nats "
            f"({kl_per_axis.sum():.2f} in all); try kl_warmup_epochs or free_bits, or a smaller latent_dim",
        )
    # In a final phase the two losses are different bounds, which may part without harm.
    alike = config.objective.final_phase is None or epoch <= config.final_phase_begins
    parted = _rises(history["val_loss"]) and _rises([-loss for loss in history["loss"]])
    if epoch > PATIENCE and alike and parted:
        yield (
            "overfitting",
            f"overfitting: since epoch {epoch - PATIENCE} the validation bound worsens while training "
            'improves; stop earlier, set keep = "best", or make the networks smaller',
        )
    if epoch > 1 and clipped > CLIPPED_SHARE:
        yield (
            "clipping",
            f"{clipped:.0%} of the reconstructed pixels lie well outside [0, 1]: pictures clip them",
        )


def _rises(values: list[float]) -> bool:
    """Say whether each of the latest epochs has a higher value than the one before."""
    return all(after > before for before, after in itertools.pairwise(values[-PATIENCE - 1 :]))


@contextlib.contextmanager
def stopping_on_signals(workers: Workers | None = None) -> Iterator[keras.callbacks.Callback]:
    """Yield a callback that ends training between steps once Ctrl-C or SIGTERM came; a second one kills.

    Put it last: an interruption during validation then waits until the epoch has been written. Of several
    workers each needs it: one that is told to stop stops all of them at the same step.

    Raises:
        Interrupted: by the callback, from the step or the epoch that was under way.
    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)

    def stop(*_: Any, **__: Any) -> None:
        number = received[0] if received else 0
        if workers is not None:
            number = max(workers.each(number))
        if number:
            raise Interrupted(number)

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # outside the main thread Python forbids it
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, note)
    try:
        yield keras.callbacks.LambdaCallback(on_train_batch_end=stop, on_epoch_end=stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
