import numpy as np
import pytest

from training.metrics import pca


def test_pca_with_every_component_loses_nothing_and_with_fewer_the_smallest_variances():
    train = np.random.default_rng(0).normal(size=(500, 2, 2)) * [[3, 2], [1, 0.5]]
    assert pca.reconstruction_mse(train, train, 4) == pytest.approx(0, abs=1e-12)
    flat = train.reshape(500, 4)
    smallest = np.sort(np.linalg.eigvalsh(np.cov(flat.T, bias=True)))[:2].sum()
    assert pca.reconstruction_mse(train, train, 2) == pytest.approx(smallest / 4)


def test_pca_of_fewer_images_than_pixels_is_the_singular_value_decomposition():
    train, test = np.split(np.random.default_rng(0).random((24, 5, 6), np.float32), [12])
    flat = train.reshape(12, 30).astype(np.float64)
    _, _, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    for components in (3, 11, 20):  # twelve images span eleven directions around their mean
        centred = test.reshape(12, 30) - flat.mean(axis=0)
        basis = directions[: min(components, 11)]
        expected = np.mean((centred - centred @ basis.T @ basis) ** 2)
        assert pca.reconstruction_mse(train, test, components) == pytest.approx(expected, rel=1e-6)
    assert [pca.num_components(each, 12, 30) for each in (3, 11, 20)] == [3, 11, 11]
    assert pca.num_components(40, 100, 30) == 30
