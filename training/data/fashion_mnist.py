"""Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, MIT licence): grey images of clothes, 28 x 28.

60,000 to train with and 10,000 to test. The last 5,000 of the 60,000 are the validation split.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from training.data import idx
from training.data.dataset import Dataset, Labels
from training.errors import DataError
from training.types import Pixels

NUM_VALIDATION = 5_000
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# SHA-256 of each file's content after decompression: packagers compress the same idx files differently.
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_fashion_mnist(folder: Path | None = None) -> Dataset:
    """Return Fashion-MNIST from `folder` with its four idx files, compressed (``.gz``) or not.

    Without a folder: from Keras' cache, Debian's package ``dataset-fashion-mnist`` or Keras' download.

    Raises:
        DataError: a file is missing, truncated or not the published one. One line: where, what, remedy.
    """
    source = folder or _find_fashion_mnist()
    contents = {name: _read_checked(source, name, sha) for name, sha in FASHION_MNIST_SHA256.items()}
    levels, numbers = _split(contents, "images-idx3-ubyte", 3), _split(contents, "labels-idx1-ubyte", 1)
    train, validation, test = (each.astype(np.float32) / np.float32(255) for each in levels)
    labels = Labels(FASHION_MNIST_CLASSES, *(each.astype(np.int64) for each in numbers))
    digests, count = dict(FASHION_MNIST_SHA256), len(contents)
    return Dataset("fashion-mnist", train, validation, test, digests, str(source), labels, count)


def _split(contents: dict[str, bytes], kind: str, ndim: int) -> tuple[Pixels, Pixels, Pixels]:
    train, test = (idx.parse(contents[f"{part}-{kind}"], ndim) for part in ("train", "t10k"))
    return train[:-NUM_VALIDATION], train[-NUM_VALIDATION:], test


def _find_fashion_mnist() -> Path:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")  # Keras has no public name for it
    cache = home / "datasets" / "fashion-mnist"
    for folder in (cache, DEBIAN_FOLDER):
        if all(idx.find(folder, name) for name in FASHION_MNIST_SHA256):
            return folder
    import keras  # heavy, and not needed when the files are here

    try:
        keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras lets every error of its URL opener through
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"Fashion-MNIST: not in {cache}, not in {DEBIAN_FOLDER}, and Keras' download failed ({reason}); "
            "name a folder with the four idx files by --data, or install Debian's dataset-fashion-mnist"
        ) from error
    return cache


def _read_checked(folder: Path, name: str, sha256: str) -> bytes:
    path = idx.find(folder, name)
    if path is None:
        raise DataError(
            f"{folder}: has no {name}.gz (nor {name}); the folder must hold the four idx files of "
            'Fashion-MNIST: name another by --data (your own images go with data = "images")'
        )
    content = idx.read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path}: not the published {name} (SHA-256 of the content {found[:12]}..., expected "
            f"{sha256[:12]}...); delete it and fetch it again"
        )
    return content
