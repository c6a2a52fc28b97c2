"""A folder of pictures -> images of one shape.

The first subfolders are the classes; what lies deeper belongs to them. If there is a folder `train`, then
it and its neighbours `validation` (or `val`) and `test` are the splits, and the classes are the subfolders of
each. Hidden files and folders are left out silently, files that cannot be used with a note that says why.
"""

import dataclasses
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.data import arrays, pictures, shapes
from training.data.pictures import Header, PictureError
from training.data.shapes import Fit
from training.data.splits import UNSPLIT, Gathered, Pixels
from training.errors import DataError

Result = TypeVar("Result")

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
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
    left_out = [(place.path, "not in one of the folders of the splits") for place in outside]
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow's words on odd EXIF blocks and palettes; for all threads
        found = list(pool.map(lambda place: _attempt(pictures.read_header, place.path), inside))
        usable = [(p, header) for p, header in zip(inside, found, strict=True) if isinstance(header, Header)]
        left_out += [(p.path, why) for p, why in zip(inside, found, strict=True) if isinstance(why, str)]
        _require_some(usable, left_out)
        headers = [header for _, header in usable]
        height, width = fit.size or shapes.choose_size([(h.height, h.width) for h in headers], fit.halvings)
        channels = fit.channels or (1 if all(header.grey for header in headers) else 3)
        shape = (height, width) if channels == 1 else (height, width, 3)
        shapes.check_memory(len(usable), shape)
        pixels = np.empty((len(usable), *shape), np.uint8)

        def decode(row: int) -> str | None:
            levels = _attempt(pictures.read_pixels, usable[row][0].path, height, width, channels)
            if isinstance(levels, str):
                return levels
            pixels[row] = levels
            return None

        failures = list(pool.map(decode, range(len(usable))))
    left_out += [(p.path, why) for (p, _), why in zip(usable, failures, strict=True) if why is not None]
    good = [row for row, why in enumerate(failures) if why is None]
    _require_some(good, left_out)
    kept, pixels = [usable[row] for row in good], pixels[good]
    pixels, palette = _grey_if_possible(pixels, fit.channels)
    names = [place.class_name for place, _ in kept]
    sizes = _told_sizes([header for _, header in kept])
    return Gathered(
        pixels=pixels,
        splits=tuple(place.split for place, _ in kept),
        classes=tuple(names) if all(names) and len(set(names)) > 1 else None,
        num_files=len(kept),
        notes=(
            f"found: {len(kept)} pictures in {len(inside) + len(outside)} files, {sizes}",
            f"size: {height} x {width} (height x width), cut from the centre and scaled; {palette}",
            *_beside_classes(names),
            *_animations(kept),
            *_told(left_out, folder),
        ),
    )


def _require_some(found: Sequence[object], left_out: Sequence[tuple[Path, str]]) -> None:
    if not found:
        path, why = left_out[0] if left_out else (Path(), "it is empty")
        raise DataError(f"holds no picture that can be used ({f'{path.name}: ' if left_out else ''}{why})")


def _grey_if_possible(pixels: Pixels, wanted: int | None) -> tuple[Pixels, str]:
    """Drop the colours of images that have none, unless they are wanted, and say what the images are."""
    if pixels.ndim == 3:
        return pixels, "grey"
    coloured = sum(not arrays.all_grey(image[None]) for image in pixels)
    if coloured == 0 and wanted is None:
        return np.ascontiguousarray(pixels[..., 0]), "grey: no pixel has a colour"
    return pixels, f"colour: {coloured} of {len(pixels)} have colours"


def places(folder: Path) -> tuple[list[Place], list[Place]]:
    """Find the files below a folder, by their sorted paths, and say what each one's place means.

    Returns:
        The files to read, and those that lie outside the folders of the splits.
    """
    root = _unwrapped(folder)
    splits = {
        path: SPLIT_FOLDERS[path.name.lower()]
        for path in _folders(root)
        if path.name.lower() in SPLIT_FOLDERS
    }
    if "train" not in splits.values():
        return [_place(file, root, UNSPLIT) for file in _files(root)], []
    inside = [_place(file, path, split) for path, split in splits.items() for file in _files(path)]
    known = {place.path for place in inside}
    return inside, [_place(file, root, UNSPLIT) for file in _files(root) if file not in known]


def _place(file: Path, root: Path, split: str) -> Place:
    inner = file.relative_to(root).parts[:-1]
    return Place(file, split, inner[0] if inner else "")


def _unwrapped(folder: Path) -> Path:
    """Go down while a folder holds nothing but one folder, as unpacked archives do."""
    while True:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            return folder
        folder = inside[0]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _files(folder: Path) -> list[Path]:
    """Return every file below a folder that is not hidden, sorted; links to folders are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def _attempt(function: Callable[..., Result], *arguments: object) -> Result | str:
    """Return what a function gives, or the reason why it cannot."""
    try:
        return function(*arguments)
    except PictureError as error:
        return str(error)


def _told_sizes(headers: Sequence[Header]) -> str:
    sizes = sorted({(header.height, header.width) for header in headers}, key=lambda size: size[0] * size[1])
    if len(sizes) == 1:
        return f"all {sizes[0][0]} x {sizes[0][1]}"
    return f"{len(sizes)} sizes from {sizes[0][0]} x {sizes[0][1]} to {sizes[-1][0]} x {sizes[-1][1]}"


def _beside_classes(names: Sequence[str]) -> list[str]:
    beside = sum(not name for name in names)
    if 0 < beside < len(names):
        return [f"no classes are used: {beside} pictures lie in no subfolder"]
    return []


def _animations(kept: Sequence[tuple[Place, Header]]) -> list[str]:
    names = [place.path.name for place, header in kept if header.animated]
    more = ", ..." if len(names) > TOLD else ""
    return [f"only the first frame of {', '.join(names[:TOLD])}{more} is used"] if names else []


def _told(left_out: Sequence[tuple[Path, str]], folder: Path) -> list[str]:
    if not left_out:
        return []
    reasons = Counter(reason for _, reason in left_out)
    lines = [f"left out: {len(left_out)} {'file' if len(left_out) == 1 else 'files'}"]
    lines += [f"  {path.relative_to(folder)}: {reason}" for path, reason in left_out[:TOLD]]
    if len(left_out) > TOLD:
        commonest, count = reasons.most_common(1)[0]
        lines.append(f"  and {len(left_out) - TOLD} more; the commonest reason, {count} times: {commonest}")
    return lines
