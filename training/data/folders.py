"""A folder of pictures -> images of one shape.

The first subfolders are the classes; what lies deeper belongs to them. If there is a folder `train`, then
it and its neighbours `validation` (or `val`) and `test` are the splits, and the classes are the subfolders of
each. Hidden files and folders are left out silently, files that cannot be used with a note that says why.
"""

import dataclasses
import functools
import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.data import arrays, pictures, shapes
from training.data.pictures import Header, PictureError
from training.data.shapes import Fit
from training.data.splits import UNSPLIT, Gathered
from training.errors import DataError

Result = TypeVar("Result")

_NAMES = {"train": "train training", "validation": "validation valid val", "test": "test testing"}
SPLIT_FOLDERS = {name: split for split, names in _NAMES.items() for name in names.split()}
TOLD = 20  # how many files are named to people


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a file lies, and what that says of it."""

    path: Path
    split: str  # one of SPLITS, or "" if the folder has none
    class_name: str  # "" if it lies beside the classes


def gather(folder: Path, fit: Fit) -> Gathered:
    """Read every picture below a folder and fit them to one shape.

    Raises:
        DataError: no picture can be used, they do not fit in memory, or are too small for the network.
    """
    inside, outside = places(folder)
    left_out = dict.fromkeys(outside, "not in one of the folders of the splits")
    headers = _usable(pictures.read_header, inside, left_out)
    sizes = [(header.height, header.width) for header in headers.values()]
    height, width = fit.size or shapes.choose_size(sizes, fit.halvings)
    channels = fit.channels or (1 if all(header.grey for header in headers.values()) else 3)
    shapes.check_memory(len(headers), (height, width) if channels == 1 else (height, width, 3))
    read_pixels = functools.partial(pictures.read_pixels, height=height, width=width, channels=channels)
    levels = _usable(read_pixels, headers, left_out)
    pixels, palette = np.stack(list(levels.values())), "grey"
    if pixels.ndim == 4:
        coloured = sum(not arrays.is_grey(image) for image in pixels)
        palette = f"colour: {coloured} of {len(pixels)} have colours"
        if coloured == 0 and fit.channels is None:
            pixels, palette = np.ascontiguousarray(pixels[..., 0]), "grey: no pixel has a colour"
    kept = {place: headers[place] for place in levels}
    names = tuple(place.class_name for place in kept)
    return Gathered(
        pixels=pixels,
        splits=tuple(place.split for place in kept),
        classes=names if all(names) and len(set(names)) > 1 else None,
        num_files=len(kept),
        notes=(
            f"found: {len(kept)} pictures in {len(inside) + len(outside)} files, {_sizes(kept.values())}",
            f"size: {height} x {width} (height x width), cut from the centre and scaled; {palette}",
            *_told_of_kept(kept),
            *_told_of_left_out(left_out, folder),
        ),
    )


def places(folder: Path) -> tuple[list[Place], list[Path]]:
    """Return the files to read below a folder, sorted, and those outside the folders of its splits."""
    root = _unwrapped(folder)
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    splits = {path: split for path in folders if (split := SPLIT_FOLDERS.get(path.name.lower()))}
    if "train" not in splits.values():
        splits = {root: UNSPLIT}
    inside = []
    for top, split in splits.items():
        for file in _files(top):
            first, *deeper = file.relative_to(top).parts
            inside.append(Place(file, split, first if deeper else ""))
    known = {place.path for place in inside}
    return inside, [file for file in _files(root) if file not in known]


def _unwrapped(folder: Path) -> Path:
    """Return a folder, or, while it holds one folder and nothing else, that one, as archives unpack to."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        return _unwrapped(inside[0])
    return folder


def _files(folder: Path) -> list[Path]:
    """Return every file below a folder that is not hidden, sorted; links to folders are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def _usable(
    read: Callable[[Path], Result], tried: Collection[Place], left_out: dict[Path, str]
) -> dict[Place, Result]:
    """Return what `read` makes of each file; reasons why a file cannot be used go to `left_out`."""

    def attempt(place: Place) -> Result | PictureError:
        try:
            return read(place.path)
        except PictureError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow's words on odd EXIF blocks and palettes; for all threads
        results = dict(zip(tried, pool.map(attempt, tried), strict=True))
    left_out |= {place.path: str(why) for place, why in results.items() if isinstance(why, PictureError)}
    usable = {place: got for place, got in results.items() if not isinstance(got, PictureError)}
    if not usable:
        path, why = next(iter(left_out.items()), (None, "it is empty"))
        raise DataError(f"holds no picture that can be used ({f'{path.name}: ' if path else ''}{why})")
    return usable


def _sizes(headers: Iterable[Header]) -> str:
    sizes = sorted({(header.height, header.width) for header in headers}, key=math.prod)
    smallest, largest = (f"{height} x {width}" for height, width in (sizes[0], sizes[-1]))
    return f"all {smallest}" if len(sizes) == 1 else f"{len(sizes)} sizes from {smallest} to {largest}"


def _told_of_kept(kept: dict[Place, Header]) -> list[str]:
    notes = []
    beside = sum(not place.class_name for place in kept)
    if 0 < beside < len(kept):
        notes.append(f"no classes are used: {beside} pictures lie in no subfolder")
    names = [place.path.name for place, header in kept.items() if header.animated]
    if names:
        more = ", ..." if len(names) > TOLD else ""
        notes.append(f"only the first frame of {', '.join(names[:TOLD])}{more} is used")
    return notes


def _told_of_left_out(left_out: dict[Path, str], folder: Path) -> list[str]:
    if not left_out:
        return []
    notes = [f"left out: {len(left_out)} {'file' if len(left_out) == 1 else 'files'}"]
    notes += [f"  {path.relative_to(folder)}: {why}" for path, why in list(left_out.items())[:TOLD]]
    if len(left_out) > TOLD:
        why, count = Counter(left_out.values()).most_common(1)[0]
        notes.append(f"  and {len(left_out) - TOLD} more; the commonest reason, {count} times: {why}")
    return notes
