import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.priors import GaussianMixture, StandardNormal  # noqa: E402
from training.priors import mixture as mixtures  # noqa: E402


def mixture():
    """Two components in two dimensions, one of them tilted."""
    return GaussianMixture(
        weights=np.array([0.3, 0.7]),
        means=np.array([[-2.0, 1.0], [1.5, -0.5]]),
        cholesky=np.array([[[0.5, 0.0], [0.4, 0.3]], [[0.8, 0.0], [-0.6, 0.5]]]),
    )


def log_density(prior, z):
    """The mixture's log-density as its definition says, in float64."""
    total = np.zeros(len(z))
    for weight, mean, cholesky in zip(prior.weights, prior.means, prior.cholesky, strict=True):
        covariance = cholesky @ cholesky.T
        deviation = z - mean
        distance = np.einsum("ni,ij,nj->n", deviation, np.linalg.inv(covariance), deviation)
        total += weight * np.exp(-0.5 * distance) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
    return np.log(total)


def test_the_log_density_of_a_mixture_is_that_of_its_definition():
    z = np.random.default_rng(0).normal(size=(50, 2)) * 2
    found = mixture().log_prob(tf.constant(z, tf.float32)).numpy()
    np.testing.assert_allclose(found, log_density(mixture(), z), rtol=2e-5, atol=2e-5)  # float32


def test_codes_may_have_any_axes_before_the_last():
    z = tf.random.stateless_normal((3, 4, 2), (0, 1))
    whole = mixture().log_prob(z)
    assert whole.shape == (3, 4)
    np.testing.assert_allclose(whole[1], mixture().log_prob(z[1]), rtol=1e-6)


def test_one_standard_normal_component_is_the_standard_normal_prior():
    one = GaussianMixture(np.ones(1), np.zeros((1, 5)), np.eye(5)[None])
    z = tf.random.stateless_normal((40, 5), (1, 2))
    np.testing.assert_allclose(one.log_prob(z), StandardNormal(5).log_prob(z), rtol=1e-5)


def test_draws_have_the_mixtures_mean_and_covariance():
    drawn = mixture().draw(200_000, np.random.default_rng(1)).astype(np.float64)
    mean = mixture().weights @ mixture().means
    second = sum(
        w * (c @ c.T + np.outer(m, m))
        for w, m, c in zip(mixture().weights, mixture().means, mixture().cholesky, strict=True)
    )
    # Standard deviations near 1.9: four standard errors of a mean are 0.017, of a second moment below 0.08.
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.017)
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), second, atol=0.08)


def test_a_fit_recovers_the_likelihood_of_a_known_mixture_within_one_percent():
    rng = np.random.default_rng(2)
    fitted = mixtures.fit(mixture().draw(20_000, rng), 2, rng)
    fresh = mixture().draw(20_000, rng)
    truth = log_density(mixture(), fresh).mean()
    found = float(tf.reduce_mean(fitted.log_prob(tf.constant(fresh))))
    assert found == pytest.approx(truth, rel=0.01)
    assert found <= truth + 0.02  # nothing explains fresh codes better than the truth, but for chance
    order = np.argsort(fitted.weights)
    np.testing.assert_allclose(fitted.weights[order], [0.3, 0.7], atol=0.02)
    np.testing.assert_allclose(fitted.means[order], mixture().means, atol=0.05)


def test_codes_that_lie_far_out_for_their_spread_are_fitted_as_those_about_nought_are():
    """Squares of codes at 3 are nearly all 9, of which a variance of 1e-4 is what is left."""
    z = np.random.default_rng(0).normal(3, 0.01, (20_000, 2)).astype("f4")
    fitted = mixtures.fit(z, 1, np.random.default_rng(1))
    expected = -np.log(2 * np.pi * np.e * 0.01**2)  # minus the entropy of two axes
    # The mean of 20,000 log densities, each with a standard deviation of 1; and float32's steps at 3, 2.4e-7.
    assert float(np.mean(fitted.log_prob(z))) == pytest.approx(expected, abs=4 / np.sqrt(20_000))


