"""Held-out images that a version ships: a few examples, and its map of the test set."""

import dataclasses

import numpy as np
import numpy.typing as npt

from app.errors import ModelError
from app.pictures.encode import decode_png
from app.pictures.grids import Pixels
from app.store import Version


@dataclasses.dataclass(frozen=True)
class Map:
    """The encoded test set in two dimensions, N images of it.

    Args:
        positions: (N, 2), x to the right and y upwards.
        z_mean: (N, D), the images' codes.
        images: (N, H, W) or (N, H, W, 3) levels.
        classes: (N,), numbers that count `names`; empty where images have no classes.
        names: of the classes.
        columns: thumbnails in a row of the sprite sheet.
        method: how positions came of codes: ``z_mean``, they are the codes, or ``t-sne``.
    """

    positions: npt.NDArray[np.float32]
    z_mean: npt.NDArray[np.float32]
    images: Pixels
    classes: npt.NDArray[np.int32]
    names: tuple[str, ...]
    columns: int
    method: str

    def __len__(self) -> int:
        return len(self.positions)

    def class_of(self, index: int) -> str | None:
        """Return the name of an image's class; None where there are no classes."""
        return self.names[self.classes[index]] if len(self.classes) else None


def read_examples(version: Version) -> Pixels:
    """Return the examples of a version, (N, H, W) or (N, H, W, 3) levels.

    Raises:
        ModelError: one is not what the manifest says.
    """
    shape = version.manifest.image.shape
    examples = np.empty((len(version.manifest.examples), *shape), np.uint8)
    for example, path in zip(examples, version.manifest.examples, strict=True):
        read = decode_png(version.folder / path)
        if read.shape != shape:
            raise ModelError(f"{version.reference}: {path} is {read.shape}, not {shape}")
        example[:] = read
    return examples


def open_map(version: Version) -> Map | None:
    """Return the map of a version; None if it has none.

    Raises:
        ModelError: its files are not what the manifest says.
    """
    about = version.manifest.map
    if about is None:
        return None
    try:
        with np.load(version.folder / about.path, allow_pickle=False) as arrays:
            positions, z_mean, classes = (arrays[name] for name in ("positions", "z_mean", "classes"))
        _check(positions, (about.num_images, 2), "positions")
        _check(z_mean, (about.num_images, version.manifest.latent_dim), "z_mean")
        _check(classes, (about.num_images if about.classes else 0,), "classes")
        if len(classes) and not (classes.min() >= 0 and classes.max() < len(about.classes)):
            raise ValueError(f"classes: expected numbers from 0 to {len(about.classes) - 1}")
        images = _cut(decode_png(version.folder / about.sprites), version)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: map: {error}") from error
    return Map(
        positions.astype(np.float32),
        z_mean.astype(np.float32),
        images,
        classes.astype(np.int32),
        about.classes,
        about.columns,
        about.method,
    )


def _check(array: npt.NDArray[np.generic], shape: tuple[int, ...], name: str) -> None:
    numbers = np.issubdtype(array.dtype, np.number)
    if array.shape != shape or not numbers or not np.isfinite(array.astype(np.float64)).all():
        raise ValueError(f"{name}: expected {shape}, all finite; found {array.shape}")


def _cut(sheet: Pixels, version: Version) -> Pixels:
    """Return the thumbnails of a sprite sheet, or raise ValueError."""
    about, image = version.manifest.map, version.manifest.image
    if about is None:
        raise ValueError("no map")
    rows, channels = -(-about.num_images // about.columns), image.shape[2:]
    expected = (rows * image.height, about.columns * image.width, *channels)
    if sheet.shape != expected:
        raise ValueError(f"{about.sprites} is {sheet.shape}, not {expected}")
    cells = sheet.reshape(rows, image.height, about.columns, image.width, *channels).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(-1, *image.shape)[: about.num_images])
