"""The ground of images: what lies around the things they show.

One rule. An image's ground is the median level of its outermost pixels, in colour the luma (ITU-R 601) of
each channel's median: light in the upper third of the scale, dark in the lower one. Images have the ground
that nine of ten have; else it is mixed.
"""

from typing import Literal

import numpy as np

from training.types import Images

Ground = Literal["dark", "light", "mixed"]

THIRD = 1 / 3
SHARE = 0.9


def measure(images: Images) -> Ground:
    """Return the ground of images by the rule above."""
    edges = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    levels = np.median(np.concatenate(edges, axis=1), axis=1)
    if levels.ndim == 2:
        levels = levels @ np.array([0.299, 0.587, 0.114], levels.dtype)
    if np.mean(levels < THIRD) >= SHARE:
        return "dark"
    return "light" if np.mean(levels > 1 - THIRD) >= SHARE else "mixed"


def is_drawn_inverted(ground: Ground | None, image_shape: tuple[int, ...]) -> bool:
    """Say whether images are drawn dark on white, as the service does: grey ones on a dark ground alone.

    A ground that nobody measured, None, is taken as dark.
    """
    return ground in ("dark", None) and len(image_shape) == 2
