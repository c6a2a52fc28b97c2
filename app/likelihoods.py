"""What makes the draws of a version."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import ModelError
from app.native.causal import CausalDraw
from app.runtimes import Runtime
from app.store import Version

Array = npt.NDArray[np.float32]
Draw = Callable[[Array, Array], Array]


def open_draw(version: Version, runtime: Runtime) -> Draw:
    """Return what makes draws, (B, H, W), of codes, (B, D), and noise.

    The runtime does, or where the version's likelihood names a file, what the likelihood needs beside the
    parameters that the runtime gives.

    Raises:
        ModelError: there is no such likelihood, or its file is not what the manifest says.
    """
    likelihood = version.manifest.likelihood
    if likelihood.path is None:
        return runtime.draw
    try:
        with np.load(version.folder / likelihood.path, allow_pickle=False) as arrays:
            given = _MADE_OF[likelihood.name]({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: {likelihood.path}: {error}") from error

    def draw(z: Array, noise: Array) -> Array:
        size = held_at_once(len(z))
        if size == len(z):
            return given(runtime.parameters(z), noise)
        parts = (slice(start, start + size) for start in range(0, len(z), size))
        return np.concatenate([given(runtime.parameters(z[part]), noise[part]) for part in parts])

    return draw


def held_at_once(rows: int) -> int:
    """Return of how many of so many rows the parameters are computed at once: equal parts of 4 to 8, or all.

    They are a hundred kilobytes an image: of a few they stay in a processor's cache, and what a runtime
    allocates for them is kept. Parts of unequal size would have it allocate anew.
    """
    return next((size for size in range(8, 3, -1) if rows % size == 0), rows)


def _causal(arrays: dict[str, npt.NDArray[Any]]) -> Draw:
    for name in ("into", "out"):
        if arrays[name].dtype != np.float32 or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: expected float32, all finite; found {arrays[name].dtype}")
    return CausalDraw(arrays["into"], arrays["out"])


# By a likelihood's name in the manifest: what draws of parameters and noise, with its arrays.
_MADE_OF: dict[str, Callable[[dict[str, npt.NDArray[Any]]], Draw]] = {"causal-logistic": _causal}
