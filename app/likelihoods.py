"""What makes the draws of a version."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.arrays import Arrays, read_arrays
from app.engine.parts import in_parts
from app.errors import ModelError
from app.native.causal import CausalDraw
from app.runtimes import Runtime
from app.store import Version

Array = npt.NDArray[np.float32]
Draw = Callable[[Array, Array], Array]
DrawAround = Callable[[Array, Array, Array], Array]

LEAST_AT_ONCE, MOST_AT_ONCE = 6, 8  # rows; see held_at_once

# Likelihoods under which the pixels of an image depend on each other given its code.
SEQUENTIAL = frozenset({"autoregressive-logistic", "causal-logistic", "causal-colour-logistic"})


class Draws(NamedTuple):
    """What makes draws from p(x given z).

    Args:
        draw: codes, (B, D), and noise -> images, (B, H, W).
        around: the same with known levels in their place, (B, H, W) float32, NaN at pixels that are drawn.
            Each drawn pixel is drawn given those before it. None: nothing here can.
        at_once: of so many codes, how many are drawn at once at most.
    """

    draw: Draw
    around: DrawAround | None = None
    at_once: Callable[[int], int] = int


def open_draws(version: Version, runtime: Runtime) -> Draws:
    """Return what makes the draws of a version.

    The runtime does, or where the version's likelihood names a file, what the likelihood needs beside the
    parameters that the runtime gives.

    Raises:
        ModelError: there is no such likelihood, or its file is not what the manifest says.
    """
    likelihood = version.manifest.likelihood
    if likelihood.path is None:
        return Draws(runtime.draw)
    try:
        given = _MADE_OF[likelihood.name](read_arrays(version.folder / likelihood.path))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: {likelihood.path}: {error}") from error

    def draw(z: Array, *others: Array) -> Array:
        return runtime.with_parameters(z, lambda parameters: given(parameters, *others))

    draw_in_parts = in_parts(draw, 1, held_at_once)
    return Draws(draw_in_parts, draw_in_parts, held_at_once)


def held_at_once(rows: int) -> int:
    """Return of how many of so many rows the parameters are computed at once.

    They are 66 kilobytes an image of the default model: of a few they stay in a processor's cache. All parts
    have this size, as a runtime allocates its memory anew for another; where they cover more rows than there
    are, that is time for nothing.
    """
    if rows <= MOST_AT_ONCE:
        return rows
    return min(range(MOST_AT_ONCE, LEAST_AT_ONCE - 1, -1), key=lambda size: -rows % size)


def _causal(arrays: Arrays) -> CausalDraw:
    for name in {"into", "out", *arrays}:
        if arrays[name].dtype != np.float32 or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: expected float32, all finite; found {arrays[name].dtype}")
    return CausalDraw(arrays["into"], arrays["out"], arrays.get("within"))


# By a likelihood's name in the manifest: what draws of parameters, noise and known levels, with its arrays.
_MADE_OF: dict[str, Callable[[Arrays], Callable[..., Array]]] = {"causal-logistic": _causal}
