"""How close a reconstruction is to its original: MSE, PSNR, SSIM. NumPy only."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.pictures.grids import Pixels

WINDOW = 7  # pixels along a side, in which structure is compared
# Constants of SSIM (Wang et al. 2004), for values in [0, 1].
C1, C2 = 0.01**2, 0.03**2


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
    first, second = originals / 255.0, others / 255.0
    squared = ((first - second) ** 2).reshape(len(first), -1).mean(axis=1)
    similar = _ssim(first, second)
    return [
        Closeness(float(mse), -10 * math.log10(mse) if mse else math.inf, float(ssim))
        for mse, ssim in zip(squared, similar, strict=True)
    ]


def _ssim(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean SSIM of each pair, (N,), in square windows with sample (co)variances.

    An image that is smaller than a window is compared in smaller ones.
    """
    side = min(WINDOW, *first.shape[1:3])
    moments = np.stack([first, second, first * first, second * second, first * second])
    mean_a, mean_b, square_a, square_b, product = _window_sums(moments, side) / side**2
    unbiased = side**2 / max(1, side**2 - 1)
    both = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    variances = unbiased * (square_a + square_b - squares)
    covariance = unbiased * (product - both)
    similar = (2 * both + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    mean: npt.NDArray[np.float64] = similar.reshape(len(first), -1).mean(axis=1)
    return mean


def _window_sums(values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Return the sums over all windows of (M, N, H, W, ...): differences of running sums."""
    for axis in (2, 3):
        before = [(0, 0)] * values.ndim
        before[axis] = (1, 0)
        running = np.pad(values.cumsum(axis=axis), before)
        at = [slice(None)] * values.ndim
        late, early = list(at), list(at)
        late[axis], early[axis] = slice(side, None), slice(None, -side)
        values = running[tuple(late)] - running[tuple(early)]
    return values
