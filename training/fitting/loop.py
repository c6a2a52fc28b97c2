"""The epochs of a training run: an order of the images, steps, validation by averaged weights, callbacks.

Keras' own ``fit`` takes the images in the same order in every epoch once it is seeded, and calls Python once
a step, which for a small network takes longer than the step. Here every epoch has an order of its own, a pure
function of seed and epoch, and many steps are one call.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.configs.schema import Config
from training.data import Dataset
from training.fitting.workers import Workers
from training.models.vae import VariationalAutoencoder
from training.types import Array

SECONDS_A_CALL = 0.25  # how long a signal may have to wait, and a moving line stand still


def steps_per_epoch(num_images: int, batch_size: int, passes: int = 1) -> int:
    """Return the number of steps in an epoch; batches are full, unless there are fewer images."""
    return passes * max(1, num_images // batch_size)


def order_of(
    seed: int, epoch: int, num_images: int, batch_size: int, passes: int = 1
) -> npt.NDArray[np.int32]:
    """Return which images every step of an epoch, counted from 0, takes: (steps, batch_size) int32.

    In a pass each image comes once at most; the few that do not fill a batch are others in every pass. A step
    takes fewer where there are fewer images than a batch.
    """
    steps, size = steps_per_epoch(num_images, batch_size), min(batch_size, num_images)
    numbers = range(epoch * passes, (epoch + 1) * passes)
    orders = [np.random.default_rng([seed, number]).permutation(num_images) for number in numbers]
    rows = [order[: steps * size].reshape(steps, size) for order in orders]
    return np.concatenate(rows).astype(np.int32)


def train(
    vae: VariationalAutoencoder,
    dataset: Dataset,
    config: Config,
    *,
    first_epoch: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workers: Workers | None = None,
) -> None:
    """Train a compiled model; the model then has its last weights, averaged if its optimizer averages.

    Args:
        vae: compiled.
        dataset: its training split, and the validation split, which is measured after every epoch.
        config: says the seed of the order of the images, batch size, epochs, and the final phase's beginning.
        first_epoch: where training begins, counted from 0.
        callbacks: of Keras' own kind, called in their order; ``on_train_batch_end`` once for several steps,
            with the number of the last one.
        workers: those that train it together; each calls this. The first one's state counts, and its
            callbacks say when training ends.
    """
    calls = keras.callbacks.CallbackList(list(callbacks), model=vae)
    images, batch_size = tf.constant(dataset.train), config.optimizer.batch_size
    vae.optimizer.build(vae.trainable_variables)
    vae.workers = workers
    vae.stop_training = False
    calls.on_train_begin()
    for epoch in range(first_epoch, config.optimizer.epochs):
        if workers is not None:
            workers.equalise([*vae.variables, *vae.optimizer.variables])
        calls.on_epoch_begin(epoch)
        vae.reset_metrics()
        order = order_of(config.seed, epoch, len(dataset.train), batch_size, config.optimizer.passes)
        _steps(vae, images, order, epoch >= config.final_phase_begins, calls, workers)
        logs = {name: float(value) for name, value in vae.get_metrics_result().items()}
        calls.on_test_begin()
        found = validate(vae, dataset.validation, batch_size)
        calls.on_test_end(found)
        calls.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in found.items()})
        if workers is not None:
            vae.stop_training = bool(workers.each(int(vae.stop_training))[0])
        if vae.stop_training:  # a callback says so, as with Keras' own loop
            break
    vae.optimizer.finalize_variable_values(vae.trainable_variables)
    calls.on_train_end()


def validate(vae: VariationalAutoencoder, images: Array, batch_size: int) -> dict[str, float]:
    """Return the bound of `images` and its parts under the averaged weights; see ``vae.validate``."""
    with averaged_weights(vae):
        return vae.validate(images, min(batch_size, len(images)))


@contextlib.contextmanager
def averaged_weights(vae: VariationalAutoencoder) -> Iterator[None]:
    """Put the optimizer's averages, where it keeps them, in the place of the weights; to the bit and back.

    Keras' own ``SwapEMAWeights`` swaps by additions, whose rounding would change both sets of weights.
    """
    optimizer = vae.optimizer
    weights = optimizer._trainable_variables if optimizer.use_ema else []
    averages = optimizer._model_variables_moving_average if optimizer.use_ema else []
    raw = [keras.ops.convert_to_numpy(weight) for weight in weights]
    for weight, average in zip(weights, averages, strict=True):
        weight.assign(average)
    try:
        yield
    finally:
        for weight, value in zip(weights, raw, strict=True):
            weight.assign(value)


def _steps(
    vae: VariationalAutoencoder,
    images: tf.Tensor,
    order: npt.NDArray[np.int32],
    final_phase: bool,
    calls: keras.callbacks.CallbackList,
    workers: Workers | None,
) -> None:
    """Take the steps of one epoch, as many in a call as take about SECONDS_A_CALL."""
    done, at_once = 0, 1
    while done < len(order):
        calls.on_train_batch_begin(done)
        began = time.perf_counter()
        taken = min(at_once, len(order) - done)
        if workers is not None:
            taken = workers.each(taken)[0]  # clocks differ
        vae.train_steps(images, order[done : done + taken], final_phase)
        loss = float(vae.get_metrics_result()["loss"])
        done += taken
        a_step = (time.perf_counter() - began) / taken
        # At most four times as many as before: the first call of all also compiles.
        at_once = min(4 * at_once, max(1, math.ceil(SECONDS_A_CALL / a_step)))
        calls.on_train_batch_end(done - 1, {"loss": loss})
