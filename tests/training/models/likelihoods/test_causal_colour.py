import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import LEVELS, uniform  # noqa: E402
from training.models.likelihoods import causal_colour  # noqa: E402
from training.models.likelihoods.causal_colour import CausalColourLogistic  # noqa: E402

SHAPE = (6, 5, 3)


def colours(shape=SHAPE, seed=0, spread=0.5, batch=1):
    """A likelihood whose network has weights that matter, and parameters (B, H, W, 3, P)."""
    likelihood = CausalColourLogistic(components=2, hidden_units=4)
    rng = np.random.default_rng(seed)
    for weights in likelihood.network.weights:
        weights.assign(rng.normal(size=weights.shape, scale=0.3))
    decoded = rng.normal(size=(batch, *shape, likelihood.num_parameters), scale=spread).astype("f4")
    decoded[..., 0] += 0.5  # the base
    return likelihood, decoded


def pictures(count, shape=SHAPE, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype("f4") / 255


def test_every_conditional_of_causal_colours_sums_to_one():
    likelihood, decoded = colours()
    decoded = np.broadcast_to(decoded, (256, *decoded.shape[1:]))
    for position in [(0, 0), (0, 4), (1, 0), (3, 3), (5, 4)]:
        for colour in range(3):
            images = np.repeat(pictures(1), 256, axis=0)
            images[(slice(None), *position, colour)] = LEVELS
            log_prob = likelihood.log_prob(images, decoded).numpy()[(slice(None), *position, colour)]
            # Float32: differences of sums over three colours.
            assert np.exp(log_prob.astype(np.float64)).sum() == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_a_colours_probability_depends_on_earlier_diagonals_and_on_earlier_colours_of_its_pixel(colour):
    likelihood, decoded = colours()
    image = np.full((1, *SHAPE), 0.4, "f4")
    before = likelihood.log_prob(image, decoded).numpy()[0]
    changed = image.copy()
    changed[0, 2, 2, colour] = 0.9
    moved = likelihood.log_prob(changed, decoded).numpy()[0] != before
    expected = np.zeros(SHAPE, bool)
    for up, left in CausalColourLogistic.NEIGHBOURS:
        expected[2 + up, 2 + left] = True
    expected[2, 2, colour:] = True
    assert np.array_equal(moved, expected)


def test_both_forms_of_the_log_probability_agree():
    likelihood, decoded = colours(batch=3)
    images = pictures(3)
    # Float32: a difference of sums over three colours, of some dozens of nats each.
    np.testing.assert_allclose(
        likelihood.log_prob_of_pixels(images, decoded),
        likelihood.log_prob(images, decoded),
        rtol=1e-5,
        atol=1e-4,
    )


def test_the_log_probability_takes_several_draws_of_every_image():
    likelihood, decoded = colours(batch=6)
    images = pictures(2)
    together = likelihood.log_prob(images[None], decoded.reshape(3, 2, *SHAPE, -1)).numpy()
    one_by_one = likelihood.log_prob(np.tile(images, (3, 1, 1, 1)), decoded).numpy()
    np.testing.assert_allclose(together.reshape(one_by_one.shape), one_by_one, rtol=1e-5, atol=1e-4)


def copying(component, shape=SHAPE):
    """A likelihood that is sure of one component, of scales of 0.1 levels, and bases of black and white noise."""
    likelihood = CausalColourLogistic(components=1, hidden_units=1)
    likelihood.network.out.assign(np.zeros(likelihood.network.out.shape))
    decoded = np.zeros((2, *shape, likelihood.num_parameters), "f4")
    decoded[..., 0] = np.random.default_rng(0).normal(size=(2, *shape))
    decoded[..., 1 + component] = 30.0  # its logit
    decoded[..., 9:13] = -20.0  # scales
    return likelihood, decoded


@pytest.mark.parametrize(
    ("component", "predicted"),
    [
        (0, lambda x: x[:, 1:, :-1]),
        (1, lambda x: x[:, :-1, 1:]),
        (2, lambda x: x[:, 1:, :-1] + x[:, :-1, 1:] - x[:, :-1, :-1]),
    ],
    ids=["left", "above", "plane"],
)
def test_copies_are_exact_however_far_off_the_base_is(component, predicted):
    likelihood, decoded = copying(component)
    flat = np.full((2, *SHAPE), 77 / 255, "f4")
    bits = -likelihood.log_prob(flat, decoded).numpy()[:, 1:, 1:] / np.log(2)
    assert bits.max() < 0.03  # at their narrowest, logistics leave 1.3 % to other levels
    noise = uniform(2, *likelihood.noise_shape(SHAPE))
    noise[..., 1:] = np.clip(noise[..., 1:], 0.02, 0.98)  # a deviate of less than half a level
    drawn = np.rint(likelihood.draw(decoded, noise).numpy() * 255)
    np.testing.assert_array_equal(drawn[:, 1:, 1:], np.clip(predicted(drawn), 0, 255))


@pytest.mark.parametrize("shape", [SHAPE, (4, 9, 3), (1, 3, 3)])
def test_a_draw_is_that_of_every_pixel_in_its_turn(shape):
    likelihood, decoded = colours(shape, batch=3)
    noise = uniform(3, *likelihood.noise_shape(shape))
    levels = np.zeros((3, *shape), np.float32)
    for diagonal in range(sum(shape[:2]) - 1):  # each conditional given the pixels drawn so far
        differences = likelihood._differences(tf.constant(levels), decoded)
        mixture = [np.asarray(part) for part in likelihood._mixture(differences, decoded)]
        for row in range(max(0, diagonal - shape[1] + 1), min(shape[0], diagonal + 1)):
            at = (slice(None), row, slice(diagonal - row, diagonal - row + 1))
            parts = tuple(tf.constant(part[at]) for part in mixture)
            levels[at] = causal_colour._drawn(parts, noise[at])
    apart = likelihood.draw(decoded, noise).numpy() * 255 - levels
    # float32 sums in another order: some value may round to the next level, and few pixels follow it.
    assert (np.abs(apart) > 0.5).mean() < 0.02
    assert levels.std() > 50


def test_draws_of_causal_colours_follow_their_conditional_probabilities():
    count, shape = 1_500, (2, 2, 3)
    likelihood, one = colours(shape, seed=4)
    decoded = tf.constant(np.broadcast_to(one, (count, *one.shape[1:])))
    draws = likelihood.draw(decoded, uniform(count, *likelihood.noise_shape(shape))).numpy()
    log_prob_of_pixels = tf.function(likelihood.log_prob_of_pixels)  # which is asked 333 times
    row = column = 1  # with neighbours on three sides
    for colour in range(3):
        below = np.zeros(count)  # P(level <= 110) given what was drawn before
        for level in range(111):
            images = draws.copy()
            images[:, row, column, colour] = level / 255
            log_prob = log_prob_of_pixels(tf.constant(images), decoded).numpy()[:, row, column, colour]
            below += np.exp(log_prob.astype(np.float64))
        surprise = (np.rint(draws[:, row, column, colour] * 255) <= 110) - below
        # It has mean nothing, whatever is to the left and the colour before: five standard errors.
        left, colour_before = draws[:, row, column - 1, colour], draws[:, row, column, max(0, colour - 1)]
        for beside in [np.ones(count), left, *[colour_before] * (colour > 0)]:
            product = surprise * beside
            assert abs(product.mean()) < 5 * product.std() / np.sqrt(count)
        assert below.std() > 0.05  # and the test could see a wrong neighbour


def test_the_mean_is_the_base_and_needs_one_number_of_a_colour():
    likelihood, decoded = colours()
    np.testing.assert_array_equal(likelihood.mean(decoded), decoded[..., 0])
    assert likelihood.mean_weights.shape == (likelihood.num_parameters, 1)
    np.testing.assert_array_equal(likelihood.mean_of(decoded @ likelihood.mean_weights), decoded[..., 0])


def test_causal_colours_stay_finite_at_extremes():
    likelihood, decoded = colours(spread=60.0, batch=20)
    decoded = tf.constant(decoded)
    images = np.random.default_rng(6).integers(0, 2, (20, *SHAPE)).astype("f4")
    with tf.GradientTape() as tape:
        tape.watch(decoded)
        log_prob = likelihood.log_prob(images, decoded)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, decoded)).all()
    draws = likelihood.draw(decoded, uniform(20, *likelihood.noise_shape(SHAPE))).numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1


@pytest.mark.parametrize("arguments", [(0, 4), (2, 0)])
def test_causal_colours_without_components_or_hidden_units_are_refused(arguments):
    with pytest.raises(ValueError, match=r"expected at least 1\. Received: 0"):
        CausalColourLogistic(*arguments)


def test_grey_images_are_refused():
    likelihood, decoded = colours()
    with pytest.raises(ValueError, match="expected red, green and blue"):
        likelihood.log_prob(np.zeros((1, 6, 5), "f4"), decoded)
