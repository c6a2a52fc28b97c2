"""Images that are arrays already: .npz, .npy and idx files. Nothing in them is ever unpickled."""

import contextlib
import dataclasses
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training.data import entries, idx, levels, pictures, shapes
from training.data.levels import Array
from training.data.names import cut, shown
from training.data.shapes import Fit
from training.data.splits import SPLIT_WORDS, UNSPLIT, Gathered, split_of, words
from training.errors import DataError
from training.types import Pixels

# MNIST's names, and its relatives': train-images-idx3-ubyte.gz, emnist-letters-test-images-idx3-ubyte.
IDX_IMAGES = re.compile(r"(?P<prefix>.*)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")

# Words of the names of arrays in an .npz; others may be those of the splits: x_train, val_labels.
_KINDS = {
    "x": "images",
    "image": "images",
    "images": "images",
    "y": "labels",
    "label": "labels",
    "labels": "labels",
}
_EXPECTED = "an array images (and labels), or x_train and x_test (and y_train, y_test)"


@dataclasses.dataclass(frozen=True)
class Part:
    """Images of one split, with their labels."""

    name: str  # of the array or file of images
    split: str  # one of SPLITS, or "" if the source says nothing
    images: Array
    labels: tuple[str, Array] | None  # name and array


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
    unpacked = {file for file in files if file.suffix == ".gz" and file.with_suffix("") in files}
    left_out = dict.fromkeys(files, "no idx file of images named like MNIST's, nor the labels of one")
    left_out |= dict.fromkeys(unpacked, "read without .gz")
    parts: list[Part] = []
    for file in files:
        found = IDX_IMAGES.fullmatch(file.name)
        if found is None or file in unpacked:
            continue
        del left_out[file]
        beside = idx.find(file.parent, f"{found['prefix']}labels{found['dot']}idx1-ubyte")
        if beside is not None:
            left_out.pop(beside, None)
        # One file is split here, whatever it is called.
        split = UNSPLIT if file == path else split_of(found["prefix"])
        labels = None if beside is None else (shown(beside.name), idx.load(beside, 1))
        parts.append(Part(shown(file.name), split, idx.load(file, 3), labels))
    num_files = len(parts) + sum(part.labels is not None for part in parts)
    return _gathered(parts, fit, num_files, entries.named(left_out, path))


def gather_npz(path: Path, fit: Fit) -> Gathered:
    """Read an .npz with `images`, or `x_train` and `x_test`, or one array under any name; or an .npy.

    `labels`, or `y_train` and `y_test`, are the classes; see ``levels.names_of``.

    Raises:
        DataError: the file is broken, needs unpickling, or holds no such arrays.
    """
    try:
        return _gathered_npz(path, fit)
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"no readable array ({' '.join(str(error).split())}); save it again") from error


def _gathered_npz(path: Path, fit: Fit) -> Gathered:
    with contextlib.ExitStack() as stack:
        if path.suffix.lower() == ".npy":
            _check_size(path.stat().st_size)
            names, read = ["images"], lambda _: np.load(path, allow_pickle=False)
        else:
            with zipfile.ZipFile(path) as archive:  # sizes first: a small .npz may hold any amount
                _check_size(sum(member.file_size for member in archive.infolist()))
            loaded = stack.enter_context(np.load(path, allow_pickle=False))
            names, read = loaded.files, loaded.__getitem__
        chosen = _chosen(names)
        parts = [
            Part(name, split, _array(read, name), (labels, _array(read, labels)) if labels else None)
            for split, name, labels in chosen
        ]
    used = {name for _, *both in chosen for name in both}
    unused = {shown(name): "an array that is not used" for name in names if name not in used}
    return _gathered(parts, fit, 1, unused)


