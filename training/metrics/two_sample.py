"""A network that is trained to tell generated images from real ones: can it (Lopez-Paz and Oquab 2017)?"""

import keras
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from training import data
from training.determinism import make_deterministic
from training.types import Array

EPOCHS = 2
BATCH_SIZE = 128
LEARNING_RATE = 2e-3


def auroc(low: npt.ArrayLike, high: npt.ArrayLike) -> float:
    """Return the chance that a value of `high` exceeds one of `low`, ties counting half.

    The area under the receiver operating characteristic of a score that should be higher for `high`: 0.5 for
    scores that say nothing, 1 for scores that tell the two apart without fault.

    Raises:
        ValueError: a set is empty or holds a value that is not a number.
    """
    negatives, positives = (np.asarray(values, np.float64).ravel() for values in (low, high))
    scores = np.concatenate([negatives, positives])
    if not len(negatives) or not len(positives) or np.isnan(scores).any():
        raise ValueError(
            "low, high: expected one number or more each, none NaN. "
            f"Received: {len(negatives)} and {len(positives)} values"
        )
    ranks = rankdata(scores)  # scores may be infinite, which scikit-learn refuses
    return float(roc_auc_score(np.repeat([0, 1], [len(negatives), len(positives)]), ranks))


def two_sample_auroc(real: data.Images, generated: data.Images, seed: int = 0, epochs: int = EPOCHS) -> float:
    """Train a small network on half of the images and return its AUROC on the other half.

    0.5: it cannot tell generated from real; 1: it always can. A weak judge on purpose, of two convolutions
    and seconds of training: what it finds, anybody can see. Deterministic on one machine.

    Args:
        real: (N, H, W) or (N, H, W, C), in [0, 1]; N at least 4.
        generated: (M, ...) of the same shape, at 8-bit levels too: or else the rounding tells them apart.
        seed: of the halves, the initial weights and the order of images.
        epochs: passes over the training half.
    """
    make_deterministic(seed)
    rng = np.random.default_rng(seed)
    halves: list[tuple[data.Images, Array]] = []
    shuffled = [images[rng.permutation(len(images))] for images in (real, generated)]
    for half in (0, 1):
        parts = [images[half::2] for images in shuffled]
        labels = np.repeat(np.array([0, 1], np.float32), [len(part) for part in parts])
        halves.append((np.concatenate(parts), labels))
    judge = _judge(real.shape[1:])
    judge.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    (images, labels), (held_out, truth) = halves
    judge.fit(images, labels, epochs=epochs, batch_size=BATCH_SIZE, verbose=0)
    scores = np.concatenate([judge(batch, training=False).numpy() for batch in data.batches(held_out, 1_000)])
    return auroc(scores[truth == 0], scores[truth == 1])


def _judge(image_shape: tuple[int, ...]) -> keras.Model:
    images = keras.Input(image_shape)
    hidden = keras.layers.Reshape((*image_shape[:2], int(np.prod(image_shape[2:]))))(images)
    for channels in (16, 32):
        hidden = keras.layers.Conv2D(channels, 4, strides=2, padding="same", activation="relu")(hidden)
    hidden = keras.layers.Dense(32, activation="relu")(keras.layers.Flatten()(hidden))
    return keras.Model(images, keras.layers.Dense(1)(hidden))
