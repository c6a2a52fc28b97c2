"""Your own images: a folder of pictures, an .npz file or idx files -> a data set.

Every pixel becomes one of 256 levels, whatever the source: that is what bits per dim count.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.data import arrays, entries, folders, splits
from training.data.dataset import Dataset, Labels
from training.data.names import class_name
from training.data.shapes import Fit
from training.data.splits import SPLITS, Gathered
from training.errors import DataError

NAMED_CLASSES = 20  # how many are told to people


def load_images(path: Path | None = None, fit: Fit | None = None) -> Dataset:
    """Return the images of a folder of pictures, a folder or file in idx format, or an .npz or .npy file.

    ``sha256`` covers each split's levels and the labels, ``notes`` tell what was found. A single bad picture
    is no error but ``left_out``. `fit` says what the images are made to be; None: their own size and colours.

    Raises:
        DataError: there is no such place, or it holds too few images. One line: where, what, remedy.
    """
    remedy = "name a folder of pictures, an .npz or idx files by --data"
    if path is None:
        raise DataError(f"your own images: {remedy}")
    try:
        if not path.exists():
            raise DataError(f"{path}: does not exist; {remedy}")
        return dataset_of(gather(path, fit or Fit()), class_name(path.resolve().name), str(path.resolve()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    except DataError as error:
        raise error if str(error).startswith(str(path)) else DataError(f"{path}: {error}") from error


def dataset_of(gathered: Gathered, name: str, source: str) -> Dataset:
    """Return images as a data set: split, in the order of their SHA-256, with what there is to say of them.

    Raises:
        DataError: too few different images.
    """
    digests = splits.digests_of(gathered.pixels)
    assigned = splits.assign(digests, gathered.splits)
    # In the order of their SHA-256 the first images of a split are of every class, and names do not matter.
    order = sorted(range(len(digests)), key=digests.__getitem__)
    chosen = {split: [row for row in order if assigned[row] == split] for split in SPLITS}
    parts = {split: gathered.pixels[rows] for split, rows in chosen.items()}
    labels = _labels(gathered, chosen)
    sha256 = {
        split: hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        for split, pixels in parts.items()
    }
    if labels is not None:
        content = [labels.names, *(getattr(labels, split).tolist() for split in SPLITS)]
        sha256["labels"] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    train, validation, test = (pixels.astype(np.float32) / np.float32(255) for pixels in parts.values())
    left_out = _unseen(labels) | gathered.left_out | _twice(gathered, assigned)
    notes = (*gathered.notes, *_notes(gathered, labels, assigned), *entries.told(left_out))
    return Dataset(name, train, validation, test, sha256, source, labels, gathered.num_files, notes, left_out)


def gather(path: Path, fit: Fit) -> Gathered:
    """Return the images of a place as they are, before they are split.

    Raises:
        DataError: it holds none that can be used; the message does not name the place.
    """
    if arrays.is_idx(path):
        return arrays.gather_idx(path, fit)
    if path.is_dir():
        return folders.gather(path, fit)
    if path.suffix.lower() in (".npz", ".npy"):
        return arrays.gather_npz(path, fit)
    raise DataError(
        "expected a folder of pictures, an .npz, or idx files named like MNIST's; unpack an archive, save "
        'other arrays by np.savez("images.npz", images=images, labels=labels)'
    )


def _labels(gathered: Gathered, chosen: dict[str, list[int]]) -> Labels | None:
    if gathered.classes is None:
        return None
    texts = [class_name(name) for name in gathered.classes]
    # By number where they are numbers; 1, 01 and 001 by their characters.
    names = sorted(set(texts), key=lambda name: (int(name) if name.isdecimal() else math.inf, name))
    number = {name: index for index, name in enumerate(names)}
    numbers = np.array([number[name] for name in texts], np.int64)
    return Labels(tuple(names), *(numbers[rows] for rows in chosen.values()))


def _unseen(labels: Labels | None) -> dict[str, str]:
    """Return the classes of which no image is for training, and why: nothing could be drawn of them."""
    if labels is None:
        return {}
    seen = set(labels.train.tolist())
    held_out = Counter([*labels.validation.tolist(), *labels.test.tolist()])
    return {
        f"class {name}": f"none of its {held_out[number]} images is for training; bring more of them"
        for number, name in enumerate(labels.names)
        if number not in seen
    }


def _twice(gathered: Gathered, assigned: tuple[str, ...]) -> dict[str, str]:
    """Return the files that are in no split, and why; arrays have no names."""
    known = zip(gathered.files, assigned, strict=False)
    return {file: "a later split has the same picture" for file, split in known if split == splits.UNSPLIT}


def _notes(gathered: Gathered, labels: Labels | None, assigned: tuple[str, ...]) -> Iterator[str]:
    """Yield what was found of classes and splits."""
    counts = Counter(map(class_name, gathered.classes or ()))
    names = labels.names if labels else ()
    named = ", ".join(f"{name} {counts[name]}" for name in names[:NAMED_CLASSES]) or "none"
    more = f", and {len(names) - NAMED_CLASSES} more" if len(names) > NAMED_CLASSES else ""
    yield f"classes: {named}{more}"
    written = Counter(map(class_name, set(gathered.classes or ())))
    for name in sorted(name for name, count in written.items() if count > 1):
        yield f"one class, as their names read alike: {written[name]} times {name}"
    cases = Counter(name.casefold() for name in names)
    if alike := [name for name in names if cases[name.casefold()] > 1]:
        yield f"classes that differ in upper and lower case alone: {', '.join(alike[:NAMED_CLASSES])}"
    counts = Counter(assigned)
    how = {split: "as given" if split in gathered.splits else "by SHA-256" for split in SPLITS}
    yield "splits: " + ", ".join(f"{split} {counts[split]} ({how[split]})" for split in SPLITS)
    if counts[splits.UNSPLIT]:
        yield f"left out: {counts[splits.UNSPLIT]} that a later split has too"
