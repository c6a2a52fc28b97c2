"""Defects 3 to 7: importance-weighted bounds."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.metrics import bounds  # noqa: E402
from training.models import objectives  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402
from training.models.vae import Sampling  # noqa: E402
from training.priors import StandardNormal  # noqa: E402
from training.trained import TrainedModel  # noqa: E402

# Two draws for one image, one of which explains it three times as well; q is the prior and z is zero, so that
# log p(x given z) alone is left in log w.
ONE_AND_THREE = np.log([1.0, 3.0]).astype(np.float32).reshape(2, 1, 1, 1)
CENTRE = np.zeros((2, 1, 2), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32)


def log_mean_exp(log_weights):
    """The bound of each image, (B,), from log weights (k, B): its definition in float64."""
    return np.array([math.log(math.fsum(map(math.exp, column)) / len(column)) for column in log_weights.T])


class LinearGaussian:
    """x = W z + mu + noise with orthogonal columns of W: the exact posterior is a diagonal Gaussian.

    Then log p(x, z) / q(z given x) is log p(x) for every z: each bound is exact, whatever is drawn.
    """

    pixels, variance = 6, 0.3
    likelihood = Gaussian(variance)

    def __init__(self):
        rng = np.random.default_rng(4)
        self.W = np.linalg.qr(rng.normal(size=(self.pixels, 2)))[0] * [1.5, 0.7]
        self.mu = rng.normal(size=self.pixels)
        self.M = np.diag(self.W.T @ self.W) + self.variance
        z = rng.normal(size=(150, 2))
        noise = math.sqrt(self.variance) * rng.normal(size=(150, self.pixels))
        self.images = (z @ self.W.T + self.mu + noise).astype(np.float32)

    def encoder(self, images, training):
        z_mean = (images - self.mu) @ self.W / self.M
        z_log_var = np.broadcast_to(np.log(self.variance / self.M), z_mean.shape)
        return tf.constant(z_mean, tf.float32), tf.constant(z_log_var, tf.float32)

    def decoder(self, z, training):
        mean = z @ tf.constant(self.W.T, tf.float32) + tf.constant(self.mu, tf.float32)
        return mean[..., None]

    @property
    def trained(self):
        return TrainedModel(
            "linear", (self.pixels,), 2, self.encoder, self.decoder, self.likelihood, {}
        ).with_prior(StandardNormal(2))

    def log_p(self):
        """The exact log-likelihood, log N(x; mu, W W^T + variance I) in float64, (N,)."""
        covariance = self.W @ self.W.T + self.variance * np.eye(self.pixels)
        centred = self.images - self.mu
        quadratic = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
        return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_defect_03_the_better_of_two_draws_weighs_more_and_has_the_larger_gradient():
    """Weights are the softmax of the loss, so that the worst draw weighs most, and they are differentiated."""
    log_prob = tf.constant(ONE_AND_THREE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(log_prob)
        plain = objectives.negative_importance_weighted_bound(log_prob, *CENTRE).loss
        double, weights = objectives.doubly_reparameterised(log_prob, *CENTRE)
    np.testing.assert_allclose(tf.squeeze(weights), [0.25, 0.75], rtol=1e-6)
    # d -log((w_1 + w_2) / 2) / d log w_i = -w_i / (w_1 + w_2), and nothing from the weights themselves.
    for loss in (plain, double.loss):
        np.testing.assert_allclose(tf.squeeze(tape.gradient(loss, log_prob)), [-0.25, -0.75], rtol=1e-6)


def test_defect_03_a_draw_is_scaled_by_the_standard_deviation_that_its_density_has():
    """The noise is taken for (z - mean) / log_var, or scaled by the variance."""
    z_mean, z_log_var = (
        np.full((20_000, 1), 2.0, np.float32),
        np.full((20_000, 1), 2 * math.log(3), np.float32),
    )
    z = Sampling()(z_mean, z_log_var)
    # The mean of the quadratic of 20,000 draws: 1/2, with a standard error of 0.005; five of them.
    constant = math.log(3) + 0.5 * math.log(2 * math.pi)
    quadratic = -objectives.log_normal(z, z_mean, z_log_var).numpy().mean() - constant
    assert quadratic == pytest.approx(0.5, abs=0.025)


def test_defect_03_bounds_do_not_fall_as_k_grows():
    """With weights of the wrong sign more draws make a looser bound."""
    log_weights = np.random.default_rng(0).normal(scale=2, size=(64, 200)).astype(np.float32)
    found = [bounds.bound_of(log_weights, k).mean() for k in (1, 2, 8, 64)]
    assert found == sorted(found)
    # E[w] = e^2 for a deviation of 2 nats: L_k rises from 0 towards 2. 200 images: standard errors below 0.05.
    assert found[0] == pytest.approx(0, abs=0.1)
    assert 1.5 < found[3] < 2.1


def test_defect_04_the_loss_that_is_reported_is_the_bound_and_not_the_weighted_sum():
    """sum_i w_i log w_i, which has the gradient of L_k, is logged and compared as if it were L_k."""
    # L_2 = log((1 + 3) / 2) = 0.693; the weighted sum would be 3/4 log 3 = 0.824.
    double, _ = objectives.doubly_reparameterised(tf.constant(ONE_AND_THREE), *CENTRE)
    assert float(double.loss) == pytest.approx(-math.log(2), rel=1e-6)
    plain = objectives.negative_importance_weighted_bound(tf.constant(ONE_AND_THREE), *CENTRE)
    assert float(plain.loss) == pytest.approx(-math.log(2), rel=1e-6)


def test_defect_04_the_report_is_recomputed_from_the_raw_log_weights(monkeypatch):
    """What is printed as L_k cannot be traced to the weights."""
    raw = np.random.default_rng(1).normal(-50, 3, (12, 7))
    monkeypatch.setattr(bounds, "log_weights", lambda *rest: raw)
    model = LinearGaussian()
    found = bounds.bounds(model.trained, model.images[:7], ((7, (12,)),)).log_p_x[0]
    expected = log_mean_exp(raw)
    assert found.nats == pytest.approx(expected.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(7), rel=1e-12)
    bits = -(expected.mean() / 6 - math.log(255)) / math.log(2)
    assert found.bits_per_dim == pytest.approx(bits, rel=1e-12)


@pytest.mark.parametrize("bound", [lambda w: bounds.bound_of(w, 4), objectives.importance_weighted_bound])
def test_defect_05_the_mean_is_over_the_draws_of_an_image_and_inside_the_logarithm(bound):
    """The sum runs over the batch, or over -log p instead of log p, or the mean is taken of logarithms."""
    weights = np.array([[1.0, 2.0, 16.0], [3.0, 2.0, 4.0], [2.0, 8.0, 8.0], [6.0, 4.0, 4.0]])
    expected = np.log([3.0, 4.0, 8.0])  # column means of 12, 16 and 32 over four draws
    np.testing.assert_allclose(bound(np.log(weights).astype(np.float32)), expected, rtol=1e-6)
    order = [2, 0, 1]
    np.testing.assert_allclose(
        bound(np.log(weights[:, order]).astype(np.float32)), expected[order], rtol=1e-6
    )


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_defect_05_chunks_of_draws_and_images_agree(monkeypatch, at_once):
    """A bound over chunks averages over what happens to fit into memory."""
    model = LinearGaussian()
    monkeypatch.setattr(bounds, "BATCH", at_once)
    monkeypatch.setattr(bounds, "MEMORY", at_once * at_once * 6 * 4)  # as many draws of as many images
    found = bounds.bound_of(bounds.log_weights(model.trained, model.images[:8], 16), 16)
    # Float32 sums of numbers near ten: a few of its steps.
    np.testing.assert_allclose(found, model.log_p()[:8], atol=1e-4)


@pytest.mark.parametrize("k", [1, 50, 257])
def test_defect_06_as_many_draws_are_taken_as_were_asked_for_each_different(k):
    """The number of draws is rounded to the batch size, up or down."""
    model = LinearGaussian()
    # Another posterior than the exact one: the weights then differ from draw to draw.
    model.encoder = lambda images, training: (tf.zeros((len(images), 2)), tf.zeros((len(images), 2)))
    weights = bounds.log_weights(model.trained, model.images, k)
    assert weights.shape == (k, 150)
    assert all(len(np.unique(column)) > 0.98 * k for column in weights.T)  # float32 may meet itself


def test_defect_06_more_draws_than_there_are_cannot_be_asked_for():
    """A bound of fewer draws is reported under the k that was asked for."""
    with pytest.raises(ValueError, match="k: expected 1 to 4"):
        bounds.bound_of(np.zeros((4, 3)), 5)
    with pytest.raises(ValueError, match="k: expected 1 to 4"):
        bounds.effective_sample_size(np.zeros((4, 3)), 5)


def test_defect_06_the_bound_of_one_draw_is_the_elbo_at_that_draw():
    """L_1 is computed by a way of its own, and differs from the ELBO."""
    rng = np.random.default_rng(2)
    log_prob, z = rng.normal(size=(1, 5, 2, 3)), rng.normal(size=(1, 5, 2))
    z_mean, z_log_var = rng.normal(size=(2, 5, 2))
    parts = [tf.constant(part, tf.float32) for part in (log_prob, z, z_mean, z_log_var)]
    log_prior = StandardNormal(2).log_prob(parts[1][0])
    elbo = objectives.negative_elbo_by_draws(parts[0][0], parts[1][0], *parts[2:], log_prior)
    bound = objectives.negative_importance_weighted_bound(*parts)
    assert float(bound.loss) == pytest.approx(float(elbo.loss), rel=1e-6)


@pytest.mark.parametrize("k", [1, 7, 64])
def test_defect_07_with_the_exact_posterior_every_bound_is_the_exact_log_likelihood(k):
    """log(2 pi) is left out of one of the three densities, or of all, and nobody can tell."""
    model = LinearGaussian()
    found = bounds.bound_of(bounds.log_weights(model.trained, model.images, k), k)
    np.testing.assert_allclose(found, model.log_p(), atol=1e-4)  # float32 sums of numbers near ten


def test_defect_07_one_pixel_and_one_axis_by_hand():
    """The constants of p(z) and q(z given x) cancel for equal dimensions, so that a mistake hides."""
    # p(z) = N(0, 1), p(x given z) = N(z, 1), x = 2: q = N(1, 1/2), log p(x) = log N(2; 0, 2).
    z, z_mean, log_var = (tf.constant([[value]]) for value in (0.3, 1.0, math.log(0.5)))
    log_prob = Gaussian(1.0).log_prob(tf.constant([[2.0]]), z[..., None])[:, 0]
    found = objectives.log_weights(log_prob, z, z_mean, log_var)
    assert float(found[0]) == pytest.approx(-1 - 0.5 * math.log(4 * math.pi), rel=1e-6)


def test_defect_07_with_a_wider_posterior_the_gap_is_its_kl_to_the_exact_one():
    """A constant too many goes unnoticed where only differences between models are looked at."""
    # As above, with q = N(1, 1): KL(N(1, 1) || N(1, 1/2)) = (2 - 1 - log 2) / 2.
    z = 1 + tf.random.stateless_normal((100_000, 1), (0, 7))
    log_prob = Gaussian(1.0).log_prob(tf.fill((100_000, 1), 2.0), z[..., None])[:, 0]
    elbo = float(tf.reduce_mean(objectives.log_weights(log_prob, z, tf.ones(1), tf.zeros(1))))
    gap = -1 - 0.5 * math.log(4 * math.pi) - elbo
    # log w = -(z - 1)^2 / 2 + constant: a deviation of 0.71, a standard error of 0.0022; four of them.
    assert gap == pytest.approx((1 - math.log(2)) / 2, abs=0.009)
