"""Your own images: a folder of pictures, an .npz file or idx files -> a data set.

Every pixel becomes one of 256 levels, whatever the source: that is what bits per dim count.
"""

import hashlib
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np

from training.data import arrays, folders, splits
from training.data.dataset import Dataset, Labels
from training.data.shapes import Fit
from training.data.splits import SPLITS, Gathered, Pixels
from training.errors import DataError

NAMED_CLASSES = 20  # how many are told to people


def load_images(path: Path | None = None, fit: Fit | None = None) -> Dataset:
    """Load images from a folder of pictures, a folder or file in idx format, or an .npz or .npy file.

    Args:
        path: the folder or file.
        fit: what the images are made to be; None: their own size and colours.

    Returns:
        The images; ``sha256`` covers each split's levels and the labels, ``notes`` tell what was found.

    Raises:
        DataError: there is no such place, or it holds too few images. One line: where, what, remedy. A single
            bad picture is no error but a note.
    """
    if path is None:
        raise DataError("your own images: name a folder of pictures, an .npz or idx files by --data")
    if not path.exists():
        raise DataError(f"{path}: does not exist; name a folder of pictures, an .npz or idx files by --data")
    try:
        gathered = _gather(path, fit or Fit())
        assigned = splits.assign(gathered.pixels, gathered.splits)
    except DataError as error:
        raise error if str(error).startswith(str(path)) else DataError(f"{path}: {error}") from error
    # In the order of their SHA-256 the first images of a split are of every class, and names do not matter.
    digests = splits.digests_of(gathered.pixels)
    order = np.array(sorted(range(len(digests)), key=digests.__getitem__))
    chosen = {split: order[np.array(assigned)[order] == split] for split in SPLITS}
    parts = {split: gathered.pixels[rows] for split, rows in chosen.items()}
    labels = _labels(gathered, chosen)
    sha256 = {split: _sha256(pixels) for split, pixels in parts.items()}
    if labels is not None:
        content = [labels.names, *(getattr(labels, split).tolist() for split in SPLITS)]
        sha256["labels"] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return Dataset(
        name=path.resolve().name,
        train=_unit(parts["train"]),
        validation=_unit(parts["validation"]),
        test=_unit(parts["test"]),
        sha256=sha256,
        source=str(path.resolve()),
        labels=labels,
        num_files=gathered.num_files,
        notes=(*gathered.notes, *_class_notes(gathered), *_split_notes(gathered, assigned)),
    )


def _gather(path: Path, fit: Fit) -> Gathered:
    if arrays.is_idx(path):
        return arrays.gather_idx(path, fit)
    if path.is_dir():
        return folders.gather(path, fit)
    if path.suffix in (".npz", ".npy"):
        return arrays.gather_npz(path, fit)
    raise DataError("expected a folder of pictures, an .npz, or idx files named like MNIST's")


def _unit(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return pixels.astype(np.float32) / np.float32(255)


def _sha256(pixels: Pixels) -> str:
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(pixels.data if pixels.flags.c_contiguous else pixels.tobytes())
    return digest.hexdigest()


def _labels(
    gathered: Gathered, chosen: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> Labels | None:
    if gathered.classes is None:
        return None
    names = sorted(set(gathered.classes), key=_by_number)
    number = {name: index for index, name in enumerate(names)}
    numbers = np.array([number[name] for name in gathered.classes], np.int64)
    return Labels(tuple(names), *(numbers[chosen[split]] for split in SPLITS))


def _by_number(name: str) -> tuple[float, str]:
    return (int(name), "") if name.isdecimal() else (math.inf, name)


def _class_notes(gathered: Gathered) -> list[str]:
    if gathered.classes is None:
        return ["classes: none"]
    counts = sorted(Counter(gathered.classes).items(), key=lambda item: _by_number(item[0]))
    named = ", ".join(f"{name} {count}" for name, count in counts[:NAMED_CLASSES])
    more = f", and {len(counts) - NAMED_CLASSES} more" if len(counts) > NAMED_CLASSES else ""
    return [f"classes: {named}{more}"]


def _split_notes(gathered: Gathered, assigned: tuple[str, ...]) -> list[str]:
    counts = Counter(assigned)
    how = {split: "as given" if split in gathered.splits else "by SHA-256" for split in SPLITS}
    notes = ["splits: " + ", ".join(f"{split} {counts[split]} ({how[split]})" for split in SPLITS)]
    if counts[splits.UNSPLIT]:
        notes.append(f"left out: {counts[splits.UNSPLIT]} that a later split has too")
    return notes
