import math
from decimal import Decimal, localcontext
from statistics import NormalDist

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.models import likelihoods  # noqa: E402
from training.models.likelihoods import (  # noqa: E402
    AutoregressiveLogistic,
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    GaussianPerPixel,
    GaussianShared,
    normal_quantile,
)

LEVELS = np.arange(256, dtype=np.float32) / 255

DENSITIES = [Gaussian(0.01), Gaussian(0.5), GaussianPerPixel(), GaussianShared()]
EVERY = [*DENSITIES, Bernoulli(), ContinuousBernoulli(), DiscretizedLogistic(1), DiscretizedLogistic(3)]


def name_of(value):
    return f"{value.name}-{value.num_parameters}" if isinstance(value, likelihoods.Likelihood) else str(value)


def random_parameters(likelihood, count, spread=2.0, seed=0):
    """(count, P): what a network might give, for one pixel each."""
    return (
        np.random.default_rng(seed).normal(size=(count, likelihood.num_parameters), scale=spread).astype("f4")
    )


def over(values, parameters):
    """Pair every value with every pixel's parameters: (values, pixels) and (values, pixels, P)."""
    shape = (len(values), len(parameters))
    return (
        np.broadcast_to(np.float32(values)[:, None], shape),
        np.broadcast_to(parameters[None], (*shape, parameters.shape[-1])),
    )


def uniform(count, *shape, seed=1):
    return np.random.default_rng(seed).uniform(1e-6, 1 - 1e-6, (count, *shape)).astype("f4")


@pytest.mark.parametrize("likelihood", DENSITIES, ids=name_of)
def test_a_gaussian_density_integrates_to_one(likelihood):
    parameters = random_parameters(likelihood, 20, spread=1.0)
    grid = np.linspace(-12, 12, 200_001)
    log_density = likelihood.log_prob(*over(grid, parameters)).numpy().astype(np.float64)
    # A sum over a grid finer than any of these widths is exact but for float32's rounding of the terms.
    np.testing.assert_allclose(np.exp(log_density).sum(axis=0) * (grid[1] - grid[0]), 1, atol=1e-3)


def test_a_continuous_bernoulli_density_integrates_to_one_for_every_log_odds():
    logits = np.float32([-30, -5, -1, -0.61, -0.59, -1e-3, 0, 1e-6, 1e-3, 0.59, 0.61, 1, 5, 30])[:, None]
    grid = (np.arange(100_000) + 0.5) / 100_000
    density = np.exp(ContinuousBernoulli().log_prob(*over(grid, logits)).numpy().astype(np.float64))
    np.testing.assert_allclose(density.mean(axis=0), 1, atol=2e-5)  # the midpoint rule at this step


