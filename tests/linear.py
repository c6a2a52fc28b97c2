"""A linear Gaussian model behind the service's own interfaces: whatever is computed of it has a closed form."""

from pathlib import Path
from statistics import NormalDist

import numpy as np

from app.models import Model
from app.store import scan
from tests.fakes import write_version

SHAPE = (4, 4)
VARIANCE = 0.02
LOG_LEVEL_WIDTH = -np.log(255)


def log_normal(x, mean, covariance):
    """Return log N(x; mean, covariance) of rows (N, P), in float64."""
    away = x - mean
    solved = np.linalg.solve(covariance, away.T).T
    _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * ((away * solved).sum(axis=1) + log_determinant)


def normal_of(noise):
    """Return the standard normals whose distribution function is at these uniform numbers."""
    return np.vectorize(NormalDist().inv_cdf)(noise)


class LinearRuntime:
    """x = W z + b + sqrt(VARIANCE) noise, z ~ N(0, I) of two axes (probabilistic PCA, Tipping & Bishop 1999).

    The columns of W are orthogonal, so that the exact posterior has a diagonal covariance: the encoder gives
    it, its variances times `width`.
    """

    name = "linear"
    rows = None
    scores = True
    widens = False

    def __init__(self, width=1.0):
        rng = np.random.default_rng(5)
        self.weights = 0.5 * np.linalg.qr(rng.standard_normal((16, 2)))[0] * [1.0, 0.6]
        self.bias = rng.uniform(0.3, 0.7, 16)
        precision = 1 + (self.weights**2).sum(axis=0) / VARIANCE
        self.to_mean = self.weights / VARIANCE / precision
        self.log_var = np.log(width / precision)

    # Sums of products, and no matrix products: those may round differently for another number of rows.
    def encode(self, images):
        away = images.reshape(len(images), 16, 1) - self.bias[:, None]
        z_mean = (away * self.to_mean).sum(axis=1)
        return z_mean.astype(np.float32), np.tile(self.log_var, (len(images), 1)).astype(np.float32)

    def decode(self, z):
        images = (z[:, None].astype(np.float64) * self.weights).sum(axis=2) + self.bias
        return images.reshape(len(z), *SHAPE).astype(np.float32)

    def draw(self, z, noise):
        return (self.decode(z) + VARIANCE**0.5 * normal_of(noise)).astype(np.float32)

    def log_prob(self, z, images):
        squares = (images - self.decode(z).astype(np.float64)) ** 2
        return (-0.5 * (squares / VARIANCE + np.log(2 * np.pi * VARIANCE))).astype(np.float32)

    def rest(self, ready=False):
        pass

    def marginal(self, weights=(1.0,), means=((0.0, 0.0),), cholesky=((1.0, 0.0, 0.0, 1.0),)):
        """Weights, means (K, 16) and covariances (K, 16, 16) of p(x) under a mixture of Gaussians as p(z)."""
        factors = np.reshape(cholesky, (-1, 2, 2))
        spread = factors @ factors.transpose(0, 2, 1)
        covariances = self.weights @ spread @ self.weights.T + VARIANCE * np.eye(16)
        return np.asarray(weights), np.asarray(means) @ self.weights.T + self.bias, covariances

    def log_p(self, pixels, pick=slice(None), **prior):
        """Exact log p(x) of images (N, 16) in [0, 1], or of some of their pixels alone."""
        joint = [
            np.log(weight) + log_normal(pixels[:, pick], mean[pick], covariance[pick][:, pick])
            for weight, mean, covariance in zip(*self.marginal(**prior), strict=True)
        ]
        return np.logaddexp.reduce(joint)


def linear_model(store: Path, runtime, **changes) -> Model:
    """The model of a LinearRuntime; `changes` are those of ``write_version``."""
    likelihood = {
        "name": "gaussian",
        "parameters": {"variance": VARIANCE},
        "log_level_width": float(LOG_LEVEL_WIDTH),
        "noise_shape": list(SHAPE),
    }
    write_version(store, shape=SHAPE, **({"likelihood": likelihood} | changes))
    return Model(scan(store).find("fake"), runtime)


def images_of(runtime, count, seed=0):
    """Levels of images that the model draws, (count, 4, 4), and the same in [0, 1], (count, 16)."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((count, 2))
    drawn = z @ runtime.weights.T + runtime.bias + VARIANCE**0.5 * rng.standard_normal((count, 16))
    levels = np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)
    return levels.reshape(count, *SHAPE), levels / 255
