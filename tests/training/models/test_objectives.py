import math

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.models import objectives  # noqa: E402
from training.models.likelihoods.gaussian import Gaussian  # noqa: E402


def f32(*values):
    return np.array(values, np.float32)


def test_kl_is_zero_at_the_prior():
    assert (
        objectives.kl_per_axis(np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)).numpy().sum() == 0
    )


@pytest.mark.parametrize("dim", [1, 7])
def test_kl_of_a_unit_shift_is_half_a_nat_an_axis(dim):
    kl = objectives.kl_per_axis(np.ones((1, dim), np.float32), np.zeros((1, dim), np.float32)).numpy()
    assert kl.sum() == pytest.approx(dim / 2)


def test_kl_agrees_with_a_monte_carlo_estimate():
    mean, log_var = f32(0.7, -1.2), f32(-0.5, 0.4)
    z = mean + np.exp(log_var / 2) * np.random.default_rng(0).standard_normal((200_000, 2)).astype(np.float32)
    log_ratio = objectives.log_normal(z, mean, log_var) - objectives.log_normal(z, 0 * mean, 0 * mean)
    estimate, error = log_ratio.numpy().mean(), log_ratio.numpy().std() / math.sqrt(200_000)
    assert objectives.kl_per_axis(mean, log_var).numpy().sum() == pytest.approx(
        estimate, abs=float(4 * error)
    )


def test_the_textbook_loss_on_two_pixels_by_hand():
    images, decoded = f32([[1.0, 0.0]]), f32([[0.5, 0.0]])
    parts = objectives.textbook(images[None], decoded[None], f32([2.0]), f32([0.0]))
    # Squared error 0.25 over 2 pixels; KL = 2^2 / 2 = 2 nats, over 2 pixels 1.
    assert float(parts.reconstruction) == pytest.approx(0.125)
    assert float(parts.kl) == pytest.approx(2.0)
    assert float(parts.loss) == pytest.approx(1.125)


