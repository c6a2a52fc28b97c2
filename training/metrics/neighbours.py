"""Does a model repeat its training images? Samples against their nearest training image.

A sample that lies nearer to some training image than unseen images of the same kind do may be a copy. Blurred
pictures lie near to everything, most of all pixel by pixel, so a large share below the threshold is a reason
to look at the pairs and no proof.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.metrics.two_sample import auroc
from training.types import Doubles, Floats, ReportSection

QUERIES = 500  # rows of distances at a time: 500 x 55,000 float32 are 110 MB
PERCENTILE = 1.0


class Nearest(NamedTuple):
    """The training image nearest to each query."""

    indices: npt.NDArray[np.int64]  # (N,), into the training images
    distances: Doubles  # (N,), Euclidean


class Memorisation(ReportSection):
    """Samples beside held-out images, by distance to the nearest training image."""

    threshold: float  # the held-out images' 1st percentile
    share_below: float  # samples nearer than that; 0.01 if they are as near as unseen images
    median: float  # of the samples
    held_out_median: float
    nearer_than_held_out: float  # chance that a sample is nearer than a held-out image; 0.5 if alike


def nearest(queries: Floats, train: Floats) -> Nearest:
    """Return the nearest training image of every query, in pixel or feature space.

    The nearest is found in float32; its distance is then computed anew, so an exact copy has distance 0.

    Args:
        queries: (N, ...), images or features.
        train: (M, ...), of the same kind.
    """
    origin = np.mean(train, axis=0, dtype=np.float64).astype(np.float32).ravel()
    flat = train.reshape(len(train), -1).astype(np.float32) - origin
    half_squares = np.einsum("mf,mf->m", flat, flat) / 2
    indices, distances = [], []
    for start in range(0, len(queries), QUERIES):
        rows = queries[start : start + QUERIES].reshape(-1, flat.shape[1]).astype(np.float32) - origin
        closeness = rows @ flat.T  # of |a - b|^2 = |a|^2 - 2 (a . b - |b|^2 / 2), what depends on b
        closeness -= half_squares
        found = closeness.argmax(axis=1)
        indices.append(found)
        difference = (rows - flat[found]).astype(np.float64)
        distances.append(np.sqrt(np.einsum("nf,nf->n", difference, difference)))
    return Nearest(np.concatenate(indices), np.concatenate(distances))


def memorisation(samples: Nearest, held_out: Nearest) -> Memorisation:
    """Compare how near samples and held-out images lie to the same training images.

    ``nearer_than_held_out`` is the Mann-Whitney statistic over its maximum, on which the test of Meehan,
    Chaudhuri and Dasgupta (2020) stands.
    """
    threshold = float(np.percentile(held_out.distances, PERCENTILE))
    return Memorisation(
        threshold=threshold,
        share_below=float(np.mean(samples.distances < threshold)),
        median=float(np.median(samples.distances)),
        held_out_median=float(np.median(held_out.distances)),
        nearer_than_held_out=auroc(samples.distances, held_out.distances),
    )
