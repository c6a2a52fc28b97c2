import dataclasses
import json

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

from training.errors import RunError  # noqa: E402
from training.evaluation import evaluate, quality  # noqa: E402
from training.evaluation.schema import RecalibratedLikelihood  # noqa: E402
from training.metrics import pca  # noqa: E402
from training.trained import TrainedModel  # noqa: E402


def test_the_reconstruction_error_is_that_of_the_decoded_posterior_means(tiny_model, tiny_dataset):
    found = evaluate.reconstruction(tiny_model, tiny_dataset)
    z_mean, _ = tiny_model.encoder(tiny_dataset.test)
    expected = np.mean((tiny_model.decoder(z_mean).numpy()[..., 0] - tiny_dataset.test) ** 2)
    assert found.reconstruction_mse == pytest.approx(expected, rel=1e-5)


def test_evaluating_two_copies_of_the_test_split_changes_nothing(tiny_model, tiny_dataset, monkeypatch):
    monkeypatch.setattr(evaluate, "BATCH", 30)  # 40 and 80 images then end in smaller batches
    doubled = dataclasses.replace(tiny_dataset, test=np.tile(tiny_dataset.test, (2, 1, 1)))
    once = evaluate.reconstruction(tiny_model, tiny_dataset).reconstruction_mse
    twice = evaluate.reconstruction(tiny_model, doubled).reconstruction_mse
    assert once == pytest.approx(twice, rel=1e-6)


def test_pca_of_many_large_images_is_fitted_on_some_of_them_and_that_is_said(
    tiny_model, tiny_dataset, monkeypatch
):
    all_of_them = evaluate.reconstruction(tiny_model, tiny_dataset)
    assert all_of_them.protocol.endswith("PCA fitted on the training split")
    monkeypatch.setattr(pca, "FITTED_IMAGES", 20)  # of 128, whose 30 pixels are more than 20
    some = evaluate.reconstruction(tiny_model, tiny_dataset)
    assert some.protocol.endswith("PCA fitted on the first 20 training images")
    expected = pca.reconstruction_mse(tiny_dataset.train[:20], tiny_dataset.test, 2)
    assert some.pca_reconstruction_mse == expected


def test_evaluation_writes_its_report_and_repeats_to_the_digit(tiny_model, tiny_dataset, tmp_path):
    reports = [evaluate.evaluate(tiny_model, tiny_dataset, tmp_path) for _ in range(2)]
    assert reports[0] == reports[1]
    assert reports[0].as_dict() == json.loads((tmp_path / evaluate.REPORT).read_text())
    assert evaluate.load_report(tmp_path, tiny_model.weights_sha256) == reports[0]


def test_a_fitted_prior_is_the_one_that_the_bounds_are_measured_with(
    tiny_config, tiny_model, tiny_dataset, tmp_path, caplog
):
    plain = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    config = tiny_config.replaced({"prior.components": [2]})
    unfitted = dataclasses.replace(tiny_model, config=config, prior=None)
    caplog.set_level("INFO", "training")
    report = evaluate.evaluate(unfitted, tiny_dataset, tmp_path)
    assert plain.bounds.prior == plain.prior.name == "standard_normal"
    assert report.bounds.prior == report.prior.name == "gaussian_mixture"
    assert report.prior.components == 2
    assert report.bounds.log_p_x[0].nats > plain.bounds.log_p_x[0].nats
    assert sum("prior of" in line for line in caplog.messages) == 1
    assert evaluate.evaluate(unfitted, tiny_dataset, tmp_path) == report
    assert sum("prior of" in line for line in caplog.messages) == 1  # read back, not fitted again


