"""How near generated images are to real ones: pure functions of arrays.

Two sets are compared by their features, (N, F), which `training.metrics.classifier` computes. Nothing here is
comparable between feature extractors, between numbers of images, or with printed FIDs: always read a
number beside that of real images against real ones.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from training import data
from training.types import Doubles, Floats, ReportSection

ROWS = 1_000  # rows of a matrix of distances that are held in memory at a time
SSIM_WINDOW = 11  # side of the Gaussian window, of standard deviation 1.5 (Wang et al. 2004)
# Mean squared error of rounding to 8 bits, (1/255)^2 / 12: a smaller one counts as this; PSNR stays finite.
ROUNDING_MSE = 1 / (12 * 255**2)


class Fidelity(NamedTuple):
    """Generated images among real ones, in a feature space; each a share in [0, 1] but for `density`."""

    precision: float  # generated images that fall within reach of a real one
    recall: float  # real images that fall within reach of a generated one
    density: float  # how many real images reach a generated one, over k; 1 for equal distributions
    coverage: float  # real images with a generated one within reach; about 1 - 2^-k for equal distributions


class Gaussian(NamedTuple):
    """Mean and covariance of features."""

    mean: Doubles  # (F,)
    covariance: Doubles  # (F, F)


def gaussian(features: Floats) -> Gaussian:
    """Return mean and unbiased covariance of features (N, F), N at least 2, in float64."""
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"features: expected (N, F) with N at least 2. Received: shape {rows.shape}")
    return Gaussian(rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False)))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Return the squared 2-Wasserstein distance between two Gaussians (Heusel et al. 2017, "FID").

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2). That symmetric product has the eigenvalues of
    S_a S_b, real and not negative, so no square root of an asymmetric matrix is taken, and singular
    covariances, of features that never fire, need no special case.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = np.linalg.eigvalsh(root @ b.covariance @ root)
    trace_root = np.sqrt(np.clip(product, 0, None)).sum()
    apart = np.sum((a.mean - b.mean) ** 2)
    distance = apart + np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_root
    return float(max(distance, 0.0))  # rounding may leave a little less than zero for equal ones


def kernel_distance(a: Floats, b: Floats) -> float:
    """Return the unbiased squared maximum mean discrepancy of two sets (Bińkowski et al. 2018, "KID").

    The kernel is (x . y / F + 1)^3. Zero in expectation for equal distributions whatever the number of
    images, hence now and then below zero.

    Args:
        a: features (N, F), N at least 2.
        b: features (M, F), M at least 2.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel_sum(left: Floats, right: Floats) -> float:
        total = 0.0
        for _, rows in _chunks(left):
            base = rows @ right.T / right.shape[1] + 1
            total += float(np.vdot(base, base * base))  # the third power, which ** computes far more slowly
        return total

    def within(rows: Floats) -> float:
        same = ((np.sum(rows**2, axis=1) / rows.shape[1] + 1) ** 3).sum()  # k(x, x), which the sum leaves out
        return float((kernel_sum(rows, rows) - same) / (len(rows) * (len(rows) - 1)))

    return within(x) + within(y) - 2 * kernel_sum(x, y) / (len(x) * len(y))


def precision_recall_density_coverage(real: Floats, generated: Floats, k: int = 5) -> Fidelity:
    """Return precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    The reach of an image is the distance to its k-th nearest neighbour in its own set, itself not counted.
    Matrices of distances are made `ROWS` rows at a time: 10,000 images against 10,000 need 0.2 GB.

    Args:
        real: features of real images, (N, F).
        generated: features of generated images, (M, F).
        k: neighbours; fewer than either set has images.
    """
    if not 1 <= k < min(len(real), len(generated)):
        raise ValueError(f"k: expected 1 to fewer than the images of either set. Received: {k}")
    origin = np.mean(real, axis=0, dtype=np.float64)  # small coordinates keep the digits of a small distance
    x, y = real - origin, generated - origin
    real_reach, generated_reach = _reach(x, k), _reach(y, k)
    reached_by = np.zeros(len(y))  # for each generated image, how many real ones reach it
    recalled, covered = np.zeros(len(x), bool), np.zeros(len(x), bool)
    for start, rows in _chunks(x):
        chunk = slice(start, start + len(rows))
        distances = euclidean_distances(rows, y, squared=True)
        reached_by += (distances <= real_reach[chunk, None]).sum(axis=0)
        recalled[chunk] = (distances <= generated_reach).any(axis=1)
        covered[chunk] = distances.min(axis=1) <= real_reach[chunk]
    return Fidelity(
        precision=float(np.mean(reached_by > 0)),
        recall=float(recalled.mean()),
        density=float(reached_by.mean() / k),
        coverage=float(covered.mean()),
    )


