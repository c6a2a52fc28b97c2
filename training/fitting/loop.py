"""The epochs of a training run: an order of the images, steps, validation, callbacks.

Keras' own ``fit`` takes the images in the same order in every epoch once it is seeded, and calls Python once
a step, which for a small network takes longer than the step. Here every epoch has an order of its own, a pure
function of seed and epoch, and many steps are one call.
"""

import math
import time
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models.vae import VariationalAutoencoder

SECONDS_A_CALL = 0.25  # how long a signal may have to wait, and a moving line stand still

Array = npt.NDArray[np.float32]


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Return the number of steps in an epoch; batches are full, unless there are fewer images."""
    return max(1, num_images // batch_size)


def order_of(seed: int, epoch: int, num_images: int, batch_size: int) -> npt.NDArray[np.int32]:
    """Return which images every step of an epoch takes, (steps, B) int32.

    Each image comes once at most; the few that do not fill a batch are others in every epoch.

    Args:
        seed: of the run.
        epoch: counted from 0.
        num_images: in the training split.
        batch_size: B, if there are as many images.
    """
    steps, size = steps_per_epoch(num_images, batch_size), min(batch_size, num_images)
    order = np.random.default_rng([seed, epoch]).permutation(num_images)
    return order[: steps * size].reshape(steps, size).astype(np.int32)


def train(
    vae: VariationalAutoencoder,
    images: Array,
    validation: Array,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    first_epoch: int = 0,
    final_phase_begins: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train a compiled model; the model then has its last weights, averaged if its optimizer averages.

    Callbacks are Keras' own kind. ``on_train_batch_end`` is called once for several steps, with the number of
    the last one.

    Args:
        vae: compiled.
        images: (N, ...), the training split.
        validation: measured after every epoch.
        seed: of the order of the images.
        epochs: where training ends.
        batch_size: images in one step.
        first_epoch: where it begins, counted from 0.
        final_phase_begins: the first epoch whose steps are the final phase's (``vae.train_steps``); None:
            there is none.
        callbacks: called in their order.
    """
    calls = keras.callbacks.CallbackList(list(callbacks), model=vae)
    on_device = tf.constant(images)
    vae.optimizer.build(vae.trainable_variables)
    vae.stop_training = False
    calls.on_train_begin()
    for epoch in range(first_epoch, epochs):
        calls.on_epoch_begin(epoch)
        vae.reset_metrics()
        final = final_phase_begins is not None and epoch >= final_phase_begins
        _steps(vae, on_device, order_of(seed, epoch, len(images), batch_size), final, calls)
        logs = {name: float(value) for name, value in vae.get_metrics_result().items()}
        if not vae.stop_training:
            calls.on_test_begin()  # where averages of weights take their places
            found = vae.validate(validation, min(batch_size, len(validation)))
            calls.on_test_end(found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        calls.on_epoch_end(epoch, logs)
        if vae.stop_training:
            break
    vae.optimizer.finalize_variable_values(vae.trainable_variables)
    calls.on_train_end()


def _steps(
    vae: VariationalAutoencoder,
    images: tf.Tensor,
    order: npt.NDArray[np.int32],
    final_phase: bool,
    calls: keras.callbacks.CallbackList,
) -> None:
    """Take the steps of one epoch, as many in a call as take about SECONDS_A_CALL."""
    done, at_once = 0, 1
    while done < len(order) and not vae.stop_training:
        calls.on_train_batch_begin(done)
        began = time.perf_counter()
        taken = min(at_once, len(order) - done)
        vae.train_steps(images, order[done : done + taken], final_phase)
        loss = float(vae.get_metrics_result()["loss"])
        done += taken
        a_step = (time.perf_counter() - began) / taken
        # At most four times as many as before: the first call of all also compiles.
        at_once = min(4 * at_once, max(1, math.ceil(SECONDS_A_CALL / a_step)))
        calls.on_train_batch_end(done - 1, {"loss": loss})
