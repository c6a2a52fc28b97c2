"""How unusual held-out images are to a model: what a service tells the percentile of a score by."""

import dataclasses
import logging
from typing import Any

import numpy as np
import tensorflow as tf

from training.metrics import bounds, ood
from training.trained import TrainedModel
from training.types import Array, Doubles, Tensor

logger = logging.getLogger(__name__)

DRAWS = 128  # k of the bound, the service's default
NUM_IMAGES = 2_000  # at most: a percentile is then known to within 1.1
STEPS = 200  # of probability, from 0 to 1
# Where a posterior is confined to; model_store/README.md says why.
MOST_MEAN = 8.0
LEAST_LOG_VAR, MOST_LOG_VAR = -16.0, 2 * float(np.log(MOST_MEAN))


def measure(model: TrainedModel, held_out: Array) -> dict[str, Any]:
    """Return the manifest's ``scores``: quantiles of both scores over held-out images, the first of them.

    The one score is -L_k in nats, the other what that, as a probability of 8-bit levels, exceeds the image's
    complexity by; see ``ood.complexity``.
    """
    images = held_out[:NUM_IMAGES]
    logger.info("scores: L_%d of %d held-out images", DRAWS, len(images))
    weights = bounds.log_weights(confined(model), images, DRAWS, model.seed)
    nats = -bounds.bound_of(weights, DRAWS)
    width = images[0].size * model.likelihood.log_level_width
    corrected = nats - width - ood.complexity(images)
    return {
        "k": DRAWS,
        "num_images": len(images),
        "complexity": ood.COMPLEXITY,
        "nats": _quantiles(nats),
        "corrected": _quantiles(corrected),
    }


def confined(model: TrainedModel) -> TrainedModel:
    """Return the model with an encoder that gives no posterior beyond what a service draws codes from."""

    def encoder(images: Array, training: bool = False) -> tuple[Tensor, Tensor]:
        z_mean, z_log_var = model.encoder(images, training=training)
        return (
            tf.clip_by_value(z_mean, -MOST_MEAN, MOST_MEAN),
            tf.clip_by_value(z_log_var, LEAST_LOG_VAR, MOST_LOG_VAR),
        )

    return dataclasses.replace(model, encoder=encoder)


def _quantiles(scores: Doubles) -> list[float]:
    found = np.quantile(scores, np.linspace(0, 1, STEPS + 1))
    return [round(float(value), 4) for value in found]
