import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import LEVELS, uniform  # noqa: E402
from training.models.likelihoods.colour import ColourLogistic  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402

SHAPE = (3, 4, 3)


def colours(components=3, shape=SHAPE, spread=0.7, batch=1, seed=0):
    """A likelihood, and parameters (B, H, W, 3, P) with coefficients large enough to matter."""
    likelihood = ColourLogistic(components)
    rng = np.random.default_rng(seed)
    return likelihood, rng.normal(size=(batch, *shape, likelihood.num_parameters), scale=spread).astype("f4")


@pytest.mark.parametrize("spread", [0.7, 3.0])
def test_red_green_given_red_and_blue_given_both_sum_to_one(spread):
    likelihood, decoded = colours(spread=spread)
    image = np.random.default_rng(1).integers(0, 256, SHAPE).astype("f4") / 255
    decoded = np.broadcast_to(decoded, (256, *decoded.shape[1:]))
    for colour in range(3):
        images = np.tile(image, (256, 1, 1, 1))
        images[..., colour] = LEVELS[:, None, None]
        log_prob = likelihood.log_prob(images, decoded).numpy()[..., colour]
        # Float32: a difference of sums, which are hundreds of nats where red alone is far from all means.
        total = np.exp(log_prob.astype(np.float64)).sum(axis=0)
        np.testing.assert_allclose(total, 1, atol=1e-5 if spread < 1 else 1e-4)


def test_the_probability_of_a_pixel_is_that_of_the_formula():
    likelihood, decoded = colours(components=2, shape=(1, 1, 3))
    levels = np.array([200.0, 17.0, 0.0])
    logits, means, scales, raw = np.split(decoded[0, 0, 0].astype(np.float64), 4, axis=-1)  # (3, K) each
    weights = np.exp(logits.sum(axis=0)) / np.exp(logits.sum(axis=0)).sum()
    means = 255 * (means + np.array([0.25, 0.75]))
    scales = 0.1 + 20 * np.log1p(np.exp(scales + math.log(math.e - 1)))
    red, green, _ = levels[:, None] - np.clip(means, 0, 255)
    rg, rb, gb = np.tanh(raw)
    moved = means + np.stack([0 * red, rg * red, rb * red + gb * green])
    above = 1 / (1 + np.exp(-(levels[:, None] + 0.5 - moved) / scales))
    below = 1 / (1 + np.exp(-(levels[:, None] - 0.5 - moved) / scales))
    below[2] = 0  # blue is at the lowest level, which has all below it
    expected = math.log((weights * (above - below).prod(axis=0)).sum())
    image = (levels / 255).astype("f4").reshape(1, 1, 1, 3)
    # Float32 of logarithms near -20.
    assert likelihood.log_prob(image, decoded).numpy().sum() == pytest.approx(expected, rel=1e-5)


def test_without_coefficients_one_component_is_three_independent_logistics():
    likelihood, decoded = colours(components=1, batch=2)
    decoded[..., 3] = 0
    plain, independent = DiscretizedLogistic(1), decoded[..., :3]
    images = np.random.default_rng(2).integers(0, 256, (2, *SHAPE)).astype("f4") / 255
    ours, theirs = likelihood.log_prob(images, decoded), plain.log_prob(images, independent)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)  # differences of sums of three
    np.testing.assert_allclose(likelihood.mean(decoded), plain.mean(independent), atol=1e-6)


@pytest.mark.parametrize("spread", [0.7, 3.0])
def test_both_forms_of_the_log_probability_agree(spread):
    likelihood, decoded = colours(batch=20, spread=spread)
    images = np.random.default_rng(3).choice([0, 1, 100, 254, 255], (20, *SHAPE)).astype("f4") / 255
    # Float32: a difference of sums that may be hundreds of nats.
    np.testing.assert_allclose(
        likelihood.log_prob_of_pixels(images, decoded),
        likelihood.log_prob(images, decoded),
        rtol=1e-5,
        atol=1e-3 if spread > 1 else 1e-4,
    )


def test_the_log_probability_takes_several_draws_of_every_image():
    likelihood, decoded = colours(batch=6)
    images = np.random.default_rng(4).integers(0, 256, (2, *SHAPE)).astype("f4") / 255
    draws, repeated = decoded.reshape(3, 2, *SHAPE, -1), np.tile(images, (3, 1, 1, 1))
    for form in (likelihood.log_prob, likelihood.log_prob_of_pixels):
        together, one_by_one = form(images[None], draws).numpy(), form(repeated, decoded).numpy()
        np.testing.assert_allclose(together.reshape(one_by_one.shape), one_by_one, rtol=1e-5, atol=1e-5)


