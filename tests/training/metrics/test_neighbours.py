import numpy as np
import pytest

from training.metrics import neighbours
from training.metrics.neighbours import Nearest, nearest

pytestmark = pytest.mark.tensorflow


def test_the_nearest_training_image_is_that_of_a_plain_search(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES", 3)
    rng = np.random.default_rng(0)
    queries, train = rng.random((10, 4, 3), np.float32), rng.random((50, 4, 3), np.float32)
    distances = np.sqrt(((queries[:, None].astype(float) - train) ** 2).sum(axis=(2, 3)))
    found = nearest(queries, train)
    np.testing.assert_array_equal(found.indices, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distances, distances.min(axis=1), rtol=1e-6)


def test_a_copy_has_distance_zero_and_names_its_original():
    train = np.random.default_rng(0).random((40, 28, 28), np.float32)
    found = nearest(train[[7, 31]], train)
    assert found.indices.tolist() == [7, 31]
    assert found.distances.tolist() == [0, 0]


def distances(*values):
    return Nearest(np.zeros(len(values), np.int64), np.array(values, float))


def test_samples_nearer_than_the_held_out_images_first_percentile_are_counted():
    held_out = distances(*range(1, 102))  # its 1st percentile is 2
    found = neighbours.memorisation(distances(0.5, 1.9, 2, 50), held_out)
    assert found.threshold == 2
    assert found.share_below == 0.5
    assert found.median == pytest.approx(1.95)
    assert found.held_out_median == 51
    # Of 4 x 101 pairs the sample is nearer in 101, 100, 99.5 and 51.5.
    assert found.nearer_than_held_out == pytest.approx((101 + 100 + 99.5 + 51.5) / 404)


def test_copies_stand_out_and_unseen_images_do_not():
    rng = np.random.default_rng(0)
    train, test, unseen = (rng.standard_normal((1_000, 3), np.float32) for _ in range(3))
    held_out = nearest(test, train)
    honest = neighbours.memorisation(nearest(unseen, train), held_out)
    # The share of 1,000 below a percentile that is itself estimated from 1,000: standard error 0.0045; four.
    assert honest.share_below == pytest.approx(0.01, abs=0.018)
    assert honest.nearer_than_held_out == pytest.approx(0.5, abs=0.055)  # standard error 0.013; four
    copied = neighbours.memorisation(nearest(train[:500] + 1e-4, train), held_out)
    assert copied.share_below > 0.99
    assert copied.nearer_than_held_out > 0.99
