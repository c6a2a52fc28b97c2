import dataclasses
import json
import logging
from typing import NamedTuple

import numpy as np
import pytest

from training import data
from training.evaluation import quality, schema
from training.metrics import bounds, classifier

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


class Measured(NamedTuple):
    real: schema.Distribution
    copies: schema.Samples
    noise: schema.Samples
    reconstructions: schema.Reconstructions
    judge: schema.ClassifierReport
    asked: list[int]  # numbers of copies
    pairs: dict  # the closest samples and their neighbours
    lines: list[str]


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def measured(labelled, trained):
    """Copies and noise measured side by side, and what was said meanwhile."""
    copies, handler, logger = Copies(labelled.train), Lines(), logging.getLogger("training")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "committed", lambda dataset: trained)
        real = quality.describe_real(labelled, seed=3)
    samples, pairs = {}, {}
    for name, generate in (("copies", copies), ("noise", noise)):
        samples[name], pairs[name] = quality.measure_samples(real, name, generate)
    reconstructions = quality.measure_reconstructions(real, "model", real.test * 0.9 - 0.01)
    floor, judge = quality.measure_real(real), quality.describe_classifier(real)
    logger.removeHandler(handler)
    return Measured(floor, *samples.values(), reconstructions, judge, copies.asked, pairs, handler.lines)


def test_every_number_is_plain_json_and_has_a_protocol(measured):
    found = measured.copies.as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    explained = " ".join(quality.PROTOCOLS)
    for name in found:
        assert name.removesuffix("_repeated") in explained, name
    for name in ("reconstruction", "outliers", "second", "accuracy_score"):
        assert name in schema.Quality.model_fields
        assert name in quality.PROTOCOLS


def test_the_classifier_is_named_with_its_accuracy(measured, labelled, trained):
    accuracy = trained.accuracy(labelled.test, labelled.labels.test)
    assert measured.judge.as_dict() == {"sha256": trained.sha256, "test_accuracy": accuracy}


def test_samples_as_good_as_real_images_score_as_real_ones_do_and_noise_far_worse(measured):
    real, copies, noisy = measured.real, measured.copies, measured.noise
    assert copies.frechet_distance < 3 * real.frechet_distance < noisy.frechet_distance / 3
    assert noisy.coverage < 0.2 < 0.6 < copies.coverage
    assert noisy.two_sample_auroc > 0.95
    assert copies.two_sample_auroc < 0.8
    assert noisy.kernel_distance > 10 * abs(real.kernel_distance)
    assert not hasattr(real, "memorisation")  # training images are training images


def test_copies_are_found_out_by_their_distances_and_named(measured, labelled):
    first = np.roll(labelled.train, -17, axis=0)
    for memorised in (measured.copies.memorisation.pixels, measured.copies.memorisation.features):
        assert memorised.median == 0
        assert len(memorised.closest) == quality.PAIRS
    for pair in measured.copies.memorisation.pixels.closest:
        assert pair.distance == 0
        np.testing.assert_array_equal(first[pair.sample], labelled.train[pair.train])
    assert measured.noise.memorisation.pixels.share_below == 0


def test_the_spread_of_the_frechet_distance_is_over_fresh_samples(measured):
    assert measured.asked == [80] * quality.REPEATS
    assert measured.copies.frechet_distance_repeated.sd > 0
    assert measured.copies.frechet_distance_repeated.sets == quality.REPEATS


def test_reconstructions_are_measured_as_the_pictures_they_are_stored_as(measured, labelled):
    stored = np.rint(np.clip(labelled.test * 0.9 - 0.01, 0, 1) * 255) / 255
    error = ((stored - labelled.test) ** 2).mean(axis=(1, 2))
    found = measured.reconstructions
    assert found.psnr_db == pytest.approx(np.mean(-10 * np.log10(error)), abs=1e-3)
    assert 0.5 < found.ssim < 1
    assert found.ssim_window == 9
    assert found.class_kept > 0.7


def test_it_says_what_begins_and_how_long_it_takes(measured):
    assert len(measured.lines) >= 7
    assert all("about" in line and line.endswith(" s") for line in measured.lines)


def test_the_picture_shows_samples_over_their_neighbours(measured, tmp_path, whole_figures):
    import matplotlib.image

    from training import figures

    figures.nearest_training_images(measured.pairs, tmp_path / "nearest.png")
    picture = matplotlib.image.imread(tmp_path / "nearest.png")[..., 0]
    assert picture.shape[1] == 11 * 120
    # Copies lie over themselves: two rows of dark squares on white, then noise, which is dark everywhere.
    assert picture.min() < 0.5 < picture.max()
    figures.nearest_training_images(measured.pairs, tmp_path / "light.png", inverted=False)
    turned = matplotlib.image.imread(tmp_path / "light.png")[..., 0]
    # The page around the strips is white either way; what was paper on them is black now.
    assert np.mean(turned < 0.1) > np.mean(picture < 0.1) + 0.1


def test_unusual_images_come_with_the_warning(tiny_model, tiny_dataset):
    real = quality.describe_real(tiny_dataset, seed=0)
    found = quality.measure_outliers(real, tiny_model)
    assert found.auroc["uniform noise"] > 0.95
    assert "does not detect" in found.warning
    assert found.num_images == len(tiny_dataset.test)


def test_images_that_no_draw_can_be_computed_of_are_the_most_unusual(tiny_model, tiny_dataset, monkeypatch):
    real, weights = quality.describe_real(tiny_dataset, seed=0), bounds.log_weights

    def with_gaps(model, images, k, *rest):
        found = weights(model, images, k, *rest).copy()
        if not np.array_equal(images, real.test):
            found[:] = np.nan
        return found

    monkeypatch.setattr(bounds, "log_weights", with_gaps)
    found = quality.measure_outliers(real, tiny_model)
    assert min(found.auroc.values()) == pytest.approx(1)


@pytest.fixture(scope="module")
def unlabelled(labelled):
    return dataclasses.replace(labelled, labels=None)


@pytest.fixture(scope="module")
def real(unlabelled):
    return quality.describe_real(unlabelled, seed=0, num_images=40)


def test_without_a_classifier_what_needs_its_features_is_left_out_and_pixels_stay(real):
    assert quality.describe_classifier(real) is None
    found, _ = quality.measure_samples(real, "noise", noise)
    assert set(found.as_dict()) == {"two_sample_auroc", "memorisation"}
    assert set(found.as_dict()["memorisation"]) == {"pixels"}
    assert quality.measure_reconstructions(real, "model", real.test).psnr_db == pytest.approx(58.92, abs=0.01)
    assert real.num_images == 40
    assert set(quality.measure_real(real).as_dict()) == {"two_sample_auroc"}


def test_a_report_without_a_classifier_says_why(tiny_model, tiny_dataset, tmp_path):
    found = quality.sample_quality(tiny_model, tiny_dataset, tmp_path / "nearest.png").as_dict()
    assert found["classifier"] is None
    assert "No classifier is shipped" in found["without_classifier"]


def test_the_numbers_repeat(unlabelled, real):
    again = quality.describe_real(unlabelled, seed=0, num_images=40)
    one, two = (quality.measure_samples(each, "noise", noise)[0] for each in (real, again))
    assert one == two


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
def test_a_generator_of_something_else_is_refused(real, wrong, message):
    with pytest.raises(ValueError, match=message):
        quality.measure_samples(real, "bad", wrong)
