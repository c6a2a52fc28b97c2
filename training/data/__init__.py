"""Images for training, validation and test, never mixed: Fashion-MNIST, or your own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.configs.schema import Config
from training.data.dataset import Dataset, Images, Labels, batches
from training.data.fashion_mnist import load_fashion_mnist
from training.data.images import load_images
from training.data.shapes import Fit
from training.errors import DataError

__all__ = [
    "Dataset",
    "Images",
    "Labels",
    "batches",
    "load",
    "load_again",
    "load_fashion_mnist",
    "load_for",
    "load_images",
]

LOADERS: dict[str, Callable[[Path | None], Dataset]] = {
    "fashion-mnist": load_fashion_mnist,
    "images": load_images,
}


def load(name: str, folder: Path | None = None) -> Dataset:
    """Load the data set called `name`.

    Raises:
        DataError: the name is unknown, or as ``load_fashion_mnist`` and ``load_images``.
    """
    if name not in LOADERS:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(LOADERS)}")
    return LOADERS[name](folder)


def load_for(config: Config, path: Path | None = None) -> Dataset:
    """Load the data set of an experiment, its images fitted to what the experiment's network can take.

    Args:
        config: the experiment.
        path: folder or file; None: where the data set is usually found.

    Raises:
        DataError: as ``load``.
    """
    if config.data != "images":
        return load(config.data, path)
    height_and_width = (config.image_size[0], config.image_size[1]) if config.image_size else None
    return load_images(path, Fit(height_and_width, config.image_channels, len(config.channels)))


def load_again(config: Config, path: Path | None, recorded: dict[str, Any]) -> Dataset:
    """Load the data set of a finished run: from `path`, or else from where the run found it.

    Args:
        config: the experiment.
        path: folder or file; None: where the run found it, if that still exists.
        recorded: what ``environment.json`` of the run says.

    Raises:
        DataError: as ``load``, or these are not the images that the run was trained on.
    """
    remembered = recorded.get("source")
    if path is None and remembered is not None and Path(remembered).exists():
        path = Path(remembered)
    dataset = load_for(config, path)
    trained_on = recorded["data"]["sha256"]
    if dataset.sha256 != trained_on:
        parts = sorted({*dataset.sha256, *trained_on})
        other = [part for part in parts if dataset.sha256.get(part) != trained_on.get(part)]
        raise DataError(
            f"{dataset.source}: not what this run was trained on (SHA-256 differs: {', '.join(other)}); name "
            "the same images by --data, or train again"
        )
    return dataset
