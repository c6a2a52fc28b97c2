import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.metrics import bounds  # noqa: E402
from training.models import objectives  # noqa: E402
from training.priors import GaussianMixture, StandardNormal  # noqa: E402


def test_the_bound_of_one_draw_is_the_elbo(tiny_model, tiny_dataset):
    images = tiny_dataset.test
    bound = bounds.bound_of(bounds.log_weights(tiny_model, images, 400), 1).mean()
    tf.random.set_seed(0)
    z_mean, z_log_var = tiny_model.encode(images)
    elbos = []
    for _ in range(400):
        z = z_mean + tf.exp(z_log_var / 2) * tf.random.normal(z_mean.shape)
        log_prob = tiny_model.likelihood.log_prob(images, tiny_model.decoder(z))
        elbos.append(-float(objectives.negative_elbo(log_prob, z_mean, z_log_var).loss))
    # Each side: 400 means of 40 images with a spread of about a nat: standard errors of 0.01.
    assert bound == pytest.approx(np.mean(elbos), abs=0.06)


def test_bounds_grow_with_k_and_do_not_depend_on_the_chunk(tiny_model, tiny_dataset, monkeypatch):
    images = np.tile(tiny_dataset.test, (10, 1, 1))
    weights = bounds.log_weights(tiny_model, images, 50)
    low, middle, high = (bounds.bound_of(weights, k).mean() for k in (1, 10, 50))
    assert low < middle < high
    monkeypatch.setattr(bounds, "BATCH", 70)  # 400 images then end in a smaller batch
    monkeypatch.setattr(bounds, "MEMORY", 70 * 30 * 4 * 7)  # seven draws at a time, the last time one
    chunked = bounds.log_weights(tiny_model, images, 50)
    assert chunked.shape == (50, 400)
    assert bounds.bound_of(chunked, 50).mean() == pytest.approx(high, abs=0.05)  # standard errors: below 0.01


def test_the_seed_decides_the_draws_and_how_many_are_made_at_once_does_not(
    tiny_model, tiny_dataset, monkeypatch
):
    one = bounds.log_weights(tiny_model, tiny_dataset.test, 12, seed=4)
    monkeypatch.setattr(bounds, "MEMORY", 40 * 30 * 4 * 5)
    same = bounds.log_weights(tiny_model, tiny_dataset.test, 12, seed=4)
    np.testing.assert_allclose(one, same, rtol=1e-5)  # some 60 nats in float32, added in another order
    assert np.abs(one - bounds.log_weights(tiny_model, tiny_dataset.test, 12, seed=5)).min() > 0


@pytest.mark.parametrize("k", [1, 7, 64])
def test_exactly_k_draws_are_decoded_for_every_image(tiny_model, tiny_dataset, k):
    rows = []

    def counting(z, training):
        def count(codes):  # at every call: what Python sees once is the tracing
            rows.append(len(codes))
            return codes

        return tiny_model.decoder(tf.ensure_shape(tf.numpy_function(count, [z], tf.float32), z.shape))

    model = dataclasses.replace(tiny_model, decoder=counting)
    weights = bounds.log_weights(model, tiny_dataset.test, k)
    assert weights.shape == (k, len(tiny_dataset.test))
    assert sum(rows) == k * len(tiny_dataset.test)


def test_the_bound_of_worked_weights_is_their_log_mean():
    weights = np.log([[1.0, 2.0, 3.0], [3.0, 2.0, 5.0], [2.0, 8.0, 1.0], [6.0, 4.0, 7.0]])
    np.testing.assert_allclose(bounds.bound_of(weights, 4), np.log([3.0, 4.0, 4.0]))
    pairs = (np.log([2.0, 2.0, 4.0]) + np.log([4.0, 6.0, 4.0])) / 2
    np.testing.assert_allclose(bounds.bound_of(weights, 2), pairs)
    np.testing.assert_allclose(
        bounds.bound_of(weights, 3), np.log([2.0, 4.0, 3.0])
    )  # the fourth is left over
    np.testing.assert_allclose(bounds.bound_of(weights[:, [2, 0, 1]], 4), np.log([4.0, 3.0, 4.0]))


def test_weights_of_any_size_neither_overflow_nor_vanish():
    weights = np.array([[-5000.0, 3000.0], [-5000.0, 3000.0]])
    np.testing.assert_allclose(bounds.bound_of(weights, 2), [-5000.0, 3000.0])


def test_the_effective_sample_size_runs_from_one_to_all():
    equal, one = np.zeros((8, 1)), np.array([[0.0]] + [[-1000.0]] * 7)
    assert bounds.effective_sample_size(equal, 8) == pytest.approx(8)
    assert bounds.effective_sample_size(one, 8) == pytest.approx(1)


def test_a_prior_of_one_standard_normal_component_gives_the_same_bound(tiny_model, tiny_dataset):
    one = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    models = [tiny_model.with_prior(prior) for prior in (StandardNormal(2), one)]
    found = [bounds.log_weights(model, tiny_dataset.test, 5) for model in models]
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_bits_per_dim_count_a_pixel_as_one_of_256_levels(tiny_model, tiny_dataset):
    row = bounds.bounds(tiny_model, tiny_dataset.test, ((40, (1,)),)).log_p_x[0]
    # A density of 1 over [0, 1], zero nats, would cost log2(255) bits a pixel.
    assert row.bits_per_dim == pytest.approx(np.log2(255) - row.nats / (30 * np.log(2)))


def test_a_plan_measures_fewer_images_with_more_draws_and_says_so(tiny_model, tiny_dataset):
    report = bounds.bounds(tiny_model, tiny_dataset.test, ((40, (1, 4)), (10, (16,))))
    assert [(row.k, row.num_images) for row in report.log_p_x] == [(1, 40), (4, 40), (16, 10)]
    assert all(1 <= row.effective_sample_size <= row.k for row in report.log_p_x)


def test_a_long_measurement_says_how_far_it_is(tiny_model, tiny_dataset, monkeypatch, caplog):
    monkeypatch.setattr(bounds, "SECONDS_BETWEEN_REPORTS", 0.0)
    with caplog.at_level("INFO", "training"):
        bounds.log_weights(tiny_model, np.tile(tiny_dataset.test, (5, 1, 1)), 3)
    assert len(caplog.messages) == 2  # 200 images, 100 at a time
    assert "50% of 200 images" in caplog.messages[0]