def test_draws_follow_the_conditional_probability_of_each_colour():
    count = 4_000
    likelihood, one = colours(shape=(1, 2, 3), seed=4, spread=0.3)
    decoded = np.broadcast_to(one, (count, *one.shape[1:]))
    noise = uniform(count, *likelihood.noise_shape((1, 2, 3)))
    assert noise.shape == (count, 1, 2, 4)
    draws = likelihood.draw(decoded, noise).numpy()
    red = draws[..., 0] - draws[..., 0].mean(axis=0)
    for colour in range(3):
        below = np.zeros((count, 1, 2))  # P(colour <= 110) given the colours drawn before it
        for level in range(111):
            images = draws.copy()
            images[..., colour] = level / 255
            below += np.exp(likelihood.log_prob_of_pixels(images, decoded)[..., colour])
        surprise = (np.rint(draws[..., colour] * 255) <= 110) - below
        assert below.mean() > 0.1
        # It has mean nothing, whatever red is: five standard errors.
        assert (np.abs(surprise.mean(axis=0)) < 5 * surprise.std(axis=0) / math.sqrt(count)).all()
        if colour > 0:
            with_red = surprise * red
            assert (np.abs(with_red.mean(axis=0)) < 5 * with_red.std(axis=0) / math.sqrt(count)).all()
    assert below.std(axis=0).min() > 0.05  # and what is before blue matters


def test_the_mean_is_that_of_draws():
    count = 40_000
    likelihood, one = colours(shape=(2, 3, 3), seed=5)
    decoded = np.broadcast_to(one, (count, *one.shape[1:]))
    draws = likelihood.draw(decoded, uniform(count, *likelihood.noise_shape((2, 3, 3)))).numpy()
    apart = draws.astype(np.float64).mean(axis=0) - likelihood.mean(one).numpy()[0]
    error = draws.std(axis=0) / math.sqrt(count)
    assert (np.abs(apart)[..., 0] < 4 * error[..., 0] + 0.5 / 255).all()  # red has no colour before it
    # Means and deviations of these are such that much of green and blue is cut: 3 levels.
    assert np.abs(apart).max() < 3 / 255


def test_colours_of_draws_go_together_where_coefficients_say_so():
    likelihood = ColourLogistic(1)
    decoded = np.zeros((4_000, 1, 1, 3, 4), "f4")
    decoded[..., 2] = -3.0  # narrow: a scale of 1.6 levels
    decoded[..., 0, 2] = 0.0  # of red: 20
    decoded[..., :2, 3] = 10.0  # green and blue go with red
    draws = likelihood.draw(decoded, uniform(4_000, 1, 1, 4)).numpy()[:, 0, 0]
    red, green, blue = draws.T
    assert np.corrcoef(red, green)[0, 1] > 0.97
    assert np.corrcoef(red, blue)[0, 1] > 0.97
    decoded[..., 3] = 0.0
    red, green, blue = likelihood.draw(decoded, uniform(4_000, 1, 1, 4)).numpy()[:, 0, 0].T
    assert abs(np.corrcoef(red, green)[0, 1]) < 0.08  # five standard errors


@pytest.mark.parametrize("components", [1, 3])
def test_the_mean_depends_on_no_more_than_the_combinations_that_it_says(components):
    likelihood, decoded = colours(components, batch=4, spread=2.0)
    weights = likelihood.mean_weights
    assert weights.shape == (likelihood.num_parameters, likelihood.num_parameters - 1)
    np.testing.assert_allclose(likelihood.mean_of(decoded @ weights), likelihood.mean(decoded), atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 60.0])
def test_colour_logistics_stay_finite_at_extremes(size):
    likelihood, decoded = colours(batch=30, spread=size)
    decoded = tf.constant(decoded)
    images = np.random.default_rng(6).integers(0, 2, (30, *SHAPE)).astype("f4")
    with tf.GradientTape() as tape:
        tape.watch(decoded)
        log_prob = likelihood.log_prob(images, decoded)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, decoded)).all()
    assert np.isfinite(likelihood.log_prob_of_pixels(images, decoded)).all()
    draws = likelihood.draw(decoded, uniform(30, *likelihood.noise_shape(SHAPE))).numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1


def test_grey_images_and_no_components_are_refused():
    likelihood, decoded = colours()
    with pytest.raises(ValueError, match=r"expected red, green and blue, .* Received: \(1, 3, 4\)"):
        likelihood.log_prob(np.zeros((1, 3, 4), "f4"), decoded)
    with pytest.raises(ValueError, match=r"expected at least 1\. Received: 0"):
        ColourLogistic(0)