def test_the_quality_of_samples_is_measured_where_it_is_asked_for(tiny_model, tiny_dataset, tmp_path):
    report = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path, quality=True)
    found = report.quality
    assert found.prior == "standard_normal"
    assert found.num_images == len(tiny_dataset.test)
    assert set(found.samples) == {"mean", "draw"}
    # A draw adds noise of standard deviation 0.7 to every pixel: it lies far from everything.
    means, draws = (found.samples[render].memorisation.pixels for render in ("mean", "draw"))
    assert draws.median > 1.5 * means.median
    for name in (evaluate.NEAREST, evaluate.BOUNDS, evaluate.SPECTRUM, evaluate.SHEET):
        assert (tmp_path / name).is_file()
    # 8-bit levels move an error of 0.01 a pixel by a thousandth; clipping to [0, 1] can only lower it.
    assert found.reconstruction.mse == pytest.approx(report.reconstruction.reconstruction_mse, rel=0.05)
    assert found.pca_reconstruction.mse == pytest.approx(
        report.reconstruction.pca_reconstruction_mse, rel=0.1
    )
    assert set(found.outliers.auroc) == set(found.outliers.auroc_less_complexity)
    assert (found.outliers.score, found.outliers.complexity) == ("-L_10", "med-kt")
    assert "beside" not in report.as_dict()["quality"]


def test_a_model_is_as_good_as_itself_for_a_reference(tiny_run, tiny_model, tiny_dataset, tmp_path):
    reference = TrainedModel.open(tiny_run)
    found = quality.sample_quality(tiny_model, tiny_dataset, tmp_path / "nearest.png", reference)
    assert found.reference.name == "tiny"
    assert found.reference.reconstruction == found.reconstruction
    mine, its = (side.samples["mean"].memorisation.pixels for side in (found, found.reference))
    assert its.median == pytest.approx(mine.median, rel=0.3)  # 40 other samples of the same model
    assert found.as_dict()["beside"]["name"] == "tiny"


def test_a_reference_of_other_images_or_without_its_prior_is_refused_before_anything_is_measured(
    tiny_model, tiny_dataset, tmp_path
):
    other = dataclasses.replace(tiny_model, name="other", image_shape=(28, 28))
    with pytest.raises(RunError, match=r"other: draws images of \(28, 28\)"):
        evaluate.evaluate(tiny_model, tiny_dataset, tmp_path, quality=True, reference=other)
    unfitted = dataclasses.replace(tiny_model, prior=None)
    with pytest.raises(RunError, match="its prior is not fitted yet"):
        evaluate.evaluate(tiny_model, tiny_dataset, tmp_path, quality=True, reference=unfitted)
    assert not (tmp_path / evaluate.REPORT).exists()


def test_recalibrated_bounds_of_the_same_weights_outlive_another_evaluation(
    tiny_model, tiny_dataset, tmp_path
):
    report = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    bounds = {"log_p_x": report.bounds.log_p_x, "likelihood": report.bounds.likelihood}
    scales = {"before": bounds, "after": bounds, "validation_elbo": (1.0,)}
    found = RecalibratedLikelihood.model_validate(
        {"protocol": "some", "prior": "standard_normal", "shared": scales, "per_pixel": scales}
    )
    evaluate.write_report(tmp_path, report.model_copy(update={"recalibrated": found}))
    again = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    assert again == report.model_copy(update={"recalibrated": found})


def test_a_report_that_is_broken_or_of_other_weights_is_not_used(tiny_model, tiny_dataset, tmp_path):
    assert evaluate.load_report(tmp_path, "none") is None
    evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    assert evaluate.load_report(tmp_path, "other") is None
    for broken in ('{"weights', f'{{"weights_sha256": "{tiny_model.weights_sha256}"}}'):
        (tmp_path / evaluate.REPORT).write_text(broken)
        assert evaluate.load_report(tmp_path, tiny_model.weights_sha256) is None


def test_every_number_is_measured_on_its_own_split(tiny_model, tiny_dataset, tmp_path, monkeypatch):
    asked = {}
    original_axes, original_bounds = evaluate.kl.describe_axes, evaluate.bounds.bounds

    def spy_on_axes(z_mean, *rest):
        asked["axes"] = z_mean
        return original_axes(z_mean, *rest)

    def spy_on_bounds(model, images, *rest):
        asked["bounds"] = images
        return original_bounds(model, images, *rest)

    monkeypatch.setattr(evaluate.kl, "describe_axes", spy_on_axes)
    monkeypatch.setattr(evaluate.bounds, "bounds", spy_on_bounds)
    report = evaluate.evaluate(tiny_model, tiny_dataset, tmp_path)
    assert np.array_equal(asked["bounds"], tiny_dataset.test)
    assert np.array_equal(asked["axes"], tiny_model.encode(tiny_dataset.train).z_mean)
    assert report.bounds.num_images == report.reconstruction.num_images == len(tiny_dataset.test)
