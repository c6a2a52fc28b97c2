import dataclasses
import json
import shutil

import numpy as np
import pytest

from tests.conftest import FASHION_VERSION, SHIPPED_VERSION

pytestmark = pytest.mark.tensorflow

from training import runs, trained  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.trained import TrainedModel  # noqa: E402


@pytest.fixture(scope="module")
def version():
    return TrainedModel.open(SHIPPED_VERSION)


def test_a_published_version_tells_what_it_is(version):
    assert (version.name, version.image_shape, version.latent_dim) == ("fashion-dense@7", (28, 28), 10)
    assert (version.prior.name, version.likelihood.name) == ("standard_normal", "gaussian")
    assert version.likelihood.parameters == {"variance": 0.5}
    assert version.experiment.network.encoder_units == (150, 100)
    assert len(version.weights_sha256) == 64
    assert version.seed == 42


def test_a_published_version_draws_and_reconstructs(version):
    one, same = (version.sample(5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert (one.shape, one.dtype) == ((5, 28, 28), np.float32)
    clothes = np.clip(one, 0, 1)
    again = version.reconstruct(clothes)
    # What the model drew itself it can draw again, far better than another of its pictures would do.
    assert np.mean((again - clothes) ** 2) < 0.3 * np.mean((again - np.roll(clothes, 1, axis=0)) ** 2)


def test_a_version_with_a_fitted_prior_draws_from_it():
    prior = TrainedModel.open(FASHION_VERSION).prior
    assert prior.name == "gaussian_mixture"
    assert len(prior.classes) == 10


def test_density_and_draws_of_a_version_are_those_it_declares(version):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((3, 10), np.float32)
    images = rng.random((3, 28, 28), np.float32)
    mean = version.decode(z)
    expected = (-((images - mean) ** 2) - 0.5 * np.log(np.pi)).sum(axis=(1, 2))  # variance 1/2
    np.testing.assert_allclose(version.log_prob(images, z), expected, rtol=1e-5)
    deviation = (version.draw(np.repeat(z, 20, axis=0), rng) - np.repeat(mean, 20, axis=0)).std()
    assert deviation == pytest.approx(np.sqrt(0.5), rel=0.02)  # 47,040 pixels: a standard error of 0.3 %


def test_a_run_computes_what_its_networks_do_batch_after_batch(
    tiny_run, tiny_model, tiny_dataset, monkeypatch
):
    _, vae, _ = trained.load_run(tiny_run)
    monkeypatch.setattr(trained, "BATCH", 30)  # 40 images: 30 and 10
    z_mean, z_log_var = vae.encoder(tiny_dataset.test)
    posterior = tiny_model.encode(tiny_dataset.test)
    np.testing.assert_allclose(posterior.z_mean, z_mean, atol=1e-6)
    np.testing.assert_allclose(posterior.z_log_var, z_log_var, atol=1e-6)
    decoded = vae.decoder(z_mean)
    np.testing.assert_allclose(tiny_model.reconstruct(tiny_dataset.test), decoded[..., 0], atol=1e-6)
    log_prob = vae.likelihood.log_prob_of_images(tiny_dataset.test, decoded)
    np.testing.assert_allclose(tiny_model.log_prob(tiny_dataset.test, z_mean.numpy()), log_prob, rtol=1e-5)


def test_a_sample_is_the_mean_of_a_code_of_the_prior_or_a_draw_around_it(tiny_model):
    z = tiny_model.prior.draw(50, np.random.default_rng(1))
    mean = tiny_model.sample(50, np.random.default_rng(1))
    np.testing.assert_array_equal(mean, tiny_model.decode(z))
    drawn = tiny_model.sample(50, np.random.default_rng(1), "draw")
    assert (drawn - mean).std() == pytest.approx(np.sqrt(0.5), rel=0.07)  # 1,500 pixels: error 1.8 %


def test_codes_of_the_posterior_spread_as_it_says(tiny_model, tiny_dataset):
    posterior = tiny_model.encode(np.repeat(tiny_dataset.test[:1], 4_000, axis=0))
    z = posterior.draw(np.random.default_rng(0))
    # Standard errors of 4,000 draws: 0.016 deviations for the mean, 1.1 % for the deviation; four of them.
    deviation = np.exp(posterior.z_log_var[0] / 2)
    assert np.all(np.abs(z.mean(axis=0) - posterior.z_mean[0]) < 0.064 * deviation)
    np.testing.assert_allclose(z.std(axis=0), deviation, rtol=0.045)


def test_a_run_draws_from_the_prior_that_evaluation_found_for_it(tiny_run, tiny_dataset, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    config = json.loads((run / "config.json").read_text()) | {"prior": {"components": [1]}}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="its prior is not fitted yet"):
        TrainedModel.open(run).sample(1, np.random.default_rng(0))
    fitted = TrainedModel.open(run).with_fitted_prior(tiny_dataset, run)
    again = TrainedModel.open(run)
    assert again.prior.name == fitted.prior.name
    assert again.prior_report == fitted.prior_report
    # N(0, I) may win too, and then there are no arrays, or some of another fit.
    described = json.loads((run / "prior.json").read_text())
    (run / "prior.json").write_text(json.dumps(described | {"name": "standard_normal"}))
    assert TrainedModel.open(run).prior.name == "standard_normal"


def test_a_folder_that_is_neither_a_run_nor_a_version_is_refused(tmp_path):
    with pytest.raises(RunError, match="not a finished run"):
        TrainedModel.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match="not a version"):
        TrainedModel.open(tmp_path)


def test_a_model_without_a_configuration_says_so(version):
    with pytest.raises(RunError, match="name a run folder"):
        _ = dataclasses.replace(version, config=None).experiment


def test_a_run_whose_configuration_has_no_sections_is_refused_in_one_line(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    former = {"name": "tiny", "data": "fashion-mnist", "latent_dim": 2, "seed": 3}
    (tmp_path / "run" / "config.json").write_text(json.dumps(former))
    with pytest.raises(RunError, match=r"made by another version of the program .*; train again") as caught:
        trained.load_run(tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["config.json", "environment.json", runs.WEIGHTS])
def test_an_unfinished_run_is_named_with_what_is_missing(tiny_run, tmp_path, missing):
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run" / missing).unlink()
    with pytest.raises(RunError, match=missing):
        trained.load_run(tmp_path / "run")


def test_weights_changed_since_training_are_refused(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    _, vae, _ = trained.load_run(tmp_path / "run")
    vae.decoder.layers[-2].bias.assign_add(np.full(30, 0.1, np.float32))
    vae.save_weights(tmp_path / "run" / runs.WEIGHTS)
    with pytest.raises(RunError, match="changed since training"):
        trained.load_run(tmp_path / "run")
