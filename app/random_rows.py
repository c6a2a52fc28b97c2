"""Rows that a model is tried with when it is opened."""

import numpy as np

from app.engine.work import BATCH_ROWS
from app.manifest import Manifest
from app.runtimes import Array


def random_rows(manifest: Manifest) -> tuple[Array, Array, Array]:
    """Return codes, images and noise of draws, BATCH_ROWS of each, float32, always the same ones."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((BATCH_ROWS, manifest.latent_dim), np.float32)
    noise = generator.uniform(0.01, 0.99, (BATCH_ROWS, *manifest.likelihood.noise_shape))
    images = generator.random((BATCH_ROWS, *manifest.image.shape), np.float32)
    return z, images, noise.astype(np.float32)