def _chosen(names: list[str]) -> list[tuple[str, str, str]]:
    """Return split, name of the images, and name of their labels or "", for each part of an .npz.

    Raises:
        DataError: it cannot be said which arrays are meant.
    """
    received = f"Received: {cut(', '.join(map(shown, names))) or 'none'}"
    found: dict[tuple[str, str], str] = {}
    for name in names:
        kinds = [_KINDS[word] for word in words(name) if word in _KINDS]
        others = [word for word in words(name) if word not in _KINDS and word not in SPLIT_WORDS]
        if len(kinds) == 1 and not others:
            if (kinds[0], split_of(name)) in found:
                raise DataError(f"expected {_EXPECTED}, each once. {received}")
            found[kinds[0], split_of(name)] = name
    chosen = [
        (split, name, found.get(("labels", split), ""))
        for (kind, split), name in found.items()
        if kind == "images"
    ]
    if not chosen and len(names) == 1:
        return [(UNSPLIT, names[0], "")]
    if not chosen:
        line = f'np.savez("images.npz", images={shown(names[0])})' if names else ""
        raise DataError(f"expected {_EXPECTED}. {received}; in NumPy: {line}")
    if len(chosen) > 1 and any(split == UNSPLIT for split, *_ in chosen):
        raise DataError(f"expected images, or x_train and x_test, not both. {received}")
    return chosen


def _array(read: Callable[[str], Any], name: str) -> Array:
    """Return an array, never by unpickling it: that would run whatever program the file holds."""
    try:
        array = read(name)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        labels = any(_KINDS.get(word) == "labels" for word in words(name))
        remedy = f"{name}.astype(str)" if labels else f'np.stack(list({name})).astype("uint8")'
        reason = f"{name}: {str(error).partition('.')[0]}"
        raise DataError(f"no readable array ({reason}); in NumPy: {name} = {remedy}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"no readable array ({shown(name)}: not in NumPy's format); save it again")
    return array


def _check_size(size: int) -> None:
    if size > shapes.MAX_ARRAY_BYTES:
        allowed = f"{shapes.MAX_ARRAY_BYTES / 2**30:g} GiB allowed"
        raise DataError(f"holds {size / 2**30:.1f} GiB, more than the {allowed}; use fewer images")


def is_grey(image: Pixels) -> bool:
    """Say whether every pixel of a colour image, (H, W, 3), has three equal levels."""
    return bool((image == image[..., :1]).all())


def _gathered(parts: list[Part], fit: Fit, num_files: int, left_out: dict[str, str]) -> Gathered:
    read = [levels.levels_of(part.images, part.name) for part in parts]
    if len({images.shape[1:] for images in read}) > 1:
        found = ", ".join(str(images.shape) for images in read)
        raise DataError(f"images: expected one height, width and number of colours. Received: {found}")
    splits = tuple(part.split for part, images in zip(parts, read, strict=True) for _ in images)
    named = [
        levels.names_of(part.labels[1], len(images), part.labels[0])
        for part, images in zip(parts, read, strict=True)
        if part.labels is not None
    ]
    bare = ", ".join(part.name for part in parts if part.labels is None)
    classes = None if bare else tuple(name for names in named for name in names)
    pixels = np.concatenate(read)
    given = (pixels.shape[1], pixels.shape[2])
    colours = pixels.ndim == 4 and not all(is_grey(image) for image in pixels)
    height, width = fit.size or shapes.choose_size([given], fit.halvings, fit.longest)
    channels = fit.channels or (3 if colours else 1)
    shapes.check_memory(len(pixels), (height, width, channels))
    if channels == 1 and not colours and pixels.ndim == 4:
        pixels = pixels[..., 0]
    if (height, width) != given or channels != (1 if pixels.ndim == 3 else 3):
        pixels = np.stack([pictures.fit_levels(image, height, width, channels) for image in pixels])
    notes = [
        f"found: {len(pixels)} images of {given[0]} x {given[1]} (height x width)",
        f"size: {height} x {width}, {'colour' if channels == 3 else 'grey'}",
    ]
    if named and bare:
        notes.append(f"no classes are used: {bare} without labels")
    return Gathered(pixels, splits, classes, num_files, tuple(notes), left_out)
