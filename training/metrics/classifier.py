"""Small classifiers of a data set's own classes: the features in which sample quality is measured.

Distances between features that tell the classes apart say more than those between pixels. Published scores
use Inception, which never saw such pictures. These networks are trained on the training split and ship with
the code. Numbers of different classifiers cannot be compared, so its SHA-256 stands beside every number.

A model that is chosen by the features of one classifier may please that one alone. So there are two, of
different architectures, trained apart; nothing is ever chosen by the second.
"""

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data
from training.data.fashion_mnist import FASHION_MNIST_SHA256
from training.determinism import make_deterministic
from training.errors import RunError
from training.runs import replacing, writing
from training.types import Array

NUM_FEATURES = 64
EPOCHS = 12
BATCH_SIZE = 128
LEARNING_RATE = 3e-3  # falls to zero along a cosine
DROPOUT = 0.2
AT_ONCE = 1_000  # images in one pass of the trained network

FOLDER = Path(__file__).parent / "classifiers"

# SHA-256 of <data set><suffix>.npz in FOLDER.
PINNED = {
    "fashion-mnist": "405c9027bca65244ea65a10b34be767eb8c7dc8875639063cc945d08cee48905",
    "fashion-mnist-second": "d7391cfe44bceaf326be7c9399997b5375bc631bf72709f7162e38c9f94b9af1",
}
MOST_SHIFT = 2  # pixels up, down and sideways, by which the second classifier's training images are moved


class Outputs(NamedTuple):
    """What the classifier says of B images."""

    features: Array  # (B, 64), the layer before the last
    probabilities: Array  # (B, classes)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier."""

    network: keras.Model  # images (B, H, W) or (B, H, W, C) -> [features (B, 64), log-odds (B, classes)]
    sha256: str  # of the file that it was read from, or would be written to

    def outputs(self, images: data.Images) -> Outputs:
        """Return features and class probabilities of images, B at least 1, at their ``eight_bit_levels``.

        Real images are at those levels already: or else the rounding alone would tell the two apart.
        """
        features, probabilities = [], []
        for batch in data.batches(eight_bit_levels(images), AT_ONCE):
            some_features, log_odds = self.network(batch, training=False)
            features.append(some_features.numpy())
            probabilities.append(tf.nn.softmax(log_odds).numpy())
        return Outputs(np.concatenate(features), np.concatenate(probabilities))

    def features(self, images: data.Images) -> Array:
        """Return the features of images, (B, 64) float32; images as in ``outputs``."""
        return self.outputs(images).features

    def accuracy(self, images: data.Images, labels: npt.NDArray[np.int64]) -> float:
        """Return the share of images whose most probable class is their label."""
        return float(np.mean(self.outputs(images).probabilities.argmax(axis=1) == labels))


class Kind(NamedTuple):
    """A classifier's architecture and training."""

    suffix: str  # of the file's name
    network: Callable[[tuple[int, ...], int], keras.Model]
    seed: int
    epochs: int
    augments: bool  # training images are moved and mirrored at random


def eight_bit_levels(images: data.Images) -> data.Images:
    """Return images clipped to [0, 1] and rounded to the nearest level v / 255; a ValueError for NaN."""
    levels: data.Images = np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.float32)
    if np.isnan(levels).any():
        raise ValueError("images: expected numbers. Received: pixels that are not a number (NaN)")
    return np.asarray(levels / np.float32(255))


def network(image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Build the untrained classifier: images -> [features (B, 64), log-odds (B, classes)]."""
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Reshape((*image_shape[:2], int(np.prod(image_shape[2:]))))(images)
    for channels, kernel, stride in ((32, 5, 2), (48, 3, 1)):
        hidden = keras.layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(hidden)
        hidden = keras.layers.BatchNormalization(momentum=0.97)(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
    hidden = keras.layers.Flatten()(keras.layers.MaxPooling2D()(hidden))
    hidden = keras.layers.Dropout(DROPOUT)(hidden)
    features = keras.layers.Dense(NUM_FEATURES, activation="silu", name="features")(hidden)
    log_odds = keras.layers.Dense(num_classes, name="log_odds")(keras.layers.Dropout(DROPOUT)(features))
    return keras.Model(images, [features, log_odds], name="classifier")


def second_network(image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Build the second untrained classifier: as ``network``, deeper, its features a mean over places."""
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Reshape((*image_shape[:2], int(np.prod(image_shape[2:]))))(images)
    for channels in (16, 48, 96):
        hidden = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)(hidden)
        hidden = keras.layers.BatchNormalization(momentum=0.97)(hidden)
        hidden = keras.layers.MaxPooling2D()(keras.layers.Activation("silu")(hidden))
    hidden = keras.layers.Conv2D(128, 1, activation="silu")(hidden)
    hidden = keras.layers.Dropout(DROPOUT)(keras.layers.GlobalAveragePooling2D()(hidden))
    features = keras.layers.Dense(NUM_FEATURES, activation="tanh", name="features")(hidden)
    log_odds = keras.layers.Dense(num_classes, name="log_odds")(features)
    return keras.Model(images, [features, log_odds], name="second_classifier")