def _reach(rows: Floats, k: int) -> Floats:
    """Return the squared distance of every row to its k-th nearest other row, (N,)."""
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="sqeuclidean").fit(rows)
    return np.asarray(search.kneighbors()[0][:, -1])


def _chunks(rows: Floats) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(rows), ROWS):
        yield start, rows[start : start + ROWS]


class ClassSpread(ReportSection):
    """What a classifier makes of a set of images."""

    shares: list[float]  # of the images by most probable class
    entropy: float  # of these shares, in nats; ln(number of classes) if all are equal
    confidence: float  # mean probability of the most probable class
    score: float  # exp E KL(p(class given image) || p(class)), from 1 to the number of classes


def class_spread(probabilities: Floats) -> ClassSpread:
    """Return which classes occur, how evenly, and how surely; blind to everything within a class.

    ``score`` is the inception score (Salimans et al. 2016) of whatever classifier gave the probabilities.

    Args:
        probabilities: p(class given image), (N, classes); rows sum to 1.
    """
    p = np.asarray(probabilities, np.float64)
    shares = np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)
    divergence = (_x_log_x(p) - p * np.log(np.clip(p.mean(axis=0), 1e-300, None))).sum(axis=1)
    return ClassSpread(
        shares=shares.tolist(),
        entropy=float(-_x_log_x(shares).sum()),
        confidence=float(p.max(axis=1).mean()),
        score=float(np.exp(divergence.mean())),
    )


def _x_log_x(p: Doubles) -> Doubles:
    return p * np.log(np.where(p > 0, p, 1.0))  # the limit at zero is zero


def psnr(images: data.Images, others: data.Images) -> Doubles:
    """Return the peak signal-to-noise ratio of each pair, (N,) in dB: -10 log10 of the squared error a pixel.

    Equal images count as if they differed by the rounding to 8 bits: 58.9 dB.

    Args:
        images: (N, H, W) or (N, H, W, C), in [0, 1].
        others: of the same shape.
    """
    squared = (np.asarray(images, np.float64) - others) ** 2
    mse = np.maximum(squared.reshape(len(squared), -1).mean(axis=1), ROUNDING_MSE)
    return np.asarray(-10 * np.log10(mse))


def ssim_window(image_shape: tuple[int, ...]) -> int:
    """Return the side of SSIM's window: 11, or for smaller images the largest odd number that fits."""
    side = min(image_shape[:2])
    return min(SSIM_WINDOW, side - 1 + side % 2)


def ssim(images: data.Images, others: data.Images) -> Doubles:
    """Return the structural similarity of each pair (Wang et al. 2004), (N,); 1 for equal images.

    Computed by ``tf.image.ssim`` in windows of ``ssim_window`` pixels that lie wholly inside the image, K_1
    0.01, K_2 0.03, pixels in [0, 1]; a mean over positions, and over colours.

    Args:
        images: (N, H, W) or (N, H, W, C), in [0, 1].
        others: of the same shape.
    """
    window = ssim_window(images.shape[1:])
    values = []
    for start in range(0, len(images), ROWS):
        pair = [array[start : start + ROWS] for array in (images, others)]
        grey = images.ndim == 3
        a, b = (tf.constant(array[..., None] if grey else array, tf.float32) for array in pair)
        values.append(tf.image.ssim(a, b, max_val=1.0, filter_size=window).numpy())
    return np.concatenate(values).astype(np.float64)