def test_a_fit_to_few_codes_stays_a_proper_density():
    rng = np.random.default_rng(3)
    few = rng.normal(size=(12, 8)).astype(np.float32)
    fitted = mixtures.fit(few, 50, rng)
    assert len(fitted.weights) == 1
    assert np.isfinite(fitted.log_prob(tf.constant(few))).all()
    assert np.linalg.eigvalsh(fitted.cholesky @ fitted.cholesky.transpose(0, 2, 1)).min() > 0.01


@pytest.mark.parametrize("count", [1, 5, 30])
def test_a_class_of_few_codes_in_many_axes_stays_a_proper_density_about_them(count):
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1], [500, count])
    z = rng.normal(size=(500 + count, 32)) * 0.1 + np.where(labels == 0, -3, 3)[:, None]
    joined = mixtures.fit_per_class(z.astype(np.float32), labels, ("common", "rare"), 2, rng)
    assert np.isfinite(joined.log_prob(tf.constant(z.astype(np.float32)))).all()
    drawn = joined.draw_classes(rng)
    assert drawn.shape == (2, 32)
    assert (drawn[0] < -2).all()
    assert (drawn[1] > 2).all()


def test_a_code_of_every_class_is_drawn_from_a_component_of_its_own():
    wide = dataclasses.replace(
        mixture(),
        means=np.array([[-50.0, 0], [50, 0]]),
        classes=("right", "left"),
        component_class=np.array([1, 0]),
    )
    drawn = wide.draw_classes(np.random.default_rng(0))
    assert drawn[0, 0] > 25
    assert drawn[1, 0] < -25
    assert mixture().draw_classes(np.random.default_rng(0)) is None


def test_a_class_that_cannot_be_drawn_is_named():
    lacking = dataclasses.replace(mixture(), classes=("a", "rare", "c"), component_class=np.array([0, 2]))
    with pytest.raises(ValueError, match="class rare has no component"):
        lacking.draw_classes(np.random.default_rng(0))


def test_a_class_has_components_of_its_own_which_weigh_as_much_as_its_share():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 2], [3_000, 1_000])
    z = rng.normal(size=(4_000, 2)).astype(np.float32) * 0.1 + np.where(labels == 0, -3, 3)[:, None]
    joined = mixtures.fit_per_class(z.astype(np.float32), labels, ("a", "b", "c"), 4, rng)
    assert joined.classes == ("a", "c")  # nothing could be drawn of b, which has no codes
    assert joined.component_class.tolist() == [0, 0, 1, 1]
    assert joined.weights[:2].sum() == pytest.approx(0.75)
    assert (joined.means[:2] < -2.5).all()
    assert (joined.means[2:] > 2.5).all()


def test_reordered_axes_describe_the_same_density():
    order, signs = [1, 0], [1, -1]
    z = np.random.default_rng(5).normal(size=(30, 2)).astype(np.float32)
    turned = (z[:, order] * signs).astype(np.float32)
    before = mixture().log_prob(tf.constant(z))
    after = mixture().reordered(order, signs).log_prob(tf.constant(turned))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)  # float32, and a second decomposition


def test_a_mixture_is_read_back_as_it_was_written(tmp_path):
    written = dataclasses.replace(mixture(), classes=("a", "b"), component_class=np.array([1, 0]))
    written.save(tmp_path)
    read = GaussianMixture.load(tmp_path, 2)
    assert read.classes == ("a", "b")
    assert read.component_class.tolist() == [1, 0]
    for name in ("weights", "means", "cholesky"):
        np.testing.assert_allclose(getattr(read, name), getattr(written, name), rtol=1e-7)


def test_labelled_draws_are_draws_each_with_the_class_of_its_component():
    prior = dataclasses.replace(
        mixture(),
        classes=("left", "right"),
        component_class=np.array([0, 1]),
        means=np.array([[-9.0, 0], [9, 0]]),
    )
    codes, labels = prior.draw_labelled(2_000, np.random.default_rng(0))
    np.testing.assert_array_equal(codes, prior.draw(2_000, np.random.default_rng(0)))
    np.testing.assert_array_equal(labels, codes[:, 0] > 0)
    assert abs(labels.mean() - 0.7) < 4 * 0.0103  # standard errors of 2,000 choices
    assert mixture().draw_labelled(3, np.random.default_rng(0)) is None
    assert StandardNormal(2).draw_labelled(3, np.random.default_rng(0)) is None
