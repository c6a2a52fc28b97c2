import numpy as np

from app.engine.work import BATCH_ROWS
from app.random_rows import random_rows
from app.store import scan
from tests.conftest import SHIPPED_VERSION


def test_they_fit_the_manifest_and_no_two_are_the_same():
    manifest = scan(SHIPPED_VERSION.parents[1]).find(SHIPPED_VERSION.parent.name).manifest
    z, images, noise = random_rows(manifest)
    assert z.shape == (BATCH_ROWS, manifest.latent_dim)
    assert images.shape == (BATCH_ROWS, *manifest.image.shape)
    assert noise.shape == (BATCH_ROWS, *manifest.likelihood.noise_shape)
    for rows in (z, images, noise):
        assert rows.dtype == np.float32
        assert len({row.tobytes() for row in rows}) == BATCH_ROWS
    assert 0 < noise.min() < noise.max() < 1
    assert 0 <= images.min() < images.max() < 1


def test_they_are_the_same_ones_every_time():
    manifest = scan(SHIPPED_VERSION.parents[1]).find(SHIPPED_VERSION.parent.name).manifest
    for first, second in zip(random_rows(manifest), random_rows(manifest), strict=True):
        assert np.array_equal(first, second)
