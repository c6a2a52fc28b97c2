"""Images split once and for all, and their classes."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.ground import Ground, measure
from training.data.splits import SPLITS
from training.errors import DataError
from training.types import Images


@dataclasses.dataclass(frozen=True)
class Labels:
    """The class of every image, as a number from 0 that counts `names`; int64."""

    names: tuple[str, ...]
    train: npt.NDArray[np.int64]  # (N,)
    validation: npt.NDArray[np.int64]  # (N,)
    test: npt.NDArray[np.int64]  # (N,)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images split once and for all; pixels are float32 in [0, 1]."""

    name: str
    train: Images  # (N, H, W) grey or (N, H, W, 3) colour
    validation: Images  # as train
    test: Images  # as train
    sha256: dict[str, str]  # what tells these images from others: part -> SHA-256 of its content
    source: str  # where the files were read
    labels: Labels | None = None  # where the images have classes
    num_files: int = 0  # files read
    notes: tuple[str, ...] = ()  # what was found, chosen and left out, in a few lines for people
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)  # all that is not used -> why

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, (H, W) or (H, W, 3)."""
        return self.train.shape[1:]

    @functools.cached_property
    def ground(self) -> Ground:
        """The ground of the training images."""
        return measure(self.train)

    def describe(self) -> dict[str, Any]:
        """Return the whole of what was found and left out, ready for JSON."""
        names, labels = (self.labels.names, self.labels) if self.labels else ((), None)
        return {
            "notes": list(self.notes),
            "classes": {
                name: {split: int((getattr(labels, split) == number).sum()) for split in SPLITS}
                for number, name in enumerate(names)
            },
            "left_out": self.left_out,
        }

    @property
    def known_labels(self) -> Labels:
        """The labels; a DataError if there are none."""
        if self.labels is None:
            raise DataError(f"{self.name}: has no labels, which a classifier needs")
        return self.labels


def batches(images: Images, batch_size: int) -> Iterator[Images]:
    """Yield `images` in order, `batch_size` at a time; the last batch may be smaller."""
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]
