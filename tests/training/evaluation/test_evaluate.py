import json

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.evaluation import evaluate  # noqa: E402
from training.fitting.fit import load_run, weights_sha256  # noqa: E402


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


def test_pca_of_fewer_images_than_pixels_is_the_singular_value_decomposition():
    train, test = np.split(np.random.default_rng(0).random((24, 5, 6), np.float32), [12])
    flat = train.reshape(12, 30).astype(np.float64)
    _, _, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    for components in (3, 11, 20):  # twelve images span eleven directions around their mean
        centred = test.reshape(12, 30) - flat.mean(axis=0)
        basis = directions[: min(components, 11)]
        expected = np.mean((centred - centred @ basis.T @ basis) ** 2)
        assert evaluate.pca_reconstruction_mse(train, test, components) == pytest.approx(expected, rel=1e-6)


def test_pca_of_many_large_images_is_fitted_on_some_of_them_and_that_is_said(
    vae, tiny_config, tiny_dataset, monkeypatch
):
    all_of_them = evaluate.reconstruction_metrics(vae, tiny_dataset, 2)
    assert all_of_them["protocol"].endswith("PCA fitted on the training split")
    monkeypatch.setattr(evaluate, "PCA_IMAGES", 20)  # of 128, whose 30 pixels are more than 20
    some = evaluate.reconstruction_metrics(vae, tiny_dataset, 2)
    assert some["protocol"].endswith("PCA fitted on the first 20 training images")
    expected = evaluate.pca_reconstruction_mse(tiny_dataset.train[:20], tiny_dataset.test, 2)
    assert some["pca_reconstruction_mse"] == expected


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


def test_quantiles_of_codes_that_strayed_end_where_a_walk_must(tiny_config, tiny_dataset):
    from training.models.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    z_mean = vae.encoder.get_layer("z_mean")
    z_mean.kernel.assign(np.zeros((8, 2), np.float32))
    z_mean.bias.assign([20.0, -20.0])
    first, second = evaluate.aggregate_posterior(vae, tiny_dataset.train, 0)
    assert set(first["quantiles"].values()) == {8.0}
    assert set(second["quantiles"].values()) == {-8.0}
    assert first["mean"] == pytest.approx(20, abs=0.5)  # 128 draws of deviation 1 or so


def test_an_axis_that_ignores_the_image_is_not_active(tiny_config, tiny_dataset):
    from training.models.vae import VariationalAutoencoder

    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.encoder.get_layer("z_mean").kernel.assign(np.zeros((8, 2), np.float32))
    assert [axis["active"] for axis in evaluate.aggregate_posterior(vae, tiny_dataset.train, 0)] == [
        False
    ] * 2


def test_evaluation_writes_its_report_and_repeats_to_the_digit(tiny_config, vae, tiny_dataset, tmp_path):
    reports = [evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path) for _ in range(2)]
    assert reports[0] == reports[1] == json.loads((tmp_path / evaluate.REPORT).read_text())
    assert evaluate.load_metrics(tmp_path, weights_sha256(vae)) == reports[0]


def test_a_fitted_prior_is_the_one_that_the_bounds_are_measured_with(
    tiny_config, vae, tiny_dataset, tmp_path
):

    fitted = tiny_config.replaced({"prior.components": [2]})
    plain = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    lines = []
    metrics = evaluate.evaluate(fitted, vae, tiny_dataset, tmp_path, report=lines.append)
    assert plain["bounds"]["prior"] == plain["prior"]["name"] == "standard_normal"
    assert metrics["bounds"]["prior"] == metrics["prior"]["name"] == "gaussian_mixture"
    assert metrics["prior"]["components"] == 2
    assert metrics["bounds"]["log_p_x"][0]["nats"] > plain["bounds"]["log_p_x"][0]["nats"]
    assert sum("prior of" in line for line in lines) == 1
    again = evaluate.evaluate(fitted, vae, tiny_dataset, tmp_path, report=lines.append)
    assert again == metrics
    assert sum("prior of" in line for line in lines) == 1  # read back, not fitted again


