import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import importance
from app.importance import Posterior

logarithms = st.lists(st.floats(-900, 900), min_size=2, max_size=30).map(np.array)


def posterior(z_mean, z_log_var):
    return Posterior.of(np.float32([z_mean, z_log_var]))


def test_a_posterior_within_the_limits_is_taken_as_it_is():
    found = posterior([1.5, -8.0], [0.25, -16.0])
    assert (found.mean.tolist(), found.log_var.tolist()) == ([1.5, -8.0], [0.25, -16.0])
    assert not found.confined


@pytest.mark.parametrize("beyond", [[9.0, 0.0, 0.0], [0.0, -3e38, 0.0], [0.0, 0.0, 41.0], [0.0, 0.0, -17.0]])
def test_a_posterior_beyond_the_limits_is_confined_and_says_so(beyond):
    *z_mean, z_log_var = beyond
    found = posterior(z_mean, [z_log_var, 0.0])
    assert found.confined
    assert np.abs(found.mean).max() <= 8
    assert -16 <= found.log_var.min() <= found.log_var.max() <= 2 * math.log(8)


def test_draws_and_their_density_belong_together():
    q = posterior([0.5, -1.0], [0.0, math.log(4)])
    z = q.draw(np.float32([[0, 0], [1, -1]]))
    assert z.dtype == np.float32
    assert z.tolist() == [[0.5, -1.0], [1.5, -3.0]]
    # log N = -(epsilon^2 + log variance + log 2 pi) / 2 summed over axes; the variances are 1 and 4.
    expected = -0.5 * (np.array([0, 2]) + math.log(4) + 2 * math.log(2 * math.pi))
    np.testing.assert_allclose(q.log_prob(z), expected, rtol=1e-7)


def test_the_divergence_from_a_standard_normal_is_the_formula():
    assert posterior([0, 0], [0, 0]).kl_to_standard_normal == 0
    assert posterior([1], [0]).kl_to_standard_normal == pytest.approx(0.5)
    assert posterior([0], [math.log(4)]).kl_to_standard_normal == pytest.approx((4 - 1 - math.log(4)) / 2)


@given(logarithms)
def test_weights_sum_to_one_and_their_mean_is_the_logarithms(values):
    weights = importance.normalised(values)
    assert weights.sum() == pytest.approx(1)
    assert 1 <= importance.effective_sample_size(weights) <= len(values) * (1 + 1e-12)
    assert importance.log_mean_exp(values) == pytest.approx(
        np.logaddexp.reduce(values) - math.log(len(values)), abs=1e-9
    )


@given(logarithms)
def test_the_jackknife_leaves_out_one_draw_after_the_other(values):
    count = len(values)
    without = [np.logaddexp.reduce(np.delete(values, i)) - math.log(count - 1) for i in range(count)]
    expected = math.sqrt((count - 1) / count * np.square(without - np.mean(without)).sum())
    assert importance.jackknife_error(values) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_of_equal_weights_nothing_is_uncertain_and_of_one_draw_nothing_is_known():
    assert importance.jackknife_error(np.full(5, -700.0)) == pytest.approx(0, abs=1e-12)
    assert importance.jackknife_error(np.array([3.0])) is None


def test_a_weight_that_outweighs_all_others_by_ten_nats_leaves_an_error_of_ten_nats():
    found = importance.jackknife_error(np.array([10.0, *[0.0] * 9]))
    # Without it the logarithm of the sum falls from 10 to log 9.
    assert found == pytest.approx(0.9 * (10 - math.log(9)), abs=0.01)


def test_few_log_normal_weights_have_about_the_error_that_their_bound_varies_by():
    draws = np.random.default_rng(0).normal(size=(2_000, 50))
    spread = np.std([importance.log_mean_exp(each) for each in draws])
    told = np.mean([importance.jackknife_error(each) for each in draws])
    assert told == pytest.approx(spread, rel=0.1)


def test_draws_are_chosen_by_their_weights():
    weights = np.array([0.1, 0.0, 0.6, 0.3])
    uniform = (np.arange(1_000) + 0.5) / 1_000
    assert np.bincount(importance.resampled(weights, uniform), minlength=4).tolist() == [100, 0, 600, 300]
