import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.likelihoods import Gaussian, from_config  # noqa: E402


@pytest.mark.parametrize("variance", [0.01, 0.5, 3.0])
def test_the_density_integrates_to_one(variance):
    x = np.linspace(-30, 30, 600_001, dtype=np.float32).reshape(-1, 1, 1)
    density = np.exp(Gaussian(variance).log_prob(x, np.float32(0.3)).numpy().astype(np.float64))
    # The sum over a fine grid of a smooth density is exact but for float32's rounding of each term.
    assert density.sum() * 1e-4 == pytest.approx(1, abs=1e-4)


def test_the_log_density_is_the_textbook_formula():
    log_prob = Gaussian(0.5).log_prob(np.float32([[[1.0]]]), np.float32([[[0.25]]])).numpy()
    assert log_prob.item() == pytest.approx(-(0.75**2) - 0.5 * math.log(math.pi), abs=1e-6)


def test_draws_have_the_declared_mean_and_variance():
    noise = np.random.default_rng(0).uniform(1e-6, 1 - 1e-6, (40_000, 1, 1)).astype(np.float32)
    draws = Gaussian(0.5).draw(np.full_like(noise, 0.3), noise).numpy()
    # Standard errors: mean 0.0035, variance 0.0035; four of each.
    assert abs(draws.mean() - 0.3) < 0.0142
    assert abs(draws.var() - 0.5) < 0.0142


def test_a_draw_is_a_function_of_its_noise():
    decoded = np.full((2, 2, 2), 0.3, np.float32)
    assert np.array_equal(Gaussian(0.5).draw(decoded, np.full_like(decoded, 0.5)).numpy(), decoded)
    upper = (
        Gaussian(0.25).draw(decoded, np.full_like(decoded, 0.8413447)).numpy()
    )  # one standard deviation up
    np.testing.assert_allclose(upper, 0.8, atol=1e-6)


def test_the_mean_is_the_decoders_output_not_clipped():
    decoded = np.float32([[[-0.2, 1.3]]])
    assert np.array_equal(Gaussian(0.5).mean(decoded), decoded)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan")])
def test_a_variance_that_is_not_positive_is_refused(variance):
    with pytest.raises(ValueError, match="Received"):
        Gaussian(variance)


def test_a_likelihood_is_found_by_its_name():
    assert from_config("gaussian", 0.5).parameters == {"variance": 0.5}
    with pytest.raises(ValueError, match="'poisson'"):
        from_config("poisson", 0.5)