def test_the_quality_of_samples_is_measured_where_it_is_asked_for(tiny_config, vae, tiny_dataset, tmp_path):
    metrics = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path, quality=True)
    quality = metrics["quality"]
    assert quality["prior"] == "standard_normal"
    assert quality["num_images"] == len(tiny_dataset.test)
    assert set(quality["samples"]) == {"mean", "draw"}
    # A draw adds noise of standard deviation 0.7 to every pixel: it lies far from everything.
    means, draws = (quality["samples"][render]["memorisation"]["pixels"] for render in ("mean", "draw"))
    assert draws["median"] > 1.5 * means["median"]
    for name in (evaluate.NEAREST, evaluate.BOUNDS, evaluate.SPECTRUM, evaluate.SHEET):
        assert (tmp_path / name).is_file()
    model, pca = quality["reconstruction"], quality["pca_reconstruction"]
    # 8-bit levels move an error of 0.01 a pixel by a thousandth; clipping to [0, 1] can only lower it.
    assert model["mse"] == pytest.approx(metrics["test"]["reconstruction_mse"], rel=0.05)
    assert pca["mse"] == pytest.approx(metrics["test"]["pca_reconstruction_mse"], rel=0.1)
    assert set(quality["outliers"]["auroc"]) == set(quality["outliers"]["auroc_less_complexity"])
    assert quality["outliers"]["score"] == "-L_10"
    assert "beside" not in quality


def test_a_model_beside_itself_is_as_good_as_it_is(tiny_config, vae, tiny_run, tiny_dataset, tmp_path):
    from training import trained

    other = trained.load(tiny_run, (6, 5))
    assert other.name == "tiny"
    found = evaluate.sample_quality(vae, other.prior, tiny_dataset, 0, tmp_path / "nearest.png", other)
    assert found["beside"]["reconstruction"] == found["reconstruction"]
    mine, its = (side["samples"]["mean"]["memorisation"]["pixels"] for side in (found, found["beside"]))
    assert its["median"] == pytest.approx(mine["median"], rel=0.3)  # 40 other samples of the same model


def test_a_fair_score_of_the_same_weights_outlives_another_evaluation(
    tiny_config, vae, tiny_dataset, tmp_path
):
    metrics = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    evaluate.write_report(tmp_path, metrics | {evaluate.FAIR_SCORE: {"protocol": "some"}})
    again = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    assert again == metrics | {evaluate.FAIR_SCORE: {"protocol": "some"}}


def test_a_report_that_is_broken_or_of_other_weights_is_not_used(vae, tiny_config, tiny_dataset, tmp_path):
    assert evaluate.load_metrics(tmp_path, "none") is None
    evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    assert evaluate.load_metrics(tmp_path, "other") is None
    (tmp_path / evaluate.REPORT).write_text('{"weights')
    assert evaluate.load_metrics(tmp_path, weights_sha256(vae)) is None


def test_every_number_is_measured_on_its_own_split(vae, tiny_config, tiny_dataset, tmp_path, monkeypatch):
    asked = {}
    original_posterior, original_bounds = evaluate.aggregate_posterior, evaluate.bounds.bounds

    def spy_on_posterior(model, images, *rest):
        asked["aggregate_posterior"] = images
        return original_posterior(model, images, *rest)

    def spy_on_bounds(model, prior, images, *rest):
        asked["bounds"] = images
        return original_bounds(model, prior, images, *rest)

    monkeypatch.setattr(evaluate, "aggregate_posterior", spy_on_posterior)
    monkeypatch.setattr(evaluate.bounds, "bounds", spy_on_bounds)
    metrics = evaluate.evaluate(tiny_config, vae, tiny_dataset, tmp_path)
    assert np.array_equal(asked["bounds"], tiny_dataset.test)
    assert np.array_equal(asked["aggregate_posterior"], tiny_dataset.train)
    assert metrics["bounds"]["num_images"] == metrics["test"]["num_images"] == len(tiny_dataset.test)
