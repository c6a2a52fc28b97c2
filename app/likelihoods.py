"""What makes the draws of a version."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.errors import ModelError
from app.native.causal import CausalDraw
from app.runtimes import Runtime
from app.store import Version

Array = npt.NDArray[np.float32]
Draw = Callable[[Array, Array], Array]
DrawAround = Callable[[Array, Array, Array], Array]

# Likelihoods under which the pixels of an image depend on each other given its code.
SEQUENTIAL = frozenset({"autoregressive-logistic", "causal-logistic", "causal-colour-logistic"})


class Draws(NamedTuple):
    """What makes draws from p(x given z).

    Args:
        draw: codes, (B, D), and noise -> images, (B, H, W).
        around: the same with known levels in their place, (B, H, W) float32, NaN at pixels that are drawn.
            Each drawn pixel is drawn given those before it. None: nothing here can.
    """

    draw: Draw
    around: DrawAround | None = None


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
        with np.load(version.folder / likelihood.path, allow_pickle=False) as arrays:
            given = _MADE_OF[likelihood.name]({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: {likelihood.path}: {error}") from error

    def draw(*arrays: Array) -> Array:
        z, *others = arrays
        size = held_at_once(len(z))
        if size == len(z):
            return given(runtime.parameters(z), *others)
        parts = (slice(start, start + size) for start in range(0, len(z), size))
        return np.concatenate(
            [given(runtime.parameters(z[part]), *(each[part] for each in others)) for part in parts]
        )

    return Draws(draw, draw)


def held_at_once(rows: int) -> int:
    """Return of how many of so many rows the parameters are computed at once: equal parts of 4 to 8, or all.

    They are a hundred kilobytes an image: of a few they stay in a processor's cache, and what a runtime
    allocates for them is kept. Parts of unequal size would have it allocate anew.
    """
    return next((size for size in range(8, 3, -1) if rows % size == 0), rows)


def _causal(arrays: dict[str, npt.NDArray[Any]]) -> CausalDraw:
    for name in ("into", "out"):
        if arrays[name].dtype != np.float32 or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: expected float32, all finite; found {arrays[name].dtype}")
    return CausalDraw(arrays["into"], arrays["out"])


# By a likelihood's name in the manifest: what draws of parameters, noise and known levels, with its arrays.
_MADE_OF: dict[str, Callable[[dict[str, npt.NDArray[Any]]], Callable[..., Array]]] = {
    "causal-logistic": _causal
}
