"""Images for training, validation and test, never mixed: Fashion-MNIST, or your own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.data.dataset import Dataset, Images, Labels, batches
from training.data.fashion_mnist import load_fashion_mnist
from training.data.images import load_images
from training.data.shapes import Fit
from training.errors import DataError

__all__ = [
    "Dataset",
    "Fit",
    "Images",
    "Labels",
    "batches",
    "load",
    "load_again",
    "load_fashion_mnist",
    "load_images",
]

LOADERS: dict[str, Callable[[Path | None, Fit | None], Dataset]] = {
    "fashion-mnist": lambda path, fit: load_fashion_mnist(path),  # noqa: ARG005  it has one shape
    "images": load_images,
}


def load(name: str, path: Path | None = None, fit: Fit | None = None) -> Dataset:
    """Load the data set called `name`.

    Args:
        name: ``fashion-mnist`` or ``images``.
        path: folder or file; None: where the data set is usually found.
        fit: what images of one's own are made to be; None: their own size and colours.

    Raises:
        DataError: the name is unknown, or as ``load_fashion_mnist`` and ``load_images``.
    """
    if name not in LOADERS:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(LOADERS)}")
    return LOADERS[name](path, fit)


def load_again(name: str, path: Path | None, fit: Fit | None, recorded: dict[str, Any]) -> Dataset:
    """Load the data set of a finished run: from `path`, or else from where the run found it.

    Args:
        name: as of ``load``.
        path: folder or file; None: where the run found it, if that still exists.
        fit: as of ``load``.
        recorded: what ``environment.json`` of the run says.

    Raises:
        DataError: as ``load``, or these are not the images that the run was trained on.
    """
    remembered = recorded.get("source")
    if path is None and remembered is not None and Path(remembered).exists():
        path = Path(remembered)
    dataset = load(name, path, fit)
    trained_on = recorded["data"]["sha256"]
    if dataset.sha256 != trained_on:
        parts = sorted({*dataset.sha256, *trained_on})
        other = [part for part in parts if dataset.sha256.get(part) != trained_on.get(part)]
        raise DataError(
            f"{dataset.source}: not what this run was trained on (SHA-256 differs: {', '.join(other)}); name "
            "the same images by --data, or train again"
        )
    return dataset
