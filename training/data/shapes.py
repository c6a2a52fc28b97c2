"""The one shape that all images of a data set get: asked for, or chosen by a rule.

The rule, when no size is asked for:

1. Images that all have one size of at most 128 pixels along a side keep it.
2. Otherwise: if three quarters of them have the median ratio of width to height within 5 %, that ratio, else
   a square. As large as it can be with three quarters of the images not scaled up, at most 64 along a side.
3. Both sides are rounded down until the network can halve them as often as it does.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from training.errors import DataError

Size = tuple[int, int]  # height, width

LONGEST_KEPT = 128
LONGEST_CHOSEN = 64  # what a small network learns in minutes on a CPU; data.size asks for more
SAME_RATIO = 0.05
SHARE = 0.75
# Training holds the images as float32, and a second copy of the training split while it runs.
MAX_ARRAY_BYTES = 4 * 2**30


@dataclasses.dataclass(frozen=True)
class Fit:
    """What images are made to be."""

    size: Size | None = None  # None: chosen by the rule above
    channels: int | None = None  # 1 for grey, 3 for colour; None: grey if every image is
    halvings: int = 0  # how often the network halves an image
    longest: int | None = None  # pixels along a side, where the rule chooses; None: its own limits


def choose_size(sizes: Sequence[Size], halvings: int = 0, longest: int | None = None) -> Size:
    """Return one height and width for images of these `sizes`, by the rule above.

    `longest` takes the place of both limits along a side.

    Raises:
        DataError: the images are too small to be halved that often.
    """
    one_size = len(set(sizes)) == 1 and max(sizes[0]) <= (longest or LONGEST_KEPT)
    height, width = sizes[0] if one_size else _common_size(sizes, longest or LONGEST_CHOSEN)
    multiple = 2**halvings
    fitted = (height - height % multiple, width - width % multiple)
    if not all(fitted):
        raise DataError(
            f"images of {height} x {width} cannot be halved {halvings} times; "
            "give network.channels fewer widths, or set data.size"
        )
    return fitted


def _common_size(sizes: Sequence[Size], longest: int) -> Size:
    heights, widths = np.array(sizes, np.float64).T
    ratio = float(np.median(widths / heights))
    if np.mean(np.abs(widths / heights / ratio - 1) <= SAME_RATIO) < SHARE:
        ratio = 1.0
    unscaled = np.minimum(heights, widths / ratio)  # height of the crop to this ratio
    height = float(np.sort(unscaled)[int(len(unscaled) * (1 - SHARE))])
    height = min(height, longest / max(1.0, ratio))
    tolerance = 1e-6  # 30 * (4 / 3) is 40, whatever rounding says
    return int(height + tolerance), int(height * ratio + tolerance)


def check_memory(count: int, shape: Sequence[int]) -> None:
    """Raise a ``DataError`` if so many images of a shape would take more than 4 GiB as float32."""
    size = 4 * count * math.prod(shape)
    if size > MAX_ARRAY_BYTES:
        raise DataError(
            f"{count} images of {' x '.join(map(str, shape))} need {size / 2**30:.1f} GiB as float32, more "
            f"than the {MAX_ARRAY_BYTES / 2**30:g} GiB allowed; set a smaller data.size, or use fewer images"
        )