def random_batch(batch=5, height=4, width=3, dim=2, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((batch, height, width), np.float32)
    decoded = rng.normal(0.5, 0.3, (batch, height, width)).astype(np.float32)
    z_mean, z_log_var = rng.normal(size=(2, batch, dim)).astype(np.float32)
    return images, decoded, z_mean, z_log_var


def test_the_textbook_loss_is_the_negative_elbo_of_a_gaussian_of_variance_one_half():
    images, decoded, z_mean, z_log_var = random_batch()
    pixels = 12
    textbook = objectives.textbook(images, decoded, z_mean, z_log_var)
    log_prob = Gaussian(0.5).log_prob(images, decoded[..., None])
    elbo = objectives.negative_elbo(log_prob, z_mean, z_log_var)
    assert pixels * float(textbook.loss) + pixels / 2 * math.log(math.pi) == pytest.approx(
        float(elbo.loss), rel=1e-6
    )
    assert textbook.kl == elbo.kl


def test_the_textbook_loss_has_the_gradient_of_the_negative_elbo():
    images, decoded, z_mean, z_log_var = (tf.constant(a) for a in random_batch())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([decoded, z_mean, z_log_var])
        textbook = objectives.textbook(images, decoded, z_mean, z_log_var).loss
        elbo = objectives.negative_elbo(
            Gaussian(0.5).log_prob(images, decoded[..., None]), z_mean, z_log_var
        ).loss
    for variable in (decoded, z_mean, z_log_var):
        np.testing.assert_allclose(
            12 * tape.gradient(textbook, variable), tape.gradient(elbo, variable), rtol=1e-4, atol=1e-6
        )


def test_beta_weighs_kl_in_the_loss_and_leaves_the_parts_alone():
    images, decoded, z_mean, z_log_var = random_batch()
    log_prob = Gaussian(0.5).log_prob(images, decoded[..., None])
    plain = objectives.negative_elbo(log_prob, z_mean, z_log_var)
    weighed = objectives.negative_elbo(log_prob, z_mean, z_log_var, beta=0.25)
    assert float(weighed.loss) == pytest.approx(float(plain.reconstruction + 0.25 * plain.kl), rel=1e-6)
    assert weighed[1:] == plain[1:]


def test_free_bits_charge_each_axis_for_at_least_that_much_on_average_over_the_batch():
    log_prob = np.zeros((2, 1, 1), np.float32)
    # Axis 0 carries 2 and 0 nats, 1 on average; axis 1 carries nothing.
    z_mean, z_log_var = f32([2.0, 0.0], [0.0, 0.0]), np.zeros((2, 2), np.float32)
    found = objectives.negative_elbo(log_prob, z_mean, z_log_var, free_bits=0.3)
    assert float(found.kl) == pytest.approx(1.0)
    assert float(found.loss) == pytest.approx(1.0 + 0.3)


def test_an_axis_below_its_free_bits_has_no_gradient():
    z_mean, z_log_var = tf.constant(f32([0.1, 3.0])), tf.zeros((1, 2))
    with tf.GradientTape() as tape:
        tape.watch(z_mean)
        loss = objectives.negative_elbo(np.zeros((1, 1, 1), "f4"), z_mean, z_log_var, free_bits=0.5).loss
    np.testing.assert_allclose(tape.gradient(loss, z_mean), [[0.0, 3.0]])


def test_the_elbo_does_not_change_when_a_batch_is_repeated():
    images, decoded, z_mean, z_log_var = random_batch()
    once = objectives.negative_elbo(Gaussian(0.5).log_prob(images, decoded[..., None]), z_mean, z_log_var)
    twice = objectives.negative_elbo(
        Gaussian(0.5).log_prob(np.tile(images, (2, 1, 1)), np.tile(decoded, (2, 1, 1))[..., None]),
        np.tile(z_mean, (2, 1)),
        np.tile(z_log_var, (2, 1)),
    )
    np.testing.assert_allclose(once, twice, rtol=1e-6)


def test_twice_as_many_pixels_and_axes_double_both_terms():
    images, decoded, z_mean, z_log_var = random_batch()
    once = objectives.negative_elbo(Gaussian(0.5).log_prob(images, decoded[..., None]), z_mean, z_log_var)
    wide = objectives.negative_elbo(
        Gaussian(0.5).log_prob(np.tile(images, (1, 1, 2)), np.tile(decoded, (1, 1, 2))[..., None]),
        np.tile(z_mean, (1, 2)),
        np.tile(z_log_var, (1, 2)),
    )
    np.testing.assert_allclose(wide.reconstruction, 2 * once.reconstruction, rtol=1e-6)
    np.testing.assert_allclose(wide.kl, 2 * once.kl, rtol=1e-6)


def test_the_importance_weighted_bound_of_known_weights():
    # log((e^0 + e^log3) / 2) = log 2 for the first image, log 1 = 0 for the second.
    log_weights = tf.constant(f32([0.0, 0.0], [math.log(3), 0.0]))
    np.testing.assert_allclose(
        objectives.importance_weighted_bound(log_weights), [math.log(2), 0.0], atol=1e-6
    )


def test_the_bound_is_computed_per_image_and_not_over_the_batch():
    log_weights = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32) * 50
    whole = objectives.importance_weighted_bound(tf.constant(log_weights)).numpy()
    order = [2, 0, 1]
    permuted = objectives.importance_weighted_bound(tf.constant(log_weights[:, order])).numpy()
    np.testing.assert_allclose(permuted, whole[order], rtol=1e-6)
    reference = np.log(np.exp(log_weights.astype(np.float64)).mean(axis=0))
    np.testing.assert_allclose(whole, reference, rtol=1e-5)


