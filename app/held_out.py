"""Held-out images that a version ships: a few examples, and its map of the test set."""

import dataclasses
import functools
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from app import manifest
from app.arrays import read_arrays
from app.errors import ModelError
from app.pictures.encode import decode_png, shape_of_png
from app.pictures.grids import Pixels
from app.store import InvalidVersion, Version, read_file


@dataclasses.dataclass(frozen=True)
class Map:
    """The encoded test set in two dimensions, N images of it.

    Args:
        positions: (N, 2), x to the right and y upwards.
        z_mean: (N, D), the images' codes.
        read: reads `images`; raises ModelError if their file is not what it was.
        classes: (N,), numbers that count `names`; empty where images have no classes.
        names: of the classes.
        columns: thumbnails in a row of the sprite sheet.
        method: how positions came of codes: ``z_mean``, they are the codes, or ``t-sne``.
    """

    positions: npt.NDArray[np.float32]
    z_mean: npt.NDArray[np.float32]
    read: Callable[[], Pixels]
    classes: npt.NDArray[np.int32]
    names: tuple[str, ...]
    columns: int
    method: str

    def __len__(self) -> int:
        return len(self.positions)

    @functools.cached_property
    def images(self) -> Pixels:
        """(N, H, W) or (N, H, W, 3) levels, read when they are first asked for: most maps never are.

        It takes some hundredths of a second, so it is for a thread that may wait.

        Raises:
            ModelError: their file is not what the manifest says.
        """
        return self.read()

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
        arrays = read_arrays(version.folder / about.path)
        positions, z_mean, classes = (arrays[name] for name in ("positions", "z_mean", "classes"))
        _check(positions, (about.num_images, 2), "positions")
        _check(z_mean, (about.num_images, version.manifest.latent_dim), "z_mean")
        _check(classes, (about.num_images if about.classes else 0,), "classes")
        if len(classes) and not (classes.min() >= 0 and classes.max() < len(about.classes)):
            raise ValueError(f"classes: expected numbers from 0 to {len(about.classes) - 1}")
        _check_sheet(version, about)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: map: {error}") from error
    return Map(
        positions.astype(np.float32),
        z_mean.astype(np.float32),
        functools.partial(_read_images, version, about),
        classes.astype(np.int32),
        about.classes,
        about.columns,
        about.method,
    )


def _check(array: npt.NDArray[np.generic], shape: tuple[int, ...], name: str) -> None:
    numbers = np.issubdtype(array.dtype, np.number)
    if array.shape != shape or not numbers or not np.isfinite(array.astype(np.float64)).all():
        raise ValueError(f"{name}: expected {shape}, all finite; found {array.shape}")


def _check_sheet(version: Version, about: manifest.Map) -> None:
    """Raise ValueError unless the sprite sheet has its size: of a PNG, that stands in front."""
    image = version.manifest.image
    rows, channels = -(-about.num_images // about.columns), image.shape[2:]
    found, expected = (
        shape_of_png(version.folder / about.sprites),
        (rows * image.height, about.columns * image.width, *channels),
    )
    if found != expected:
        raise ValueError(f"{about.sprites} is {found}, not {expected}")


def _read_images(version: Version, about: manifest.Map) -> Pixels:
    """Return the thumbnails of a sprite sheet whose size was checked, or raise ModelError."""
    file = next(file for file in version.manifest.files if file.path == about.sprites)
    try:
        sheet = decode_png(io.BytesIO(read_file(version.folder, file)))
    except (InvalidVersion, OSError) as error:
        raise ModelError(f"{version.reference}: map: {error}") from error
    image = version.manifest.image
    cells = sheet.reshape(-1, image.height, about.columns, *image.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(-1, *image.shape)[: about.num_images])
