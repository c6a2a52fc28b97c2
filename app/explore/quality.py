"""How close a reconstruction is to its original: MSE, PSNR, SSIM. NumPy only."""

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.pictures.grids import Pixels

WINDOW = 7  # pixels along a side, in which structure is compared
# Constants of SSIM (Wang et al. 2004), for values in [0, 1].
C1, C2 = 0.01**2, 0.03**2
GREY = 4  # axes of two stacks of grey images

Doubles = npt.NDArray[np.float64]


class Closeness(NamedTuple):
    """How close two images are.

    Args:
        mse: mean of the squared difference, of values in [0, 1].
        psnr: -10 log10 of it, in decibels; infinite for equal images.
        ssim: structural similarity, at most 1, the mean over all windows and channels.
    """

    mse: float
    psnr: float
    ssim: float


def closeness(originals: Pixels, others: Pixels) -> list[Closeness]:
    """Return how close each of `others` is to its original; both (N, H, W) or (N, H, W, 3) levels."""
    pair: Doubles = np.stack([originals, others]).astype(np.float64)
    pair *= 1 / 255
    apart = (pair[0] - pair[1]).reshape(len(originals), -1)
    squared = np.einsum("ij,ij->i", apart, apart) / apart.shape[1]
    similar = _ssim(pair if pair.ndim == GREY else np.moveaxis(pair, -1, 2))
    return [
        Closeness(mse, -10 * math.log10(mse) if mse else math.inf, ssim)
        for mse, ssim in zip(squared.tolist(), similar.tolist(), strict=True)
    ]


def _ssim(pair: Doubles) -> Doubles:
    """Return the mean SSIM of N pairs, (2, N, H, W) or (2, N, C, H, W): (N,).

    Variances are those of samples, in square windows. An image that is smaller than a window is compared in
    smaller ones.
    """
    height, width = pair.shape[-2:]
    side = min(WINDOW, height, width)
    moments = np.empty((5, *pair.shape[1:]))
    moments[:2] = pair
    np.multiply(pair, pair, out=moments[2:4])
    np.multiply(pair[0], pair[1], out=moments[4])
    # The mean of each window, as two products with matrices of bands.
    means = np.matmul(np.matmul(_band(height, side), moments), _band(width, side).T)
    unbiased = side**2 / max(1, side**2 - 1)
    both, squares = means[0] * means[1], means[0] ** 2 + means[1] ** 2
    variances = unbiased * (means[2] + means[3] - squares)
    covariance = unbiased * (means[4] - both)
    similar = (2 * both + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    mean: Doubles = similar.reshape(pair.shape[1], -1).mean(axis=1)
    return mean


@functools.lru_cache(maxsize=64)
def _band(length: int, side: int) -> Doubles:
    """Return the matrix, (length - side + 1, length), that takes the mean of each window of a column."""
    windows = length - side + 1
    places = np.arange(length)[None] - np.arange(windows)[:, None]
    return np.where((places >= 0) & (places < side), 1 / side, 0.0)