class LinearGaussian:
    """Probabilistic PCA (Tipping & Bishop 1999): x = W z + mu + noise, whose log p(x) is known exactly."""

    def __init__(self, orthogonal, pixels=6, dim=2, variance=0.3):
        rng = np.random.default_rng(4)
        self.W = rng.normal(size=(pixels, dim))
        if orthogonal:
            self.W = np.linalg.qr(self.W)[0] * [1.5, 0.7]
        self.mu, self.variance = rng.normal(size=pixels), variance
        self.M = self.W.T @ self.W + variance * np.eye(dim)
        self.covariance = self.W @ self.W.T + variance * np.eye(pixels)

    def log_p(self, x):
        centred = x - self.mu
        _, log_det = np.linalg.slogdet(self.covariance)
        quadratic = np.einsum("bi,ij,bj->b", centred, np.linalg.inv(self.covariance), centred)
        return -0.5 * (quadratic + log_det + x.shape[1] * math.log(2 * math.pi))

    def bound(self, x, k, seed=0):
        """L_k with q the diagonal Gaussian of the posterior's mean and the precision M / variance."""
        z_mean = ((x - self.mu) @ self.W @ np.linalg.inv(self.M).T).astype(np.float32)
        z_log_var = np.log(self.variance / np.diag(self.M)).astype(np.float32) * np.ones_like(z_mean)
        epsilon = np.random.default_rng(seed).standard_normal((k, *z_mean.shape)).astype(np.float32)
        z = z_mean + np.exp(z_log_var / 2) * epsilon
        decoded = (z @ self.W.T + self.mu).astype(np.float32)
        log_prob = tf.reduce_sum(
            Gaussian(self.variance).log_prob(x[None].astype(np.float32), decoded[..., None]), -1
        )
        weights = objectives.log_weights(log_prob, tf.constant(z), z_mean, z_log_var)
        return objectives.importance_weighted_bound(weights).numpy(), z_mean, z_log_var

    def sample(self, count):
        rng = np.random.default_rng(9)
        z, noise = rng.normal(size=(count, 2)), rng.normal(size=(count, 6))
        return z @ self.W.T + self.mu + math.sqrt(self.variance) * noise


@pytest.mark.parametrize("k", [1, 7, 64])
def test_with_the_exact_posterior_every_bound_is_the_exact_log_likelihood(k):
    model = LinearGaussian(orthogonal=True)
    x = model.sample(50)
    bound, _, _ = model.bound(x, k)
    np.testing.assert_allclose(bound, model.log_p(x), atol=1e-4)


def test_with_another_posterior_the_gap_of_the_elbo_is_the_kl_to_the_true_one():
    model = LinearGaussian(orthogonal=False)
    x = model.sample(20)
    _, _, z_log_var = model.bound(x, 1)
    q_var = np.exp(z_log_var[0].astype(np.float64))
    posterior_precision = model.M / model.variance
    # KL between Gaussians with the same mean: (tr(S^-1 Q) - D + log det S - log det Q) / 2.
    gap = 0.5 * (
        np.trace(posterior_precision * q_var)
        - 2
        - np.linalg.slogdet(posterior_precision)[1]
        - np.log(q_var).sum()
    )
    elbo = np.mean([model.bound(x, 1, seed)[0].mean() for seed in range(1_000)])
    assert gap > 0.01  # otherwise the test shows nothing
    # 1,000 repeats of 20 images, each with a spread of about a nat: standard error below 0.008.
    assert model.log_p(x).mean() - elbo == pytest.approx(gap, abs=0.03)


def test_bounds_never_fall_as_k_grows_and_stay_below_the_log_likelihood():
    model = LinearGaussian(orthogonal=False)
    x = model.sample(50)
    means = [np.mean([model.bound(x, k, seed)[0].mean() for seed in range(200)]) for k in (1, 5, 50)]
    assert means[0] < means[1] < means[2]
    assert means[2] <= model.log_p(x).mean() + 1e-3


