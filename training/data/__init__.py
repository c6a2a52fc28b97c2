"""Images for training, validation and test, never mixed: Fashion-MNIST, emoji, or your own."""

from pathlib import Path
from typing import Any

from training.data.dataset import Dataset, Labels, batches
from training.data.emoji import load_emoji
from training.data.fashion_mnist import load_fashion_mnist
from training.data.images import load_images
from training.data.shapes import Fit
from training.errors import DataError
from training.types import Images

__all__ = [
    "Dataset",
    "Fit",
    "Images",
    "Labels",
    "batches",
    "load",
    "load_again",
    "load_emoji",
    "load_fashion_mnist",
]


def load(name: str, path: Path | None = None, fit: Fit | None = None) -> Dataset:
    """Return a data set.

    Args:
        name: ``fashion-mnist``, ``emoji`` or ``images``.
        path: folder or file; None: where the data set is usually found.
        fit: what images of one's own are made to be; None: their own size and colours.

    Raises:
        DataError: the name is unknown, or as ``load_fashion_mnist``, ``load_emoji`` and ``load_images``.
    """
    if name == "fashion-mnist":
        return load_fashion_mnist(path)
    if name == "emoji":
        return load_emoji(path)
    if name == "images":
        return load_images(path, fit)
    raise DataError(f"unknown data set {name!r}; known: fashion-mnist, emoji, images")


def load_again(name: str, path: Path | None, fit: Fit | None, recorded: dict[str, Any]) -> Dataset:
    """Return the data set of a finished run, of which `recorded` is what ``environment.json`` says.

    The rest is as of ``load``; without a `path`, it is where the run found the images, if that still exists.

    Raises:
        DataError: as ``load``, or these are not the images that the run was trained on.
    """
    remembered = recorded.get("source")
    if path is None and remembered is not None and Path(remembered).exists():
        path = Path(remembered)
    dataset = load(name, path, fit)
    trained_on = recorded["data"]["sha256"]
    if dataset.sha256 != trained_on:
        other = sorted({part for part, _ in dataset.sha256.items() ^ trained_on.items()})
        raise DataError(
            f"{dataset.source}: not what this run was trained on (SHA-256 differs: {', '.join(other)}); name "
            "the same images by --data, or train again"
        )
    return dataset
