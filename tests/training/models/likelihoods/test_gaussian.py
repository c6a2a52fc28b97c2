import math
from statistics import NormalDist

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.training.models.likelihoods.pixels import over, random_parameters  # noqa: E402
from training.models.likelihoods.gaussian import (  # noqa: E402
    Gaussian,
    GaussianPerPixel,
    GaussianShared,
    normal_quantile,
)

DENSITIES = [Gaussian(0.01), Gaussian(0.5), GaussianPerPixel(), GaussianShared()]


@pytest.mark.parametrize("likelihood", DENSITIES, ids=lambda density: density.name)
def test_a_gaussian_density_integrates_to_one(likelihood):
    parameters = random_parameters(likelihood, 20, spread=1.0)
    grid = np.linspace(-12, 12, 200_001)
    log_density = likelihood.log_prob(*over(grid, parameters)).numpy().astype(np.float64)
    # A sum over a grid finer than any of these widths is exact but for float32's rounding of the terms.
    np.testing.assert_allclose(np.exp(log_density).sum(axis=0) * (grid[1] - grid[0]), 1, atol=1e-3)


def test_the_log_density_of_a_gaussian_is_the_textbook_formula():
    log_prob = Gaussian(0.5).log_prob(np.float32([1.0]), np.float32([[0.25]])).numpy()
    assert log_prob.item() == pytest.approx(-(0.75**2) - 0.5 * math.log(math.pi), abs=1e-6)


def test_no_density_over_levels_can_cost_less_than_nothing():
    narrow = GaussianPerPixel()
    log_prob = narrow.log_prob(np.float32([0.5]), np.float32([[0.5, -1e4]])).numpy().item()
    bits = -(log_prob + narrow.log_level_width) / math.log(2)
    assert bits == pytest.approx(0, abs=1e-3)


def test_normal_quantiles_are_right_to_the_last_digits_of_float32():
    probability = np.float32(
        [1e-30, 1e-12, 1e-7, 0.001, 0.0749, 0.0751, 0.3, 0.5, 0.6, 0.924, 0.926, 1 - 2**-24]
    )
    expected = [NormalDist().inv_cdf(float(p)) for p in probability]
    # AS 241's seven digits, and as many of float32.
    found = normal_quantile(probability).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_a_gaussian_draw_is_a_function_of_its_noise():
    decoded = np.full((2, 2, 2, 1), 0.3, "f4")
    assert np.array_equal(Gaussian(0.5).draw(decoded, np.full((2, 2, 2), 0.5, "f4")).numpy(), decoded[..., 0])
    up = np.full((2, 2, 2), NormalDist().cdf(1), "f4")  # one standard deviation
    np.testing.assert_allclose(Gaussian(0.25).draw(decoded, up).numpy(), 0.8, atol=1e-6)


def test_the_mean_of_a_gaussian_is_the_decoders_output_not_clipped():
    decoded = np.float32([[[-0.2], [1.3]]])
    assert np.array_equal(Gaussian(0.5).mean(decoded), decoded[..., 0])


@pytest.mark.parametrize("variance", [0.0, -1.0, 1e-9, float("nan")])
def test_a_variance_that_is_not_positive_or_narrower_than_a_level_is_refused(variance):
    with pytest.raises(ValueError, match="Received"):
        Gaussian(variance)