@pytest.mark.parametrize("components", [1, 3, 5])
@pytest.mark.parametrize("spread", [0.5, 5.0, 30.0])
def test_discretized_logistics_sum_to_one_over_the_256_levels(components, spread):
    likelihood = DiscretizedLogistic(components)
    log_prob = likelihood.log_prob(*over(LEVELS, random_parameters(likelihood, 1000, spread))).numpy()
    total = np.exp(log_prob.astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert (log_prob <= 1e-6).all()  # a probability: no constant image can be coded in less than nothing


def test_a_bernoulli_sums_to_one_over_black_and_white():
    values, parameters = over([0.0, 1.0], random_parameters(Bernoulli(), 1000, 10))
    total = np.exp(Bernoulli().log_prob(values, parameters).numpy().astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_the_log_density_of_a_gaussian_is_the_textbook_formula():
    log_prob = Gaussian(0.5).log_prob(np.float32([1.0]), np.float32([[0.25]])).numpy()
    assert log_prob.item() == pytest.approx(-(0.75**2) - 0.5 * math.log(math.pi), abs=1e-6)


def test_no_density_over_levels_can_cost_less_than_nothing():
    narrow = GaussianPerPixel()
    log_prob = narrow.log_prob(np.float32([0.5]), np.float32([[0.5, -1e4]])).numpy().item()
    bits = -(log_prob + narrow.log_level_width) / math.log(2)
    assert bits == pytest.approx(0, abs=1e-3)


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
    found = likelihoods.log_level_prob(np.float32(level), np.float32(mean), np.float32(scale)).numpy()
    assert found == pytest.approx(reference_log_level_prob(level, mean, scale), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("mean", [-1e5, -300.0, 0.0, 127.5, 255.0, 1e5])
@pytest.mark.parametrize("scale", [math.exp(-7), 0.1, 1.0, 1e5])
def test_extreme_means_and_scales_have_a_finite_value_and_gradient(mean, scale):
    levels = tf.range(256, dtype=tf.float32)
    mean, scale = tf.constant(np.full(256, mean, "f4")), tf.constant(np.full(256, scale, "f4"))
    with tf.GradientTape() as tape:
        tape.watch([mean, scale])
        log_prob = likelihoods.log_level_prob(levels, mean, scale)
    assert np.isfinite(log_prob).all()
    for gradient in tape.gradient(log_prob, [mean, scale]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("likelihood", EVERY, ids=name_of)
@pytest.mark.parametrize("size", [0.0, 1.0, 60.0])
def test_every_likelihood_has_finite_values_and_gradients(likelihood, size):
    parameters = tf.constant(random_parameters(likelihood, 200, spread=size))
    images = np.random.default_rng(1).integers(0, 2, 200).astype("f4")
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = likelihood.log_prob(images, parameters)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, parameters)).all()


@pytest.mark.parametrize("likelihood", EVERY, ids=name_of)
def test_draws_have_the_mean_that_the_likelihood_says(likelihood):
    parameters = random_parameters(likelihood, 6, spread=0.7, seed=3)
    count = 40_000
    _, decoded = over(np.zeros(count), parameters)
    noise = uniform(count, *likelihood.noise_shape((6,)))
    draws = likelihood.draw(decoded, noise).numpy().astype(np.float64)
    error = draws.std(axis=0) / math.sqrt(count)
    # Four standard errors, and for discretized logistics the half level that the mean is exact to.
    slack = 4 * error + (0.5 / 255 if isinstance(likelihood, DiscretizedLogistic) else 1e-6)
    assert (np.abs(draws.mean(axis=0) - np.asarray(likelihood.mean(parameters[None]))[0]) < slack).all()


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


def test_a_continuous_bernoullis_draw_inverts_its_distribution():
    logits = np.float32([-30, -2, -1e-4, 0, 1e-4, 2, 30])[:, None]
    noise = np.float32(np.linspace(0.01, 0.99, 7))[:, None]
    values, parameters = over(np.zeros(7), logits)
    x = ContinuousBernoulli().draw(parameters, np.broadcast_to(noise, values.shape)).numpy().astype(float)
    h = 255 * np.tanh(logits[:, 0].astype(np.float64) / 255)  # bent, so that no level costs less than nothing
    near = np.abs(h) < 1e-3
    safe = np.where(near, 1.0, h)
    # F(x) = (e^(h x) - 1) / (e^h - 1), and x itself where h is nothing.
    cdf = np.where(near, x, np.expm1(safe * x) / np.expm1(safe))
    np.testing.assert_allclose(cdf, np.broadcast_to(noise, cdf.shape), rtol=2e-3)
    assert (x >= 0).all()
    assert (x <= 1).all()


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


def test_the_mean_of_discretized_logistics_is_exact_to_half_a_level():
    likelihood = DiscretizedLogistic(3)
    parameters = random_parameters(likelihood, 300, spread=3)
    prob = np.exp(likelihood.log_prob(*over(LEVELS, parameters)).numpy().astype(np.float64))
    exact = (prob * LEVELS[:, None]).sum(axis=0)
    assert np.abs(likelihood.mean(parameters).numpy() - exact).max() <= 0.5 / 255 + 1e-6


def test_zero_parameters_start_wide_and_spread_over_the_range():
    likelihood = DiscretizedLogistic(2)
    log_weights, means, scales = likelihood._split(np.zeros((1, 6), "f4"))
    np.testing.assert_allclose(np.exp(log_weights), [[0.5, 0.5]])
    np.testing.assert_allclose(means, [[63.75, 191.25]])
    np.testing.assert_allclose(scales, [[20.1, 20.1]], rtol=1e-6)


@pytest.mark.parametrize("variance", [0.0, -1.0, 1e-9, float("nan")])
def test_a_variance_that_is_not_positive_or_narrower_than_a_level_is_refused(variance):
    with pytest.raises(ValueError, match="Received"):
        Gaussian(variance)


@pytest.mark.parametrize("name", likelihoods.NAMES)
def test_a_likelihood_is_found_by_its_name(name):
    found = likelihoods.from_config(name, variance=0.5, components=2)
    assert found.name == name
    assert found.description


@pytest.mark.parametrize(
    ("name", "options"), [("poisson", {}), ("gaussian", {}), ("discretized-logistic", {"components": 0})]
)
def test_a_likelihood_that_lacks_something_is_refused(name, options):
    with pytest.raises(ValueError, match="Received"):
        likelihoods.from_config(name, **options)


# Autoregressive logistics: what a pixel's probability depends on, and that draws follow it.

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
    log_weights, means, scales = (np.asarray(part) for part in likelihood._split(decoded))
    moved = sum(
        np.asarray(weight) * np.asarray(likelihoods._shifted(tf.constant(deviation), *neighbour))
        for neighbour, weight in zip(likelihood.NEIGHBOURS, likelihood._coefficients(decoded), strict=True)
    )
    below = 1 / (1 + np.exp(-(110.5 - means - moved[..., None]) / scales))
    probability = (np.exp(log_weights) * below).sum(axis=-1)
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


@pytest.mark.parametrize("kind", [likelihoods.DiscretizedLogistic, likelihoods.AutoregressiveLogistic])
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