FIRST = Kind("", network, seed=0, epochs=EPOCHS, augments=False)
SECOND = Kind("-second", second_network, seed=1, epochs=16, augments=True)


def train(
    dataset: data.Dataset,
    seed: int | None = None,
    *,
    epochs: int | None = None,
    verbose: int = 2,
    kind: Kind = FIRST,
) -> Classifier:
    """Train a classifier on the training split; validation is printed and decides nothing.

    The same data, seed, machine and library versions give the same weights, bit for bit. The test split is
    not touched. Seed and epochs are the kind's own unless given. `verbose` is that of ``keras.Model.fit``. A
    DataError if the data set has no labels.
    """
    labels = dataset.known_labels
    seed, epochs = kind.seed if seed is None else seed, epochs or kind.epochs
    make_deterministic(seed)
    model = kind.network(dataset.image_shape, len(labels.names))
    steps = epochs * -(-len(dataset.train) // BATCH_SIZE)
    trained = keras.Model(model.input, model.output[1])
    trained.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    rng = np.random.default_rng(seed)
    for first in range(epochs) if kind.augments else (0,):
        trained.fit(
            _augmented(dataset.train, rng) if kind.augments else dataset.train,
            labels.train,
            initial_epoch=first,
            epochs=first + 1 if kind.augments else epochs,
            batch_size=BATCH_SIZE,
            validation_data=(dataset.validation, labels.validation),
            verbose=verbose,
        )
    return Classifier(model, hashlib.sha256(_packed(model)).hexdigest())


def _augmented(images: data.Images, rng: np.random.Generator) -> data.Images:
    """Return images each moved by up to MOST_SHIFT pixels, zeros moving in, and half of them mirrored."""
    rest = [(0, 0)] * (images.ndim - 3)
    padded = np.pad(images, [(0, 0), (MOST_SHIFT,) * 2, (MOST_SHIFT,) * 2, *rest])
    rows, columns = rng.integers(0, 2 * MOST_SHIFT + 1, (2, len(images), 1))
    rows, columns = rows + np.arange(images.shape[1]), columns + np.arange(images.shape[2])
    mirrored = rng.random(len(images)) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    return np.asarray(padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None]])


def save(classifier: Classifier, path: Path) -> None:
    """Write a classifier to one ``.npz`` file, equal weights as equal bytes; a NotWritten if that fails."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(_packed(classifier.network))


def committed(dataset: data.Dataset, kind: Kind = FIRST) -> Classifier | None:
    """Return a classifier that the project ships for a data set, or None; a RunError as of ``load``."""
    published = dataset.name == "fashion-mnist" and dataset.sha256 == FASHION_MNIST_SHA256
    if not published or dataset.labels is None:
        return None
    name = dataset.name + kind.suffix
    return load(FOLDER / f"{name}.npz", PINNED[name], dataset.image_shape, len(dataset.labels.names), kind)


def load(
    path: Path, sha256: str, image_shape: tuple[int, ...], num_classes: int, kind: Kind = FIRST
) -> Classifier:
    """Read a classifier from the file that ``save`` wrote.

    A RunError if the file is missing, or not the one with this SHA-256.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "install vitrine again, or make it by vitrine-train classifier"
        raise RunError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        digests = f"SHA-256 {found[:12]}..., expected {sha256[:12]}..."
        raise RunError(
            f"{path}: not the classifier whose numbers are published ({digests}); restore the file"
        )
    model = kind.network(image_shape, num_classes)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in sorted(arrays)])
    return Classifier(model, sha256)


def _packed(model: keras.Model) -> bytes:
    """The weights as a compressed npz, in the network's order; NumPy dates its members 1980, always."""
    arrays: dict[str, Any] = {f"{number:02d}": array for number, array in enumerate(model.get_weights())}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
