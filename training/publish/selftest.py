"""A few codes, images and noise with what a version makes of them, which a service computes again.

The format and the tolerances are those of ``model_store/README.md``.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import RunError
from training.publish import litert
from training.runs import replacing
from training.types import Array

FILE = "selftest.npz"
ROWS = 8
SEED = 0
FURTHEST = 3.0  # of a code from zero, where decoders are trained

MAX_LEVELS = 1
MAX_CODE = 1e-3
MAX_CHANGED = 0.005
MAX_CHANGED_DRAWS = 1

Levels = npt.NDArray[np.uint8]


def write(version: Path, latent_dim: int, noise_shape: tuple[int, ...]) -> dict[str, Any]:
    """Write the self-test of the version in a folder, whose networks are there; return the manifest's key.

    Codes are normal, noise is in 256 steps, and the images are the means of the codes. TensorFlow computes
    what they give. A RunError if LiteRT does not give the same, within what two runtimes may differ by.
    """
    rng = np.random.default_rng(SEED)
    z = np.clip(rng.standard_normal((ROWS, latent_dim), np.float32), -FURTHEST, FURTHEST)
    noise = rng.integers(0, 256, (ROWS, *noise_shape), np.uint8)
    calls = litert.saved_model_calls(version)
    images = _levels(calls["decode"](z=z)["image"])
    arrays = {"z": z, "noise": noise, "images": images} | _results(calls, z, noise, images)
    with litert.without_announcements(version):
        theirs = _results(litert.flatbuffer_calls(version), z, noise, images)
    _require_same(arrays, theirs)
    with replacing(version / FILE) as file:
        np.savez_compressed(file, **arrays)
    return {"path": FILE}


def _results(calls: dict[str, litert.Call], z: Array, noise: Levels, images: Levels) -> dict[str, Any]:
    """Return what a runtime makes of them; no draws, where the service makes these by itself."""
    found = {
        "decode": _levels(calls["decode"](z=z)["image"]),
        "z_mean": np.asarray(calls["encode"](images=images.astype(np.float32) / np.float32(255))["z_mean"]),
    }
    if "draw" in calls:
        uniform = (noise.astype(np.float32) + np.float32(0.5)) / np.float32(256)
        found["draw"] = _levels(calls["draw"](z=z, noise=uniform)["image"])
    return found


def _require_same(expected: dict[str, Any], found: dict[str, Any]) -> None:
    apart = {
        name: np.abs(found[name].astype(np.float64) - expected[name]).reshape(ROWS, -1) for name in found
    }
    wrong = {
        "decode": apart["decode"].max() > MAX_LEVELS,
        "z_mean": not (apart["z_mean"] <= MAX_CODE * (1 + np.abs(expected["z_mean"]))).all(),
    }
    if "draw" in apart:
        shares = (apart["draw"] > MAX_LEVELS).mean(axis=1)
        wrong["draw"] = (shares > MAX_CHANGED).sum() > MAX_CHANGED_DRAWS
    for name in [name for name, is_wrong in wrong.items() if is_wrong]:
        reason = f"TensorFlow and LiteRT differ in {name} of the self-test by {apart[name].max():.2g}"
        raise RunError(f"{reason}; nothing was published")


def _levels(images: Any) -> Levels:
    """Return the service's levels: [0, 1] cut into 256 equal bins."""
    levels: Levels = np.minimum(np.clip(np.asarray(images), 0, 1) * 256, 255).astype(np.uint8)
    return levels
