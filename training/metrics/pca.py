"""Principal component analysis: what a linear code of the same dimension reconstructs."""

import math

import numpy as np
from sklearn.decomposition import PCA

from training import data
from training.types import Array, Doubles

FITTED_IMAGES = 4_000  # where pixels are more than that; the work grows with the cube


def fitted_on(dataset: data.Dataset) -> tuple[Array, str]:
    """Return the training images that PCA is fitted to, and what to call them."""
    if math.prod(dataset.image_shape) > FITTED_IMAGES and len(dataset.train) > FITTED_IMAGES:
        return dataset.train[:FITTED_IMAGES], f"the first {FITTED_IMAGES} training images"
    return dataset.train, "the training split"


def num_components(components: int, count: int, pixels: int) -> int:
    """Return how many of `components` so many images give: one a pixel at most, and one fewer than images."""
    return min(components, pixels if count >= pixels else count - 1)


def reconstruction_mse(train: Array, test: Array, components: int) -> float:
    """Return PCA's squared error per pixel on `test`, with mean and components of `train`."""
    return float(np.mean((test - reconstruction(train, test, components)) ** 2))


def reconstruction(train: Array, test: Array, components: int) -> Doubles:
    """Return `test`, (N, ...), put together from `components` principal components of `train`."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    count, pixels = flat.shape
    number = num_components(components, count, pixels)
    if count >= pixels:
        fitted = PCA(number, svd_solver="covariance_eigh").fit(flat)
    else:  # the covariance would be larger than the images
        fitted = PCA(number, svd_solver="arpack", random_state=0).fit(flat)
    codes = fitted.transform(test.reshape(len(test), -1))
    return np.asarray(fitted.inverse_transform(codes)).reshape(test.shape)
