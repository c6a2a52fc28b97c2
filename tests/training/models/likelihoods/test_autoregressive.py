import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import LEVELS, uniform  # noqa: E402
from training.models.likelihoods.autoregressive import AutoregressiveLogistic, shifted  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402

COLOURS = [(), (3,)]


def texture(shape, components=2, seed=0, spread=0.7, batch=1):
    """Parameters (B, H, W, [C], P) with coefficients large enough to matter."""
    likelihood = AutoregressiveLogistic(components)
    rng = np.random.default_rng(seed)
    return likelihood, rng.normal(size=(batch, *shape, likelihood.num_parameters), scale=spread).astype("f4")


@pytest.mark.parametrize("colours", COLOURS, ids=["grey", "colour"])
def test_every_conditional_of_autoregressive_logistics_sums_to_one(colours):
    shape = (3, 4, *colours)
    likelihood, decoded = texture(shape, spread=1.5)
    image = np.random.default_rng(1).integers(0, 256, shape).astype("f4") / 255
    decoded = np.broadcast_to(decoded, (256, *decoded.shape[1:]))
    for position in [(0, 0), (0, 3), (1, 0), (2, 2), (2, 3)]:
        index = position + ((1,) if colours else ())
        images = np.tile(image, (256, *[1] * len(shape)))
        images[(slice(None), *index)] = LEVELS
        log_prob = likelihood.log_prob(images, decoded).numpy()[(slice(None), *index)]
        assert np.exp(log_prob.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_a_pixels_probability_depends_on_its_neighbours_before_it_and_on_no_other():
    likelihood, decoded = texture((4, 5))
    image = np.full((1, 4, 5), 0.4, "f4")
    before = likelihood.log_prob(image, decoded).numpy()[0]
    changed = image.copy()
    changed[0, 1, 2] = 0.9
    moved = likelihood.log_prob(changed, decoded).numpy()[0] != before
    expected = np.zeros((4, 5), bool)
    for up, left in (0, 0), *AutoregressiveLogistic.NEIGHBOURS:
        expected[1 + up, 2 + left] = True
    assert np.array_equal(moved, expected)


@pytest.mark.parametrize("colours", COLOURS, ids=["grey", "colour"])
def test_without_coefficients_autoregressive_logistics_are_discretized_logistics(colours):
    shape = (3, 4, *colours)
    likelihood, decoded = texture(shape, batch=2)
    decoded[..., 6:] = 0
    plain = DiscretizedLogistic(2)
    images = np.random.default_rng(2).integers(0, 256, (2, *shape)).astype("f4") / 255
    noise = uniform(2, *likelihood.noise_shape(shape))
    independent = decoded[..., :6]
    np.testing.assert_array_equal(likelihood.log_prob(images, decoded), plain.log_prob(images, independent))
    np.testing.assert_array_equal(likelihood.draw(decoded, noise), plain.draw(independent, noise))


@pytest.mark.parametrize("colours", COLOURS, ids=["grey", "colour"])
def test_draws_of_autoregressive_logistics_follow_their_conditional_probabilities(colours):
    shape, count = (3, 4, *colours), 4_000
    likelihood, one = texture(shape, seed=4)
    decoded = np.broadcast_to(one, (count, *one.shape[1:]))
    draws = likelihood.draw(decoded, uniform(count, *likelihood.noise_shape(shape))).numpy()
    np.testing.assert_allclose(draws * 255, np.rint(draws * 255), atol=1e-4)
    # P(level <= 110 given the neighbours drawn): the sum over levels, pixel by pixel with the others held.
    deviation = np.rint(draws * 255) - 255 * likelihood.mean(decoded).numpy()
    logits, means, scales = (np.asarray(part) for part in likelihood._split(decoded))
    moved = sum(
        np.asarray(weight) * np.asarray(shifted(tf.constant(deviation), *neighbour))
        for neighbour, weight in zip(likelihood.NEIGHBOURS, likelihood._coefficients(decoded), strict=True)
    )
    below = 1 / (1 + np.exp(-(110.5 - means - moved[..., None]) / scales))
    probability = (np.asarray(tf.nn.softmax(logits)) * below).sum(axis=-1)
    surprise = (np.rint(draws * 255) <= 110) - probability
    # Each has mean nothing, whatever the neighbours: five standard errors for each of the pixels.
    error = np.sqrt((probability * (1 - probability)).mean(axis=0) / count)
    assert (np.abs(surprise.mean(axis=0)) < 5 * error + 1 / count).all()
    left = surprise[:, :, 1:] * deviation[:, :, :-1]
    assert (np.abs(left.mean(axis=0)) < 5 * left.std(axis=0) / math.sqrt(count) + 255 / count).all()
    # and the test could see a wrong sign: the neighbours' influence on the probability is not small.
    assert probability.std(axis=0).max() > 0.05


def test_the_centres_are_the_mean_of_draws_where_nothing_is_cut_off():
    likelihood, one = texture((4, 5), components=1, seed=5, spread=0.2)
    one[..., 2] = -3.0  # scales of about 1.6 levels, around means near the middle
    decoded = np.broadcast_to(one, (4_000, *one.shape[1:]))
    draws = likelihood.draw(decoded, uniform(4_000, *likelihood.noise_shape((4, 5)))).numpy()
    slack = 4 * draws.std(axis=0) / math.sqrt(4_000) + 0.5 / 255
    assert (np.abs(draws.mean(axis=0) - likelihood.mean(one).numpy()[0]) < slack).all()


def test_autoregressive_logistics_stay_finite_at_extremes():
    likelihood, decoded = texture((4, 5), spread=60.0, batch=20)
    decoded = tf.constant(decoded)
    images = np.random.default_rng(6).integers(0, 2, (20, 4, 5)).astype("f4")
    with tf.GradientTape() as tape:
        tape.watch(decoded)
        log_prob = likelihood.log_prob(images, decoded)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, decoded)).all()
    draws = likelihood.draw(decoded, uniform(20, *likelihood.noise_shape((4, 5)))).numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1
