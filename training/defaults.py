"""The experiment that suits a data set of somebody's own pictures: what ``vitrine-train quick`` trains.

Why these values, and what they came to on two folders: docs/training.md.
"""

import re
from typing import Any

from training.configs.schema import NAME, Config, from_dict
from training.data import Dataset

FEW = 200  # pictures, below which a model has seen too little to draw anything new
LONGEST = 64  # pixels along a side, what a small network learns in minutes
HALVINGS = 3  # by the network's convolutions
MANY_EPOCHS = 100_000  # the budget in minutes ends training, not this
PATIENCE = 4  # the part of the epochs that may pass without an improvement: one in so many
STEPS_AN_EPOCH = 100  # at least: what is measured and written after an epoch takes as long as some steps


def name_of(text: str) -> str:
    """Return a name that a model may have, made of the name of a folder."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:64]
    return name if NAME.fullmatch(name) else "pictures"


def optimizer(num_train: int, minutes: float) -> dict[str, Any]:
    """Return how many minutes are spent on `num_train` training images."""
    batch_size = 16 if num_train < 2_000 else 32 if num_train < 8_000 else 64
    passes = max(1, round(STEPS_AN_EPOCH * batch_size / num_train))
    return {
        "name": "adam",
        "learning_rate": 0.002,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "ema_momentum": 0.995,
        "epochs": MANY_EPOCHS,
        "minutes": float(minutes),
        "batch_size": batch_size,
        "passes": passes,
        "keep": "pictures",
    }


def experiment(
    name: str, dataset: Dataset, minutes: float, *, seed: int = 42, mirror: bool = False
) -> Config:
    """Return what to train on a data set.

    Args:
        name: of the model.
        dataset: already of the size and the colours that it is trained on.
        minutes: of training.
        seed: of the experiment.
        mirror: whether a mirror image shows the same.
    """
    height, width, *colours = dataset.image_shape
    return from_dict(
        {
            "name": name,
            "seed": seed,
            "data": {"name": "images", "size": [height, width], "channels": (colours or [1])[0]},
            "network": {
                "kind": "palette",
                "latent_dim": 32 if len(dataset.train) < 2_000 else 64,
                "start_log_var": -3.0,
                "encoder_units": [256],
                "decoder_units": [256],
                "channels": [32, 64, 128],
                "residual_blocks": 1,
                "colours": 8,
            },
            "likelihood": {"name": "gaussian-shared"},
            "objective": {"name": "elbo", "mean_weight": 500.0},
            "prior": {"components": [1, 2, 4, 8]},
            "augmentation": {"shift": 0.15, "zoom": 0.1, "mirror": mirror},
            "optimizer": optimizer(len(dataset.train), minutes),
        }
    )


def going_on(before: Config, name: str, dataset: Dataset, minutes: float, source: str) -> Config:
    """Return what to train on a data set with the weights of another experiment, at a lower rate.

    Networks, likelihood, objective, prior and axes stay as they were.
    """
    height, width, *colours = dataset.image_shape
    section = optimizer(len(dataset.train), minutes)
    return before.replaced(
        {
            "name": name,
            "start_from": source,
            "data": {"name": "images", "size": [height, width], "channels": (colours or [1])[0]},
            "optimizer": section | {"learning_rate": section["learning_rate"] / 2},
        }
    )


def patient(config: Config) -> Config:
    """Return an experiment, whose epochs are known, that ends early once nothing improves any more."""
    return config.replaced({"optimizer.patience": max(3, config.optimizer.epochs // PATIENCE)})
