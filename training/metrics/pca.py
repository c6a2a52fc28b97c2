"""Principal component analysis: what a linear code of the same dimension reconstructs."""

import math

import numpy as np
import numpy.typing as npt

from training import data
from training.types import Array, Doubles

FITTED_IMAGES = 4_000  # where pixels are more than that; the work grows with the cube


def fitted_on(dataset: data.Dataset) -> tuple[Array, str]:
    """Return the training images that PCA is fitted to, and what to call them."""
    if math.prod(dataset.image_shape) > FITTED_IMAGES and len(dataset.train) > FITTED_IMAGES:
        return dataset.train[:FITTED_IMAGES], f"the first {FITTED_IMAGES} training images"
    return dataset.train, "the training split"


def reconstruction_mse(train: Array, test: Array, components: int) -> float:
    """Return PCA's squared error per pixel on `test`, with mean and components of `train`."""
    return float(np.mean((test - reconstruction(train, test, components)) ** 2))


def reconstruction(train: Array, test: Array, components: int) -> Doubles:
    """Return `test`, (N, ...), put together from `components` principal components of `train`."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    basis = _principal_components(flat - mean, components)
    centred = test.reshape(len(test), -1) - mean
    return np.asarray(mean + centred @ basis @ basis.T).reshape(test.shape)


def _principal_components(centred: Doubles, components: int) -> npt.NDArray[np.float64]:
    """Return an orthonormal basis, (D, components or less), of the directions in which (N, D) varies most."""
    count, pixels = centred.shape
    if count >= pixels:
        return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, -components:])
    # Fewer images than pixels: the same directions from the small matrix of products between images.
    squares, combinations = np.linalg.eigh(centred @ centred.T)
    varying = squares[-components:] > 1e-9 * squares[-1]
    return np.asarray(
        centred.T @ combinations[:, -components:][:, varying] / np.sqrt(squares[-components:][varying])
    )
