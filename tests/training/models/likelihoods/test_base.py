import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from tests.training.models.likelihoods.pixels import built, over, random_parameters, uniform  # noqa: E402
from training.models.likelihoods.logistic import DiscretizedLogistic  # noqa: E402
from training.models.likelihoods.registry import REGISTRY  # noqa: E402

# Of numbers that are independent given z.
DEPENDENT = ("colour-logistic", "autoregressive-logistic", "causal-logistic", "causal-colour-logistic")
EVERY = [built(name) for name in REGISTRY if name not in DEPENDENT]
EVERY += [built("gaussian", variance=0.5), built("discretized-logistic", components=1)]


def name_of(value):
    return f"{value.name}-{value.num_parameters}" if hasattr(value, "name") else str(value)


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


@pytest.mark.parametrize("likelihood", [*EVERY, built("autoregressive-logistic")], ids=name_of)
def test_the_mean_depends_on_no_more_than_the_combinations_that_it_says(likelihood):
    parameters = random_parameters(likelihood, 24).reshape(4, 3, 2, -1)
    weights = likelihood.mean_weights
    if weights is not None:
        assert weights.shape[0] == likelihood.num_parameters > weights.shape[1]
        # A difference of logits is rounded once more, and a mean is a sum of numbers near one.
        np.testing.assert_allclose(
            likelihood.mean_of(parameters @ weights), likelihood.mean(parameters), atol=1e-5
        )


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


def test_bits_count_a_pixel_as_one_of_256_levels():
    discrete, density = built("discretized-logistic"), built("gaussian-shared")
    assert discrete.bits_per_dim(-10 * math.log(2), 10) == pytest.approx(1.0)
    assert density.bits_per_dim(0.0, 10) == pytest.approx(math.log2(255))  # the width of a level is 1/255
