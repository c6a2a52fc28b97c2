"""Whether a version computes here what it computed where it was published.

A version ships a few codes, images and noise with what they gave; ``model_store/README.md`` says how. So a
runtime with another idea of an operation, or a processor that rounds wrongly, is found out before a picture
is served.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.arrays import Arrays, read_arrays
from app.engine.work import BATCH_ROWS, Operation
from app.errors import ModelError
from app.manifest import Manifest
from app.store import Version

Levels = npt.NDArray[np.uint8]

# What two runtimes may differ by, as model_store/README.md promises it.
MAX_LEVELS = 1  # of a mean
MAX_CODE = 1e-3  # of a posterior mean, for its size and one
# Of a draw, in which noise chooses between values far apart: the share of pixels that may differ by more, and
# of how many draws that need not hold, as a changed choice may change the choices after it.
MAX_CHANGED = 0.005
MAX_CHANGED_DRAWS = 1


class Tested(Protocol):
    """An opened model."""

    version: Version
    shipped_results: Arrays | None
    decoding: Operation
    drawing: Operation
    encoding: Operation


def read(version: Version) -> Arrays | None:
    """Return what a version ships for its self-test; None: nothing.

    It is read once, when the version is opened: its folder may be gone when it is tested again.

    Raises:
        ModelError: the file cannot be used; says why.
    """
    about = version.manifest.selftest
    if about is None:
        return None
    try:
        return _checked(read_arrays(version.folder / about.path), version.manifest)
    except (OSError, ValueError, KeyError) as error:
        raise _failed(version, f"{about.path}: {error}") from error


def check(model: Tested) -> None:
    """Have a model compute what its version ships the results of; one without them passes.

    Raises:
        ModelError: a result is another; says which and by how much.
    """
    given = model.shipped_results
    if given is None:
        return
    z = given["z"]
    noise = (given["noise"].astype(np.float32) + np.float32(0.5)) / np.float32(256)
    images = given["images"].astype(np.float32) / np.float32(255)
    differences = (
        _of_means(model.decoding.whole(z), given["decode"]),
        _of_draws(model.drawing.whole(z, noise), given["draw"]),
        _of_codes(model.encoding.whole(images), given["z_mean"]),
    )
    for difference in filter(None, differences):
        raise _failed(model.version, difference)


def _failed(version: Version, reason: str) -> ModelError:
    return ModelError(f"{version.reference}: the self-test failed: {reason}")


def _checked(arrays: Arrays, manifest: Manifest) -> Arrays:
    """Return the arrays of a self-test, or raise ValueError: one is not what it should be."""
    rows, image = len(arrays["z"]), manifest.image.shape
    if not 1 <= rows <= BATCH_ROWS:
        raise ValueError(f"z: expected 1 to {BATCH_ROWS} codes; found {rows}")
    expected: dict[str, tuple[tuple[int, ...], type]] = {
        "z": ((manifest.latent_dim,), np.float32),
        "noise": (manifest.likelihood.noise_shape, np.uint8),
        "images": (image, np.uint8),
        "decode": (image, np.uint8),
        "draw": (image, np.uint8),
        "z_mean": ((manifest.latent_dim,), np.float32),
    }
    for name, (shape, kind) in expected.items():
        array = arrays[name]
        if array.shape != (rows, *shape) or array.dtype != kind or not np.isfinite(array).all():
            wanted = f"{(rows, *shape)} {np.dtype(kind)}, all finite"
            raise ValueError(f"{name}: expected {wanted}; found {array.shape} {array.dtype}")
    return arrays


def _apart(found: Levels, expected: Levels) -> npt.NDArray[np.int16]:
    """Return by how many levels pixels differ, a row for each image."""
    rows: npt.NDArray[np.int16] = np.abs(found.astype(np.int16) - expected).reshape(len(found), -1)
    return rows


def _of_means(found: Levels, expected: Levels) -> str:
    """Return what is wrong with means; empty if nothing."""
    furthest = int(_apart(found, expected).max())
    return f"decode differs by {furthest} grey levels" if furthest > MAX_LEVELS else ""


def _of_draws(found: Levels, expected: Levels) -> str:
    shares = (_apart(found, expected) > MAX_LEVELS).mean(axis=1)
    changed = int((shares > MAX_CHANGED).sum())
    if changed <= MAX_CHANGED_DRAWS:
        return ""
    return f"draw differs in {changed} of {len(found)} images, in {shares.max():.2%} of the pixels of one"


def _of_codes(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> str:
    furthest = float((np.abs(found - expected) / (1 + np.abs(expected))).max())
    return f"z_mean differs by {furthest:.2g}" if not furthest <= MAX_CODE else ""
