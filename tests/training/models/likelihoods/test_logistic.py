import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import LEVELS, over, random_parameters, uniform  # noqa: E402
from training.models.likelihoods.autoregressive import AutoregressiveLogistic  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic, log_level_prob  # noqa: E402


@pytest.mark.parametrize("components", [1, 3, 5])
@pytest.mark.parametrize("spread", [0.5, 5.0, 30.0])
def test_discretized_logistics_sum_to_one_over_the_256_levels(components, spread):
    likelihood = DiscretizedLogistic(components)
    log_prob = likelihood.log_prob(*over(LEVELS, random_parameters(likelihood, 1000, spread))).numpy()
    total = np.exp(log_prob.astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert (log_prob <= 1e-6).all()  # a probability: no constant image can be coded in less than nothing


def reference_log_level_prob(level, mean, scale):
    """The definition, with sixty digits: the difference of close numbers leaves few of them."""
    with localcontext(prec=60):

        def cdf(x):
            return 1 / (1 + (-(Decimal(x) - Decimal(mean)) / Decimal(scale)).exp())

        below = Decimal(0) if level == 0 else cdf(level - 0.5)
        above = Decimal(1) if level == 255 else cdf(level + 0.5)
        return float((above - below).ln())


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
@pytest.mark.parametrize("mean", [-20.0, 0.0, 99.7, 128.0, 255.0, 280.0])
@pytest.mark.parametrize("scale", [3.0, 20.0, 300.0])
def test_the_level_probability_agrees_with_its_definition(level, mean, scale):
    found = log_level_prob(np.float32(level), np.float32(mean), np.float32(scale)).numpy()
    assert found == pytest.approx(reference_log_level_prob(level, mean, scale), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("mean", [-1e5, -300.0, 0.0, 127.5, 255.0, 1e5])
@pytest.mark.parametrize("scale", [math.exp(-7), 0.1, 1.0, 1e5])
def test_extreme_means_and_scales_have_a_finite_value_and_gradient(mean, scale):
    levels = tf.range(256, dtype=tf.float32)
    mean, scale = tf.constant(np.full(256, mean, "f4")), tf.constant(np.full(256, scale, "f4"))
    with tf.GradientTape() as tape:
        tape.watch([mean, scale])
        log_prob = log_level_prob(levels, mean, scale)
    assert np.isfinite(log_prob).all()
    for gradient in tape.gradient(log_prob, [mean, scale]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("components", [1, 3])
def test_draws_of_discretized_logistics_fall_on_levels_as_often_as_their_probability_says(components):
    likelihood = DiscretizedLogistic(components)
    parameters = random_parameters(likelihood, 1, spread=0.8, seed=5)
    count = 200_000
    _, decoded = over(np.zeros(count), parameters)
    draws = likelihood.draw(decoded, uniform(count, 1, 2)).numpy().ravel()
    levels = np.rint(draws * 255).astype(int)
    np.testing.assert_allclose(draws, levels / 255, atol=1e-6)
    expected = np.exp(likelihood.log_prob(*over(LEVELS, parameters)).numpy()[:, 0].astype(np.float64))
    found = np.bincount(levels, minlength=256) / count
    # Five binomial standard errors for each of 256 levels, and one count for the rarest.
    assert (np.abs(found - expected) < 5 * np.sqrt(expected / count) + 1 / count).all()


def test_the_mean_of_discretized_logistics_is_exact_to_half_a_level():
    likelihood = DiscretizedLogistic(3)
    parameters = random_parameters(likelihood, 300, spread=3)
    prob = np.exp(likelihood.log_prob(*over(LEVELS, parameters)).numpy().astype(np.float64))
    exact = (prob * LEVELS[:, None]).sum(axis=0)
    assert np.abs(likelihood.mean(parameters).numpy() - exact).max() <= 0.5 / 255 + 1e-6


def test_zero_parameters_start_wide_and_spread_over_the_range():
    likelihood = DiscretizedLogistic(2)
    logits, means, scales = likelihood._split(np.zeros((1, 6), "f4"))
    np.testing.assert_allclose(tf.nn.softmax(logits), [[0.5, 0.5]])
    np.testing.assert_allclose(means, [[63.75, 191.25]])
    np.testing.assert_allclose(scales, [[20.1, 20.1]], rtol=1e-6)


@pytest.mark.parametrize("kind", [DiscretizedLogistic, AutoregressiveLogistic])
@pytest.mark.parametrize("shape", [(7, 5), (4, 6, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("size", [0.3, 3.0, 30.0])
def test_the_log_prob_of_images_is_the_sum_over_their_pixels(kind, shape, size):
    rng = np.random.default_rng(0)
    model = kind(3)
    decoded = tf.constant(size * rng.standard_normal((20, *shape, model.num_parameters)), tf.float32)
    levels = rng.choice([0, 1, 100, 254, 255], (20, *shape))
    images = tf.constant(levels / 255, tf.float32)
    per_pixel = model.log_prob(images, decoded).numpy().astype(np.float64)
    expected = per_pixel.reshape(20, -1).sum(axis=1)
    found = model.log_prob_of_images(images, decoded)
    # Float32: offsets of some thousand levels over scales of 0.1 are known to a few units of the third digit
    # after the point, and a tail's log-probability is the offset itself.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
