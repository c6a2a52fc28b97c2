"""The encoded test set in two dimensions: what a service draws as a map of a model's latent space."""

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from training.data import Dataset
from training.publish import traversals
from training.runs import replacing
from training.types import Array

logger = logging.getLogger(__name__)

ARRAYS, SPRITES = "map.npz", "map.png"
NUM_IMAGES = 2_000  # at most, unless another number is asked for
# Of pixels times channels, as many bytes as the thumbnails take before they are compressed: a version is to
# stay a few megabytes.
MAX_VALUES = 4_000_000
SEED = 0
PERPLEXITY = 30.0  # neighbours that t-SNE looks at, sklearn's own default
FEWEST = 8  # images; t-SNE of fewer says nothing

Numbers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Mapped:
    """The images of a map.

    Args:
        images: (N, H, W) or (N, H, W, 3) in [0, 1].
        classes: (N,), numbers that count `names`; empty where images have no classes.
        names: of the classes.
    """

    images: Array
    classes: Numbers
    names: tuple[str, ...] = ()


def chosen(dataset: Dataset, num_images: int | None = None) -> Mapped:
    """Return the test images of a map: always the same ones, of every class in proportion, in their order.

    Args:
        dataset: whose test images they are.
        num_images: how many, at most; None: as many as leave a version a few megabytes.
    """
    images, labels = dataset.test, dataset.labels
    usual = min(NUM_IMAGES, MAX_VALUES // images[0].size)
    most = max(1, min(usual if num_images is None else num_images, len(images)))
    if labels is None:
        return Mapped(images[:most], np.empty(0, np.int64))
    # The share of its class that comes before an image: the lowest are of every class in proportion.
    before = np.empty(len(images))
    for number in np.unique(labels.test):
        of_class = np.flatnonzero(labels.test == number)
        before[of_class] = np.arange(len(of_class)) / len(of_class)
    rows = np.sort(np.argsort(before, kind="stable")[:most])
    return Mapped(images[rows], labels.test[rows], labels.names)


def write(mapped: Mapped, z_mean: Array, folder: Path) -> dict[str, Any]:
    """Write ``map.npz`` and ``map.png`` to a version's folder; return the manifest's ``map``.

    Args:
        mapped: the images.
        z_mean: (N, D), their codes over the published axes.
        folder: the version's.
    """
    method = "t-sne" if _is_embedded(z_mean) else "z_mean"
    logger.info("map: %d held-out images by %s", len(z_mean), method)
    with replacing(folder / ARRAYS) as file:
        np.savez_compressed(
            file,
            positions=positions_of(z_mean),
            classes=mapped.classes.astype(np.int32),
            z_mean=z_mean.astype(np.float32),
        )
    columns = math.ceil(math.sqrt(len(mapped.images)))
    traversals.write_png(folder / SPRITES, _sheet(mapped.images, columns))
    return {
        "path": ARRAYS,
        "sprites": SPRITES,
        "num_images": len(mapped.images),
        "columns": columns,
        "classes": list(mapped.names),
        "split": "test",
        "method": method,
    }


def _is_embedded(z_mean: Array) -> bool:
    """Say whether codes are embedded: few do not, nor those that do not vary, which have no components."""
    count, axes = z_mean.shape
    return axes > 2 and count >= FEWEST and bool(np.ptp(z_mean, axis=0).any())


def positions_of(z_mean: Array) -> Array:
    """Return where codes, (N, D), lie on the map, (N, 2) float32.

    Two axes are the map themselves, of one the second coordinate is zero. More are embedded by t-SNE (van der
    Maaten & Hinton 2008), which begins at the first two principal components: near codes stay near, but
    distances between groups mean little. One thread, as sums in another order would give another map.
    """
    count, axes = z_mean.shape
    if not _is_embedded(z_mean):
        return np.pad(z_mean[:, :2], ((0, 0), (0, max(0, 2 - axes)))).astype(np.float32)
    embedding = TSNE(init="pca", perplexity=min(PERPLEXITY, (count - 1) / 3), random_state=SEED)
    with threadpool_limits(1):
        found = embedding.fit_transform(z_mean.astype(np.float64))
    return np.asarray(found, np.float32)


def _sheet(images: Array, columns: int) -> npt.NDArray[np.uint8]:
    """Return images as levels in rows of `columns`; what is left of the last row is zero."""
    levels = np.round(images * 255).astype(np.uint8)
    rows = math.ceil(len(levels) / columns)
    height, width, *channels = levels.shape[1:]
    cells = np.zeros((rows * columns, height, width, *channels), np.uint8)
    cells[: len(levels)] = levels
    sheet = cells.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return np.ascontiguousarray(sheet.reshape(rows * height, columns * width, *channels))