class TrainableLinear:
    """A linear Gaussian VAE whose every weight is a variable, and k draws of its posterior."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.decoder = tf.Variable(rng.normal(size=(6, 2)).astype("f4"))
        self.encoder = tf.Variable(rng.normal(size=(2, 6)).astype("f4") * 0.3)
        self.log_var = tf.Variable(np.float32([-0.5, 0.3]))
        self.x = tf.constant(rng.normal(size=(3, 6)).astype("f4"))

    def forward(self, epsilon):
        z_mean = self.x @ tf.transpose(self.encoder)
        z_log_var = tf.broadcast_to(self.log_var, tf.shape(z_mean))
        z = z_mean + tf.exp(z_log_var / 2) * epsilon
        decoded = tf.einsum("kbd,pd->kbp", z, self.decoder)
        log_prob = Gaussian(0.5).log_prob(self.x[None], decoded[..., None])
        return log_prob, z, z_mean, z_log_var

    def iwae_gradients(self, epsilon):
        with tf.GradientTape() as tape:
            loss = objectives.negative_importance_weighted_bound(*self.forward(epsilon)).loss
        return tape.gradient(loss, [self.decoder, self.encoder, self.log_var])

    def dreg_gradients(self, epsilon):
        with tf.GradientTape(persistent=True) as tape:
            log_prob, z, z_mean, z_log_var = self.forward(epsilon)
            objective, weights = objectives.doubly_reparameterised(log_prob, z, z_mean, z_log_var)
        by_z = tape.gradient(objective.loss, z)
        encoder = tape.gradient(z, [self.encoder, self.log_var], output_gradients=weights[..., None] * by_z)
        return [tape.gradient(objective.loss, self.decoder), *encoder]


def draws(k, seed):
    return tf.constant(np.random.default_rng(seed).standard_normal((k, 3, 2)).astype("f4"))


def test_the_importance_weighted_loss_has_the_gradient_of_log_mean_exp():
    model, epsilon = TrainableLinear(), draws(5, 0)
    with tf.GradientTape() as tape:
        log_prob, z, z_mean, z_log_var = model.forward(epsilon)
        log_w = objectives.log_weights(tf.reduce_sum(log_prob, -1), z, z_mean, z_log_var)
        loss = -tf.reduce_mean(tf.math.log(tf.reduce_mean(tf.exp(log_w), axis=0)))
    expected = tape.gradient(loss, [model.decoder, model.encoder, model.log_var])
    for found, wanted in zip(model.iwae_gradients(epsilon), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_doubly_reparameterised_loss_has_the_value_of_the_bound_and_its_decoder_gradient():
    model, epsilon = TrainableLinear(), draws(5, 1)
    parts = model.forward(epsilon)
    plain = objectives.negative_importance_weighted_bound(*parts)
    double, weights = objectives.doubly_reparameterised(*parts)
    np.testing.assert_allclose(double.loss, plain.loss, rtol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(
        model.dreg_gradients(epsilon)[0], model.iwae_gradients(epsilon)[0], rtol=1e-4, atol=1e-5
    )


def test_both_encoder_gradients_agree_on_average_and_the_doubly_reparameterised_one_varies_less():
    model, k, repeats = TrainableLinear(), 8, 3_000
    plain, double = (
        np.array(
            [np.concatenate([np.ravel(g) for g in gradients(draws(k, seed))[1:]]) for seed in range(repeats)]
        )
        for gradients in (tf.function(model.iwae_gradients), tf.function(model.dreg_gradients))
    )
    difference = plain - double
    t = difference.mean(axis=0) / (difference.std(axis=0, ddof=1) / math.sqrt(repeats))
    assert np.abs(t).max() < 4.5  # fourteen comparisons; one beyond it happens once in 10,000 runs
    assert double.var(axis=0).sum() < 0.5 * plain.var(axis=0).sum()


def test_the_signal_of_the_doubly_reparameterised_gradient_grows_with_k_and_the_plain_ones_falls():
    model = TrainableLinear()

    def signal_to_noise(gradients, k):
        found = np.array([np.ravel(gradients(draws(k, seed))[1]) for seed in range(1_500)])
        return (np.abs(found.mean(axis=0)) / found.std(axis=0)).mean()

    plain, double = tf.function(model.iwae_gradients), tf.function(model.dreg_gradients)
    assert signal_to_noise(double, 64) > 1.5 * signal_to_noise(double, 4)
    assert signal_to_noise(plain, 64) < signal_to_noise(double, 64)
