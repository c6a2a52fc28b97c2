import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from tests.training.models.likelihoods.pixels import over, random_parameters  # noqa: E402
from training.models.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli  # noqa: E402


def test_a_continuous_bernoulli_density_integrates_to_one_for_every_log_odds():
    logits = np.float32([-30, -5, -1, -0.61, -0.59, -1e-3, 0, 1e-6, 1e-3, 0.59, 0.61, 1, 5, 30])[:, None]
    grid = (np.arange(100_000) + 0.5) / 100_000
    density = np.exp(ContinuousBernoulli().log_prob(*over(grid, logits)).numpy().astype(np.float64))
    np.testing.assert_allclose(density.mean(axis=0), 1, atol=2e-5)  # the midpoint rule at this step


def test_a_bernoulli_sums_to_one_over_black_and_white():
    values, parameters = over([0.0, 1.0], random_parameters(Bernoulli(), 1000, 10))
    total = np.exp(Bernoulli().log_prob(values, parameters).numpy().astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_a_continuous_bernoullis_draw_inverts_its_distribution():
    logits = np.float32([-30, -2, -1e-4, 0, 1e-4, 2, 30])[:, None]
    noise = np.float32(np.linspace(0.01, 0.99, 7))[:, None]
    values, parameters = over(np.zeros(7), logits)
    x = ContinuousBernoulli().draw(parameters, np.broadcast_to(noise, values.shape)).numpy().astype(float)
    h = 255 * np.tanh(
        logits[:, 0].astype(np.float64) / 255
    )  # confined, so that no level costs less than nothing
    near = np.abs(h) < 1e-3
    safe = np.where(near, 1.0, h)
    # F(x) = (e^(h x) - 1) / (e^h - 1), and x itself where h is nothing.
    cdf = np.where(near, x, np.expm1(safe * x) / np.expm1(safe))
    np.testing.assert_allclose(cdf, np.broadcast_to(noise, cdf.shape), rtol=2e-3)
    assert (x >= 0).all()
    assert (x <= 1).all()
