"""Ways of running a SavedModel: one file each, all with this interface."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Runtime(Protocol):
    """An opened encoder and decoder. Safe to call from several threads at once; float32 in and out."""

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return z_mean and z_log_var, each (B, D), of `images`, (B, H, W) in [0, 1]."""
        ...

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z), (B, H, W), of `z`, (B, D)."""
        ...

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z), (B, H, W), made from uniform `noise` in (0, 1)."""
        ...


class OpenRuntime(Protocol):
    """Opens the version in `folder`; `threads` is what one computation may use."""

    def __call__(self, folder: Path, threads: int) -> Runtime: ...  # noqa: D102
