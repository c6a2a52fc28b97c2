"""Pictures of a version's latent axes: traversals of every axis, and of two axes their whole plane."""

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np
import tensorflow as tf

from training.models.latent_axes import Axis, Decode
from training.runs import replacing
from training.types import Array, Pixels

STRIP_STEPS = 7
PLANE_STEPS = 20
MAX_STRIPS = 64  # axes that the picture of all axes shows, the first ones


def write(decode: Decode, axes: Sequence[Axis], folder: Path, *, inverted: bool) -> None:
    """Write pictures of the published axes: ``axes.png``, and of two axes their plane, ``manifold.png``.

    They are drawn as the service draws by default: `inverted`, that is dark on white, or as the data are.
    """
    write_png(folder / "axes.png", _levels(strips(decode, axes), inverted))
    if len(axes) == 2:
        write_png(folder / "manifold.png", _levels(plane(decode), inverted))


def strips(decode: Decode, axes: Sequence[Axis]) -> Array:
    """Return one image of all axes: a row for each, from its 2.5 to its 97.5 % quantile.

    Every other axis is held at its mean.
    """
    centre = np.array([axis.mean for axis in axes], np.float32)
    rows = []
    for number, axis in enumerate(axes[:MAX_STRIPS]):
        codes = np.tile(centre, (STRIP_STEPS, 1))
        codes[:, number] = np.linspace(*axis.walk, STRIP_STEPS)
        rows.append(codes)
    return _grid(decode, rows)


def plane(decode: Decode) -> Array:
    """Return one image of a plane of codes: what a decoder of two axes has made of its manifold.

    Both axes run through the quantiles of N(0, 1) at equal steps of probability, so that each cell stands for
    an equal share of the prior (Goodfellow, Bengio & Courville 2016, figure 20.6): axis 0 from left to right,
    axis 1 from bottom to top.
    """
    steps = [NormalDist().inv_cdf((step + 0.5) / PLANE_STEPS) for step in range(PLANE_STEPS)]
    codes = [np.array([(right, up) for right in steps], np.float32) for up in reversed(steps)]
    return _grid(decode, codes)


def write_png(path: Path, levels: Pixels) -> None:
    """Write a picture, (H, W) or (H, W, 3), as a PNG file."""
    with replacing(path) as file:
        file.write(tf.io.encode_png(np.atleast_3d(levels)).numpy())


def _grid(decode: Decode, rows: list[Array]) -> Array:
    """Return the decoded images of each row of codes side by side, the rows from top to bottom."""
    return np.concatenate([np.concatenate(list(np.asarray(decode(codes))), axis=1) for codes in rows])


def _levels(images: Array, inverted: bool) -> Pixels:
    """Return images as levels: [0, 1] cut into 256 equal bins, as the service does."""
    levels = np.clip(np.floor(images * 256), 0, 255).astype(np.uint8)
    return np.asarray(255 - levels if inverted else levels)
