from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.errors import ModelError
from app.models import TILE, Model, Models
from app.store import scan
from tests.fakes import FakeRuntime, open_fake, write_version


@pytest.fixture
def version(tmp_path):
    write_version(tmp_path)
    return scan(tmp_path).find("fake")


@pytest.mark.parametrize("count", [1, TILE - 1, TILE, TILE + 1, 3 * TILE])
def test_every_computation_has_the_same_number_of_rows(version, count):
    runtime = FakeRuntime()
    z = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    images = Model(version, runtime).decode(z)
    assert set(runtime.rows_seen) == {TILE}
    np.testing.assert_array_equal(images, FakeRuntime().decode(z))


def test_encode_returns_the_posterior_mean_of_every_image(version):
    images = np.full((TILE + 3, 8, 8), 0.7, np.float32)
    np.testing.assert_allclose(Model(version, FakeRuntime()).encode(images), 2.0, atol=1e-5)


class Broken(FakeRuntime):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def decode(self, z):
        return np.resize(self.images, (len(z), *self.images.shape))


@pytest.mark.parametrize(
    "images", [np.full((8, 8), np.nan, np.float32), np.full((8, 8), np.inf, np.float32), np.zeros((9, 8))]
)
def test_a_model_that_breaks_its_promise_is_found_out_while_warming_up(version, images):
    with pytest.raises(ModelError, match="fake@1"):
        Model(version, Broken(images)).warm_up()


def test_a_version_is_opened_once_however_many_ask_at_the_same_time(version, tmp_path):
    opened = []

    def slow_open(folder, threads):
        opened.append(folder)
        return open_fake(folder, threads)

    models = Models(scan(tmp_path), slow_open, threads=1)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(models.get, [version] * 64))
    assert len(opened) == len(found) == 1
    assert models.opened == ["fake@1"]
