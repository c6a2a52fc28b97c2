"""How plain an image is: what a general code needs for it. NumPy only.

Plain images are probable under any model of images, unusual or not. What a code that has seen no images needs
is therefore taken from what a model needs (Serra et al. 2020).
"""

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

CODE = "med-kt"  # what a manifest calls it
LEVELS = 256
PSEUDO_COUNT = 0.5  # of every residual, by Krichevsky & Trofimov


def complexity(image: npt.NDArray[np.uint8]) -> float:
    """Return the length of a code for an image's levels, (H, W) or (H, W, 3), in nats.

    Each level is predicted from the three before it as JPEG-LS does (Weinberger, Seroussi & Sapiro 2000). The
    differences, modulo 256, are coded by their frequencies so far, each counted half a time more (Krichevsky
    & Trofimov 1981). The length of an ideal arithmetic code then has a closed form: with n_v differences v of
    n, log G(n + 128) - log G(128) - sum_v (log G(n_v + 1/2) - log G(1/2)), G the gamma function. A file's
    length would come in whole bytes, and depend on who writes it.
    """
    counts = Counter(_differences(image).ravel().tolist())
    whole = LEVELS * PSEUDO_COUNT
    spent = sum(math.lgamma(n + PSEUDO_COUNT) - math.lgamma(PSEUDO_COUNT) for n in sorted(counts.values()))
    return math.lgamma(image.size + whole) - math.lgamma(whole) - spent


def _differences(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return by how much each level exceeds its prediction, modulo 256; beyond the border levels are zero."""
    levels = image.astype(np.int64)
    padded = np.pad(levels, [(1, 0), (1, 0)] + [(0, 0)] * (image.ndim - 2))
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    # An edge above or on the left is followed, else the three lie on a plane: left + above - corner.
    predicted = np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))
    differences: npt.NDArray[np.int64] = (levels - predicted) % LEVELS
    return differences
