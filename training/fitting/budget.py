"""A budget in minutes -> a number of epochs, by what steps of this very model take on this machine.

A schedule of the learning rate has to know its end before it begins, and a run that repeats must not depend
on a clock. So the time is measured first, with a model that is then thrown away, and from there on the
configuration says epochs.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from training import data, runs
from training.configs.schema import Config
from training.determinism import make_deterministic
from training.fitting.loop import averaged_weights, steps_per_epoch
from training.models.vae import VariationalAutoencoder

logger = logging.getLogger(__name__)

MEASURED_SECONDS = 4.0  # of steps, after those that compile
MOST_STEPS = 200
WARMING_STEPS = 3


def resolved(
    config: Config,
    dataset: data.Dataset,
    compiled: Callable[[Config, data.Dataset], VariationalAutoencoder],
    begun: Path | None = None,
) -> Config:
    """Return the experiment with as many epochs as its minutes allow, and without the minutes.

    Args:
        config: returned as it is if it has no ``optimizer.minutes``.
        dataset: what it is trained on.
        compiled: gives its model before the first step, as ``fit.compiled`` does.
        begun: folder of a run to go on with, which says how many epochs were found when it was begun; it may
            hold nothing yet.
    """
    minutes = config.optimizer.minutes
    if minutes is None:
        return config
    if begun is not None and (begun / runs.CONFIG).exists():
        epochs = int(json.loads((begun / runs.CONFIG).read_text())["optimizer"]["epochs"])
    else:
        make_deterministic(config.seed)  # its kernels are those that are timed
        seconds = seconds_an_epoch(compiled(config, dataset), config, dataset)
        epochs = max(1, min(config.optimizer.epochs, int(60 * minutes / seconds)))
        if seconds > 60 * minutes:
            logger.info("1 epoch of %.1f s, longer than the %g minutes asked for", seconds, minutes)
        else:
            logger.info("an epoch takes %.1f s: %d of them in %g minutes", seconds, epochs, minutes)
    return _with_epochs(config, epochs)


def _with_epochs(config: Config, epochs: int) -> Config:
    table = config.as_dict()
    del table["optimizer"]["minutes"]
    table["optimizer"]["epochs"] = epochs
    objective = table["objective"]
    if "kl_warmup_epochs" in objective and config.objective.final_phase is None:
        # As large a part of the run as it was of all epochs.
        share = config.objective.kl_warmup_epochs / config.optimizer.epochs
        objective["kl_warmup_epochs"] = min(config.objective.kl_warmup_epochs, int(share * epochs))
    return Config.model_validate(table)


def seconds_an_epoch(vae: VariationalAutoencoder, config: Config, dataset: data.Dataset) -> float:
    """Return what an epoch takes, its validation included; `vae` is trained meanwhile."""
    images, batch = tf.constant(dataset.train), config.optimizer.batch_size
    size = min(batch, len(dataset.train))
    order = np.arange(MOST_STEPS * size, dtype=np.int32).reshape(MOST_STEPS, size) % len(dataset.train)
    vae.optimizer.build(vae.trainable_variables)
    vae.train_steps(images, order[:WARMING_STEPS])
    began, done = time.perf_counter(), 0
    while done < MOST_STEPS and time.perf_counter() - began < MEASURED_SECONDS:
        vae.train_steps(images, order[done : done + 1])
        float(vae.get_metrics_result()["loss"])
        done += 1
    a_step = (time.perf_counter() - began) / done
    steps = steps_per_epoch(len(dataset.train), batch, config.optimizer.passes)
    return steps * a_step + _validation(vae, dataset, batch)


def _validation(vae: VariationalAutoencoder, dataset: data.Dataset, batch_size: int) -> float:
    """Return how many seconds validation takes, once it is compiled."""
    began = 0.0
    with averaged_weights(vae):
        for _ in range(2):
            began = time.perf_counter()
            vae.validate(dataset.validation, min(batch_size, len(dataset.validation)))
    return time.perf_counter() - began
