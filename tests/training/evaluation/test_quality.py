import dataclasses
import json

import numpy as np
import pytest

from training import data
from training.evaluation import quality
from training.metrics import classifier

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def labelled():
    """Squares of two sizes and many places, in two classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 260)
    images = np.zeros((260, 10, 10), np.float32)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, 5, 2)
        image[top : top + 3 + 2 * label, left : left + 3 + 2 * label] = rng.uniform(0.6, 1)
    images = classifier.eight_bit_levels(images)
    names = data.Labels(("small", "large"), labels[:160], labels[160:180], labels[180:])
    return data.Dataset("squares", images[:160], images[160:180], images[180:], {}, "memory", names)


@pytest.fixture(scope="module")
def trained(labelled):
    return classifier.train(labelled, epochs=10, verbose=0)


class Copies:
    """A generator that gives training images, the next ones at every call."""

    def __init__(self, train):
        self.train, self.asked = train, []

    def __call__(self, number):
        self.asked.append(number)
        return np.roll(self.train, -17 * len(self.asked), axis=0)[:number]


def noise(number):
    return np.random.default_rng(number).random((number, 10, 10), np.float32)


@pytest.fixture(scope="module")
def measured(labelled, trained, tmp_path_factory):
    """One report of copies and of noise side by side, what was said meanwhile, and the picture."""
    figure = tmp_path_factory.mktemp("report") / "nearest.png"
    copies, lines = Copies(labelled.train), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "committed", lambda dataset: trained)
        found = quality.quality_report(
            labelled,
            {"copies": copies, "noise": noise},
            lambda images: images * 0.9 - 0.01,
            seed=3,
            score=lambda images: images.mean(axis=(1, 2)),
            figure=figure,
            say=lines.append,
        )
    return found, copies, lines, figure


def test_the_report_is_plain_json_with_a_protocol_for_every_number(measured):
    found, *_ = measured
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    explained = " ".join(found["protocols"])
    for name in found["samples"]["copies"]:
        assert name.removesuffix("_repeated") in explained, name
    assert (found["num_images"], found["seed"]) == (80, 3)


def test_the_classifier_is_named_with_its_accuracy(measured, labelled, trained):
    found, *_ = measured
    accuracy = trained.accuracy(labelled.test, labelled.labels.test)
    assert found["classifier"] == {"sha256": trained.sha256, "test_accuracy": accuracy}
    assert "without_classifier" not in found


def test_samples_as_good_as_real_images_score_as_real_ones_do_and_noise_far_worse(measured):
    found, *_ = measured
    real, copies, noisy = found["real"], found["samples"]["copies"], found["samples"]["noise"]
    assert copies["frechet_distance"] < 3 * real["frechet_distance"] < noisy["frechet_distance"] / 3
    assert noisy["coverage"] < 0.2 < 0.6 < copies["coverage"]
    assert noisy["two_sample_auroc"] > 0.95
    assert copies["two_sample_auroc"] < 0.8
    assert noisy["kernel_distance"] > 10 * abs(real["kernel_distance"])
    assert "memorisation" not in real  # training images are training images


def test_copies_are_found_out_by_their_distances_and_named(measured, labelled):
    found, *_ = measured
    first = np.roll(labelled.train, -17, axis=0)
    for space in ("pixels", "features"):
        memorised = found["samples"]["copies"]["memorisation"][space]
        assert memorised["median"] == 0
        assert len(memorised["closest"]) == quality.PAIRS
    for pair in found["samples"]["copies"]["memorisation"]["pixels"]["closest"]:
        assert pair["distance"] == 0
        np.testing.assert_array_equal(first[pair["sample"]], labelled.train[pair["train"]])
    assert found["samples"]["noise"]["memorisation"]["pixels"]["share_below"] == 0


def test_the_spread_of_the_frechet_distance_is_over_fresh_samples(measured):
    found, copies, _, _ = measured
    assert copies.asked == [80] * quality.REPEATS
    assert found["samples"]["copies"]["frechet_distance_repeated"]["sd"] > 0
    assert found["samples"]["copies"]["frechet_distance_repeated"]["sets"] == quality.REPEATS


def test_reconstructions_are_measured_as_the_pictures_they_are_stored_as(measured, labelled):
    found, *_ = measured
    stored = np.rint(np.clip(labelled.test * 0.9 - 0.01, 0, 1) * 255) / 255
    error = ((stored - labelled.test) ** 2).mean(axis=(1, 2))
    assert found["reconstruction"]["psnr_db"] == pytest.approx(np.mean(-10 * np.log10(error)), abs=1e-3)
    assert 0.5 < found["reconstruction"]["ssim"] < 1
    assert found["reconstruction"]["ssim_window"] == 9
    assert found["reconstruction"]["class_kept"] > 0.7


def test_unusual_images_come_with_the_warning(measured):
    found, *_ = measured
    assert found["outliers"]["auroc"]["inverted"] > 0.95
    assert "does not detect" in found["outliers"]["warning"]


def test_it_says_what_begins_and_how_long_it_takes(measured):
    *_, lines, _ = measured
    assert len(lines) >= 7
    assert all("about" in line and line.endswith(" s") for line in lines)


def test_the_picture_shows_samples_over_their_neighbours(measured):
    import matplotlib.image

    *_, figure = measured
    picture = matplotlib.image.imread(figure)[..., 0]
    assert picture.shape[1] == 11 * 120
    # Copies lie over themselves: two rows of dark squares on white, then noise, which is dark everywhere.
    assert picture.min() < 0.5 < picture.max()


@pytest.fixture(scope="module")
def unlabelled(labelled):
    return dataclasses.replace(labelled, labels=None)


@pytest.fixture(scope="module")
def real(unlabelled):
    return quality.describe_real(unlabelled, seed=0, num_images=40)


def test_without_a_classifier_features_are_left_out_with_a_reason_and_pixels_stay(unlabelled, real):
    found = quality.quality_report(unlabelled, {"noise": noise}, lambda images: images, seed=0, real=real)
    assert found["classifier"] is None
    assert "No classifier is shipped" in found["without_classifier"]
    assert set(found["samples"]["noise"]) == {"two_sample_auroc", "memorisation"}
    assert set(found["samples"]["noise"]["memorisation"]) == {"pixels"}
    assert found["reconstruction"]["psnr_db"] == pytest.approx(58.92, abs=0.01)
    assert found["num_images"] == 40
    assert set(found["real"]) == {"two_sample_auroc"}


def test_a_description_of_real_images_serves_several_models_and_the_numbers_repeat(unlabelled, real):
    one = quality.quality_report(unlabelled, {"noise": noise}, None, seed=0, real=real)
    two = quality.quality_report(unlabelled, {"noise": noise}, None, seed=0, num_images=40)
    assert one == two
    assert "reconstruction" not in one
    assert "outliers" not in one


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda number: np.zeros((number, 5, 5), np.float32),
            r"samples of bad: expected shape \(40, 10, 10\)",
        ),
        (lambda number: np.full((number, 10, 10), np.nan, np.float32), "NaN"),
    ],
)
def test_a_generator_of_something_else_is_refused(unlabelled, real, wrong, message):
    with pytest.raises(ValueError, match=message):
        quality.quality_report(unlabelled, {"bad": wrong}, None, seed=0, real=real)
