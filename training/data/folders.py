"""A folder of pictures -> images of one shape.

The first subfolders are the classes; what lies deeper belongs to them. Folders `train` and `validation` (or
`val`) or `test` beside each other are the splits, and the classes are the subfolders of each. Only files that
can be used decide this: what else lies there is left out by name, with the reason.
"""

import dataclasses
import functools
import math
import os
import warnings
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.data import arrays, entries, pictures, shapes, threads
from training.data.names import shown
from training.data.pictures import Header, PictureError
from training.data.shapes import Fit
from training.data.splits import SPLIT_WORDS, UNSPLIT, Gathered
from training.errors import DataError

Result = TypeVar("Result")

# Of a decoded pixel until it is scaled: four channels, its colours, a white ground and both composited.
BYTES_A_PIXEL = 16


@dataclasses.dataclass(frozen=True)
class Place:
    """What the place of a file says of it."""

    split: str  # one of SPLITS, or "" if the folder has none
    class_name: str  # "" if it lies beside the classes


def gather(folder: Path, fit: Fit) -> Gathered:
    """Read every picture below a folder and fit them to one shape.

    Raises:
        DataError: no picture can be used, they do not fit in memory, or are too small for the network.
    """
    files, left_out = entries.walk(folder)
    headers = _usable(pictures.read_header, files, left_out)
    places = arrange(list(headers))
    left_out |= dict.fromkeys(headers.keys() - places.keys(), "not in one of the folders of the splits")
    headers = {path: headers[path] for path in places}
    sizes = [(header.height, header.width) for header in headers.values()]
    height, width = fit.size or shapes.choose_size(sizes, fit.halvings, fit.longest)
    channels = fit.channels or (1 if all(header.grey for header in headers.values()) else 3)
    shapes.check_memory(len(headers), (height, width) if channels == 1 else (height, width, 3))
    read_pixels = functools.partial(pictures.read_pixels, height=height, width=width, channels=channels)
    levels = _usable(
        read_pixels,
        headers,
        left_out,
        lambda path: BYTES_A_PIXEL * headers[path].height * headers[path].width,
    )
    pixels, palette = np.stack(list(levels.values())), "grey"
    if pixels.ndim == 4:
        coloured = sum(not arrays.is_grey(image) for image in pixels)
        palette = f"colour: {coloured} of {len(pixels)} have colours"
        if coloured == 0 and fit.channels is None:
            pixels, palette = np.ascontiguousarray(pixels[..., 0]), "grey: no pixel has a colour"
    left_out |= dict.fromkeys(entries.without_pictures(folder, levels, left_out), entries.NO_PICTURE)
    kept = {path: headers[path] for path in levels}
    left_out |= {path: "only its first frame is used" for path, header in kept.items() if header.animated}
    names = tuple(places[path].class_name for path in kept)
    beside = names.count("")
    return Gathered(
        pixels=pixels,
        splits=tuple(places[path].split for path in kept),
        classes=names if all(names) and len(set(names)) > 1 else None,
        num_files=len(kept),
        notes=(
            f"found: {len(kept)} pictures in {len(files)} files, {_sizes(kept.values())}",
            f"size: {height} x {width} (height x width), cut from the centre and scaled; {palette}",
            *(
                (f"no classes are used: {beside} pictures lie in no subfolder",)
                if 0 < beside < len(kept)
                else ()
            ),
        ),
        left_out=entries.named(left_out, folder),
        files=tuple(shown(path.relative_to(folder)) for path in kept),
    )


def arrange(files: list[Path]) -> dict[Path, Place]:
    """Return where each picture belongs, in their order; those outside the folders of the splits are missing.

    Folders around everything do not count: archives unpack to them.
    """
    root = Path(os.path.commonpath([file.parent for file in files]))
    below = {file: file.relative_to(root).parts for file in files}
    folders = {first for first, *deeper in below.values() if deeper}
    splits = {name: split for name in folders if (split := SPLIT_WORDS.get(name.lower()))}
    # A folder `train` beside others than splits is a class: trains, cars and ships.
    if "train" not in splits.values() or (len(set(splits.values())) == 1 and len(splits) < len(folders)):
        splits = {}
    found = {}
    for file, (first, *deeper) in below.items():
        if not splits:
            found[file] = Place(UNSPLIT, first if deeper else "")
        elif first in splits:
            found[file] = Place(splits[first], deeper[0] if len(deeper) > 1 else "")
    return found


def _usable(
    read: Callable[[Path], Result],
    files: Collection[Path],
    left_out: entries.Reasons,
    size_of: Callable[[Path], int] = lambda _: 0,
) -> dict[Path, Result]:
    """Return what `read` makes of each file; reasons why a file cannot be used go to `left_out`."""

    def attempt(path: Path) -> Result | PictureError:
        try:
            return read(path)
        except PictureError as error:
            return error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's words on odd EXIF blocks and palettes; for all threads
        results = dict(zip(files, threads.spread(attempt, files, size_of), strict=True))
    left_out |= {path: str(why) for path, why in results.items() if isinstance(why, PictureError)}
    usable = {path: got for path, got in results.items() if not isinstance(got, PictureError)}
    if not usable:
        path, why = next(((path, left_out[path]) for path in (*files, *left_out)), (None, "it is empty"))
        raise DataError(f"{entries.NO_PICTURE} ({f'{shown(path.name)}: ' if path else ''}{why})")
    return usable


def _sizes(headers: Iterable[Header]) -> str:
    sizes = sorted({(header.height, header.width) for header in headers}, key=math.prod)
    smallest, largest = (f"{height} x {width}" for height, width in (sizes[0], sizes[-1]))
    return f"all {smallest}" if len(sizes) == 1 else f"{len(sizes)} sizes from {smallest} to {largest}"
