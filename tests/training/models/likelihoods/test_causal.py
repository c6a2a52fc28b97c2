import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import LEVELS, uniform  # noqa: E402
from training.models.likelihoods.causal import CausalLogistic  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402

SHAPE = (6, 5)


def texture(shape=SHAPE, seed=0, spread=0.7, batch=1):
    """A likelihood whose network has weights that matter, and parameters (B, H, W, P)."""
    likelihood = CausalLogistic(components=2, hidden_units=4)
    rng = np.random.default_rng(seed)
    for weights in likelihood.network.weights:
        weights.assign(rng.normal(size=weights.shape, scale=0.5))
    return likelihood, rng.normal(size=(batch, *shape, likelihood.num_parameters), scale=spread).astype("f4")


def test_every_conditional_of_causal_logistics_sums_to_one():
    likelihood, decoded = texture(spread=1.5)
    image = np.random.default_rng(1).integers(0, 256, SHAPE).astype("f4") / 255
    decoded = np.broadcast_to(decoded, (256, *decoded.shape[1:]))
    for position in [(0, 0), (0, 4), (1, 0), (3, 3), (5, 4)]:
        images = np.tile(image, (256, 1, 1))
        images[(slice(None), *position)] = LEVELS
        log_prob = likelihood.log_prob(images, decoded).numpy()[(slice(None), *position)]
        assert np.exp(log_prob.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_a_pixels_probability_depends_on_earlier_diagonals_alone_and_on_every_neighbour():
    likelihood, decoded = texture()
    image = np.full((1, *SHAPE), 0.4, "f4")
    before = likelihood.log_prob(image, decoded).numpy()[0]
    changed = image.copy()
    changed[0, 2, 2] = 0.9
    moved = likelihood.log_prob(changed, decoded).numpy()[0] != before
    expected = np.zeros(SHAPE, bool)
    for up, left in (0, 0), *CausalLogistic.NEIGHBOURS:
        assert up + left > 0 or (up, left) == (0, 0)
        expected[2 + up, 2 + left] = True
    assert np.array_equal(moved, expected)


def test_without_a_network_and_coefficients_causal_logistics_are_discretized_logistics_around_the_base():
    likelihood, decoded = texture(batch=2)
    decoded[..., 7:12] = 0  # the coefficients
    likelihood.network.out.assign(np.zeros((4, 6)))
    independent = decoded[..., 1:7].copy()
    independent[..., 2:4] += decoded[..., :1] - 0.5  # means, in units of 255 levels
    plain = DiscretizedLogistic(2)
    images = np.random.default_rng(2).integers(0, 256, (2, *SHAPE)).astype("f4") / 255
    noise = uniform(2, *likelihood.noise_shape(SHAPE))
    ours, theirs = likelihood.log_prob(images, decoded), plain.log_prob(images, independent)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    apart = likelihood.draw(decoded, noise).numpy() - plain.draw(independent, noise).numpy()
    # A mean that is rounded otherwise may fall on the other side of the edge of a level.
    assert np.abs(apart * 255).max() <= 1
    assert (apart != 0).mean() < 0.02


def test_both_forms_of_the_log_probability_agree():
    likelihood, decoded = texture(batch=3)
    images = np.random.default_rng(3).integers(0, 256, (3, *SHAPE)).astype("f4") / 255
    # Some 1e-7 of what is summed to a pixel's logarithm, which may be next to nothing itself.
    np.testing.assert_allclose(
        likelihood.log_prob_of_pixels(images, decoded),
        likelihood.log_prob(images, decoded),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_log_probability_takes_several_draws_of_every_image():
    likelihood, decoded = texture(batch=6)
    images = np.random.default_rng(4).integers(0, 256, (2, *SHAPE)).astype("f4") / 255
    together = likelihood.log_prob(images[None], decoded.reshape(3, 2, *SHAPE, -1)).numpy()
    one_by_one = likelihood.log_prob(np.tile(images, (3, 1, 1)), decoded).numpy()
    np.testing.assert_allclose(together.reshape(one_by_one.shape), one_by_one, rtol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (4, 9), (1, 3)])
def test_a_draw_is_that_of_every_pixel_in_its_turn(shape):
    likelihood, decoded = texture(shape, batch=3)
    noise = uniform(3, *likelihood.noise_shape(shape))
    levels = np.zeros((3, *shape), np.float32)
    for diagonal in range(sum(shape) - 1):  # each conditional given the pixels drawn so far
        parts = (np.asarray(part) for part in likelihood._conditionals(tf.constant(levels), decoded))
        logits, means, scales = parts
        for row in range(max(0, diagonal - shape[1] + 1), min(shape[0], diagonal + 1)):
            at = (slice(None), row, diagonal - row)
            weights = np.exp(logits[at] - logits[at].max(axis=-1, keepdims=True))
            edges = np.cumsum(weights, axis=-1) / weights.sum(axis=-1, keepdims=True)
            chosen = (noise[at][:, :1] >= edges[:, :-1]).sum(axis=-1)
            of_chosen = (np.arange(3), chosen)
            uniform_part = noise[at][:, 1]
            deviate = np.log(uniform_part / (1 - uniform_part))
            value = means[at][of_chosen] + scales[at][of_chosen] * deviate
            levels[at] = np.clip(np.rint(value), 0, 255)
    apart = likelihood.draw(decoded, noise).numpy() * 255 - levels
    # float32 sums in another order: some value may round to the next level, and few pixels follow it.
    assert (np.abs(apart) > 0.5).mean() < 0.02
    assert levels.std() > 50


def test_draws_of_causal_logistics_follow_their_conditional_probabilities():
    count = 4_000
    likelihood, one = texture(seed=4)
    decoded = np.broadcast_to(one, (count, *one.shape[1:]))
    draws = np.rint(likelihood.draw(decoded, uniform(count, *likelihood.noise_shape(SHAPE))).numpy() * 255)
    logits, means, scales = (np.asarray(p) for p in likelihood._conditionals(tf.constant(draws), decoded))
    below = np.asarray(tf.sigmoid((110.5 - means) / scales))
    probability = (np.asarray(tf.nn.softmax(logits)) * below).sum(axis=-1)
    surprise = (draws <= 110) - probability
    # Each has mean nothing, whatever the neighbours: five standard errors for each of the pixels.
    error = np.sqrt((probability * (1 - probability)).mean(axis=0) / count)
    assert (np.abs(surprise.mean(axis=0)) < 5 * error + 1 / count).all()
    left = surprise[:, :, 1:] * (draws - draws.mean(axis=0))[:, :, :-1]
    assert (np.abs(left.mean(axis=0)) < 5 * left.std(axis=0) / math.sqrt(count) + 255 / count).all()
    # and the test could see a wrong sign: the neighbours' influence on the probability is not small.
    assert probability.std(axis=0).max() > 0.05


def of_single_pixels(squares, decoded):
    """The likelihood without squares, and parameters, that give each pixel what `squares` do."""
    linear, hidden, side = squares.LINEAR, squares.hidden_units, squares.block
    single = CausalLogistic(squares.components, hidden)
    single.network.into.assign(squares.network.into)
    single.network.out.assign(squares.network.out)
    within = squares.network.within.numpy()
    own = 1 + 3 * squares.components
    full = np.zeros((*decoded.shape[:3], own + linear + hidden), np.float32)
    full[..., :own] = decoded[..., :own]
    for row, column in np.ndindex(*decoded.shape[1:3]):
        top, left = row // side * side, column // side * side
        square = decoded[:, top : top + side, left : left + side, own:].reshape(len(decoded), -1)
        place = row % side * side + column % side
        full[:, row, column, own:] = square[:, : linear + hidden] + within[place]
    return single, full


@pytest.mark.parametrize(("block", "hidden", "share"), [(2, 7, 3), (2, 4, 3), (3, 5, 2)])
def test_pixels_of_a_square_share_what_single_pixels_have_for_themselves(block, hidden, share):
    shape = (6, 12)
    squares = CausalLogistic(2, hidden, block)
    assert squares.num_parameters == 1 + 6 + share
    assert squares.parameters == {"components": 2, "hidden_units": hidden, "block": block}
    rng = np.random.default_rng(7)
    for weights in squares.network.weights:
        weights.assign(rng.normal(size=weights.shape, scale=0.5))
    decoded = rng.normal(size=(2, *shape, squares.num_parameters), scale=0.7).astype("f4")
    single, full = of_single_pixels(squares, decoded)
    images = rng.integers(0, 256, (2, *shape)).astype("f4") / 255
    noise = uniform(2, *squares.noise_shape(shape))
    for both in zip(
        (squares.log_prob(images, decoded), squares.log_prob(images[None], decoded[None])[0]),
        (single.log_prob(images, full), single.log_prob(images, full)),
        strict=True,
    ):
        np.testing.assert_array_equal(*both)
    np.testing.assert_array_equal(squares.draw(decoded, noise), single.draw(full, noise))
    np.testing.assert_array_equal(squares.mean(decoded), decoded[..., 0])


def test_the_mean_is_the_base_and_needs_one_number_of_a_pixel():
    likelihood, decoded = texture()
    np.testing.assert_array_equal(likelihood.mean(decoded), decoded[..., 0])
    assert likelihood.mean_weights.shape == (likelihood.num_parameters, 1)
    np.testing.assert_array_equal(likelihood.mean_of(decoded @ likelihood.mean_weights), decoded[..., 0])


def test_causal_logistics_stay_finite_at_extremes():
    likelihood, decoded = texture(spread=60.0, batch=20)
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


@pytest.mark.parametrize("arguments", [(0, 4), (2, 0), (2, 4, 0)])
def test_causal_logistics_without_components_hidden_units_or_pixels_in_a_square_are_refused(arguments):
    with pytest.raises(ValueError, match=r"expected at least 1\. Received: 0"):
        CausalLogistic(*arguments)
