"""Images that are arrays already: .npz, .npy and idx files. Nothing in them is ever unpickled."""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from training.data import idx, pictures, shapes
from training.data.shapes import Fit
from training.data.splits import UNSPLIT, Gathered
from training.errors import DataError
from training.types import Pixels

# MNIST's names, and its relatives': train-images-idx3-ubyte.gz, emnist-letters-test-images-idx3-ubyte.
IDX_IMAGES = re.compile(r"(?P<prefix>.*)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")
IDX_SPLITS = {"t10k": "test", "test": "test", "val": "validation", "train": "train"}

# Names of arrays of images and of their labels, in an .npz, and the split they are.
NPZ_PARTS = (("images", "labels", UNSPLIT), ("x_train", "y_train", "train"), ("x_test", "y_test", "test"))

Array = np.ndarray[Any, np.dtype[Any]]
Part = tuple[str, Array, Array | None]  # split, images, label of each


def is_idx(path: Path) -> bool:
    """Say whether a path is an idx file of images by its name, or a folder with such a file."""
    if path.is_dir():
        return any(IDX_IMAGES.fullmatch(file.name) for file in path.iterdir())
    return IDX_IMAGES.fullmatch(path.name) is not None


def gather_idx(path: Path, fit: Fit) -> Gathered:
    """Read one idx file of images, or those of a folder, with their labels if these lie beside them.

    Raises:
        DataError: a file is truncated or no idx file, or the arrays do not belong together.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    parts: list[Part] = []
    for file in files:
        found = IDX_IMAGES.fullmatch(file.name)
        if found is None or (file.suffix == ".gz" and file.with_suffix("") in files):
            continue
        beside = idx.find(file.parent, f"{found['prefix']}labels{found['dot']}idx1-ubyte")
        # One file is split here, whatever it is called.
        word = "" if file == path else found["prefix"].lower()
        split = next((split for part, split in IDX_SPLITS.items() if part in word), UNSPLIT)
        labels = None if beside is None else idx.load(beside, 1)
        parts.append((split, idx.load(file, 3), labels))
    return _gathered(parts, fit, len(parts) + sum(labels is not None for _, _, labels in parts))


def gather_npz(path: Path, fit: Fit) -> Gathered:
    """Read an .npz with `images`, or `x_train` and `x_test`, or one array under any name; or an .npy.

    `labels`, or `y_train` and `y_test`, are the classes: whole numbers or words, one for each image.

    Raises:
        DataError: the file is broken, needs unpickling, or holds no such arrays.
    """
    try:
        size = path.stat().st_size
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:  # sizes first: a small .npz may hold any amount
                size = sum(member.file_size for member in archive.infolist())
        if size > shapes.MAX_ARRAY_BYTES:
            allowed = f"{shapes.MAX_ARRAY_BYTES / 2**30:g} GiB allowed"
            raise DataError(f"holds {size / 2**30:.1f} GiB, more than the {allowed}; use fewer images")
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {"images": loaded} if path.suffix == ".npy" else dict(loaded)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"no readable array ({' '.join(str(error).split())}); save it again") from error
    parts: list[Part] = [
        (split, arrays[name], arrays.get(label)) for name, label, split in NPZ_PARTS if name in arrays
    ]
    if not parts and len(arrays) == 1:
        parts = [(UNSPLIT, array, None) for array in arrays.values()]
    if not parts:
        raise DataError(f"expected an array images, or x_train and x_test. Received: {', '.join(arrays)}")
    if len(parts) > 1 and parts[0][0] == UNSPLIT:
        raise DataError(f"expected images, or x_train and x_test, not both. Received: {', '.join(arrays)}")
    return _gathered(parts, fit, 1)


def levels_of(images: Array) -> Pixels:
    """Return images, (N, H, W) or (N, H, W, 1 or 3), as 256 levels, (N, H, W) or (N, H, W, 3).

    Raises:
        DataError: they are not whole numbers from 0 to 255, nor fractions or booleans from 0 to 1.
    """
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)) or 0 in images.shape:
        raise DataError(
            f"images: expected the shape (N, H, W) or (N, H, W, 1 or 3). Received: {images.shape}"
        )
    if images.dtype.kind not in "biuf":
        raise DataError(f"images: expected whole numbers or fractions. Received: {images.dtype}")
    low, high = images.min(), images.max()
    if images.dtype.kind in "bf":
        if not (low >= 0 and high <= 1):  # so written, a NaN is refused too
            raise DataError(f"images: expected fractions from 0 to 1. Received: {low:.4g} to {high:.4g}")
        # A slice at a time: the fractions may be as large as memory allows.
        return np.stack([np.rint(image.astype(np.float32) * 255).astype(np.uint8) for image in images])
    if low < 0 or high > 255 or high <= 1:
        hint = " (give black and white as fractions or booleans)" if high <= 1 else ""
        raise DataError(f"images: expected whole numbers from 0 to 255{hint}. Received: {low} to {high}")
    return images.astype(np.uint8)


def _gathered(parts: list[Part], fit: Fit, num_files: int) -> Gathered:
    read = [(split, levels_of(images), labels) for split, images, labels in parts]
    if len({levels.shape[1:] for _, levels, _ in read}) > 1:
        found = ", ".join(str(levels.shape) for _, levels, _ in read)
        raise DataError(f"images: expected one height, width and number of colours. Received: {found}")
    splits = tuple(split for split, levels, _ in read for _ in levels)
    named = [_names(labels, len(levels)) for _, levels, labels in read if labels is not None]
    classes = tuple(name for names in named for name in names) if len(named) == len(read) else None

    pixels = np.concatenate([levels for _, levels, _ in read])
    given = (pixels.shape[1], pixels.shape[2])
    colours = pixels.ndim == 4 and not all(is_grey(image) for image in pixels)
    height, width = fit.size or shapes.choose_size([given], fit.halvings)
    channels = fit.channels or (3 if colours else 1)
    shapes.check_memory(len(pixels), (height, width, channels))
    if channels == 1 and not colours and pixels.ndim == 4:
        pixels = pixels[..., 0]
    if (height, width) != given or channels != (1 if pixels.ndim == 3 else 3):
        pixels = np.stack([pictures.fit_levels(image, height, width, channels) for image in pixels])
    notes = (
        f"found: {len(pixels)} images of {given[0]} x {given[1]} (height x width)",
        f"size: {height} x {width}, {'colour' if channels == 3 else 'grey'}",
    )
    return Gathered(pixels, splits, classes, num_files, notes)


def is_grey(image: Pixels) -> bool:
    """Say whether every pixel of a colour image, (H, W, 3), has three equal levels."""
    return bool((image == image[..., :1]).all())


def _names(labels: Array, count: int) -> list[str]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,) or labels.dtype.kind not in "biuUS":
        raise DataError(
            f"labels: expected {count} whole numbers or words, one an image. "
            f"Received: {labels.dtype} of shape {labels.shape}"
        )
    names = labels.tolist()
    return [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names]
