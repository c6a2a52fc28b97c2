import json

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training import evaluate  # noqa: E402
from training.fit import load_run, weights_sha256  # noqa: E402


@pytest.fixture(scope="module")
def vae(tiny_run):
    return load_run(tiny_run)[1]


def test_the_reconstruction_error_is_that_of_the_decoded_posterior_means(vae, tiny_dataset):
    metrics = evaluate.reconstruction_metrics(vae, tiny_dataset, 2)
    z_mean, _ = vae.encoder(tiny_dataset.test)
    expected = np.mean((vae.decoder(z_mean).numpy()[..., 0] - tiny_dataset.test) ** 2)
    assert metrics["reconstruction_mse"] == pytest.approx(expected, rel=1e-5)


def test_evaluating_two_copies_of_the_test_split_changes_nothing(vae, tiny_dataset, monkeypatch):
    import dataclasses

    monkeypatch.setattr(evaluate, "BATCH", 30)  # 40 and 80 images then end in smaller batches
    doubled = dataclasses.replace(tiny_dataset, test=np.tile(tiny_dataset.test, (2, 1, 1)))
    once = evaluate.reconstruction_metrics(vae, tiny_dataset, 2)["reconstruction_mse"]
    twice = evaluate.reconstruction_metrics(vae, doubled, 2)["reconstruction_mse"]
    assert once == pytest.approx(twice, rel=1e-6)


def test_pca_with_every_component_loses_nothing_and_with_fewer_the_smallest_variances():
    train = np.random.default_rng(0).normal(size=(500, 2, 2)) * [[3, 2], [1, 0.5]]
    assert evaluate.pca_reconstruction_mse(train, train, 4) == pytest.approx(0, abs=1e-12)
    flat = train.reshape(500, 4)
    smallest = np.sort(np.linalg.eigvalsh(np.cov(flat.T, bias=True)))[:2].sum()
    assert evaluate.pca_reconstruction_mse(train, train, 2) == pytest.approx(smallest / 4)


def test_the_bound_of_one_draw_is_the_elbo(vae, tiny_dataset):
    from training import objectives

    images = tiny_dataset.test
    tf.random.set_seed(0)
    bound = np.mean([evaluate.importance_weighted_bounds(vae, images, 1).mean() for _ in range(400)])
    z_mean, z_log_var = vae.encoder(images)
    elbos = []
    for _ in range(400):
        z = z_mean + tf.exp(z_log_var / 2) * tf.random.normal(z_mean.shape)
        log_prob = vae.likelihood.log_prob(images, vae.decoder(z))
        elbos.append(-float(objectives.negative_elbo(log_prob, z_mean, z_log_var).loss))
    # Each side: 400 means of 40 images with a spread of about a nat: standard errors of 0.01.
    assert bound == pytest.approx(np.mean(elbos), abs=0.06)


def test_bounds_grow_with_k_and_do_not_depend_on_the_chunk(vae, tiny_dataset, monkeypatch):
    images = np.tile(tiny_dataset.test, (10, 1, 1))
    tf.random.set_seed(1)
    low, high = (evaluate.importance_weighted_bounds(vae, images, k).mean() for k in (1, 50))
    assert low < high
    monkeypatch.setattr(evaluate, "DRAWS_AT_ONCE", 350)  # seven images at a time
    chunked = evaluate.importance_weighted_bounds(vae, images, 50)
    assert chunked.shape == (400,)
    assert chunked.mean() == pytest.approx(high, abs=0.05)  # standard error of either: below 0.01


def test_exactly_k_draws_are_decoded_for_every_image(vae, tiny_dataset):
    rows = []

    class Counting:
        encoder, likelihood = vae.encoder, vae.likelihood

        @staticmethod
        def decoder(z, training):
            rows.append(len(z))
            return vae.decoder(z)

    evaluate.importance_weighted_bounds(Counting, tiny_dataset.test, 7)
    assert sum(rows) == 7 * len(tiny_dataset.test)


def test_bits_per_dim_count_a_pixel_as_one_of_256_levels(vae, tiny_dataset):
    row = evaluate.bounds(vae, tiny_dataset.test, draws=(1,))["log_p_x"][0]
    # A density of 1 over [0, 1], zero nats, would cost log2(255) bits a pixel.
    assert row["bits_per_dim"] == pytest.approx(np.log2(255) - row["nats"] / (30 * np.log(2)))


def test_the_aggregate_posterior_is_described_axis_by_axis(vae, tiny_dataset):
    axes = evaluate.aggregate_posterior(vae, tiny_dataset.train, seed=0)
    z_mean, z_log_var = (output.numpy().astype(np.float64) for output in vae.encoder(tiny_dataset.train))
    for number, axis in enumerate(axes):
        mean, log_var = z_mean[:, number], z_log_var[:, number]
        assert axis["kl"] == pytest.approx(0.5 * np.mean(np.exp(log_var) + mean**2 - 1 - log_var), rel=1e-4)
        spread = np.sqrt(mean.var() + np.exp(log_var).mean())
        # One draw an image, 128 images: standard error of the mean 0.09 spreads; four of them.
        assert abs(axis["mean"] - mean.mean()) < 0.36 * spread
        values = list(axis["quantiles"].values())
        assert values == sorted(values)
        assert axis["quantiles"]["0.025"] < axis["mean"] < axis["quantiles"]["0.975"]


def test_an_axis_that_ignores_the_image_is_not_active(tiny_config, tiny_dataset):
    from training.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.encoder.get_layer("z_mean").kernel.assign(np.zeros((8, 2), np.float32))
    assert [axis["active"] for axis in evaluate.aggregate_posterior(vae, tiny_dataset.train, 0)] == [
        False
    ] * 2


def test_evaluation_writes_its_report_and_repeats_to_the_digit(tiny_config, vae, tiny_dataset, tmp_path):
    reports = [evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path) for _ in range(2)]
    assert reports[0] == reports[1] == json.loads((tmp_path / evaluate.METRICS).read_text())
    assert evaluate.load_metrics(tmp_path, weights_sha256(vae)) == reports[0]


def test_a_report_that_is_broken_or_of_other_weights_is_not_used(vae, tiny_config, tiny_dataset, tmp_path):
    assert evaluate.load_metrics(tmp_path, "none") is None
    evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    assert evaluate.load_metrics(tmp_path, "other") is None
    (tmp_path / evaluate.METRICS).write_text('{"weights')
    assert evaluate.load_metrics(tmp_path, weights_sha256(vae)) is None


def test_every_number_is_measured_on_its_own_split(vae, tiny_config, tiny_dataset, tmp_path, monkeypatch):
    asked = {}
    for name in ("bounds", "aggregate_posterior"):
        original = getattr(evaluate, name)

        def spy(model, images, *rest, original=original, name=name, **options):
            asked[name] = images
            return original(model, images, *rest, **options)

        monkeypatch.setattr(evaluate, name, spy)
    metrics = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    assert np.array_equal(asked["bounds"], tiny_dataset.test)
    assert np.array_equal(asked["aggregate_posterior"], tiny_dataset.train)
    assert metrics["bounds"]["num_images"] == metrics["test"]["num_images"] == len(tiny_dataset.test)
