import dataclasses
import hashlib

import numpy as np
import pytest

from tests.conftest import skip
from training import data
from training.errors import DataError, RunError
from training.metrics import classifier

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def trained(three_classes):
    return classifier.train(three_classes, epochs=6, verbose=0)


def test_rounding_clips_and_takes_the_nearest_level():
    found = classifier.eight_bit_levels(np.float32([-0.1, 0.5, 1.1, 0.0019, 0.0021]))
    np.testing.assert_array_equal(found * 255, [0, 128, 255, 0, 1])
    with pytest.raises(ValueError, match="NaN"):
        classifier.eight_bit_levels(np.float32([0, np.nan]))


def test_pixels_of_real_images_pass_through_to_the_bit():
    levels = np.arange(256, dtype=np.uint8).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(classifier.eight_bit_levels(levels), levels)


def test_it_learns_the_classes_and_describes_images_by_64_numbers(three_classes, trained):
    assert trained.accuracy(three_classes.test, three_classes.labels.test) > 0.9
    features, probabilities = trained.outputs(three_classes.test)
    assert features.shape == (60, 64)
    assert features.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(trained.features(three_classes.test), features)


def test_a_generated_image_is_judged_as_the_picture_that_it_would_be_stored_as(three_classes, trained):
    images = three_classes.test[:5]
    nearly = images + np.float32(0.4 / 255)
    nearly[images == 1] = 7
    np.testing.assert_array_equal(trained.features(nearly), trained.features(images))


def test_images_do_not_depend_on_their_neighbours_in_a_pass(three_classes, trained, monkeypatch):
    whole = trained.features(three_classes.test)
    monkeypatch.setattr(classifier, "AT_ONCE", 7)
    np.testing.assert_allclose(
        trained.features(three_classes.test), whole, atol=1e-5
    )  # matrix products round


def test_the_same_seed_gives_the_same_file_and_another_seed_another(three_classes, trained):
    assert classifier.train(three_classes, epochs=6, verbose=0).sha256 == trained.sha256
    assert classifier.train(three_classes, seed=1, epochs=1, verbose=0).sha256 != trained.sha256


def test_a_data_set_without_labels_cannot_be_learnt(three_classes):
    with pytest.raises(DataError, match="squares: has no labels"):
        classifier.train(dataclasses.replace(three_classes, labels=None))


def test_a_saved_classifier_reads_back_to_the_bit(three_classes, trained, tmp_path):
    path = tmp_path / "deep" / "squares.npz"
    classifier.save(trained, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == trained.sha256
    again = classifier.load(path, trained.sha256, (8, 9), 3)
    assert again.sha256 == trained.sha256
    np.testing.assert_array_equal(again.features(three_classes.test), trained.features(three_classes.test))


def test_a_file_that_is_missing_or_changed_is_refused(trained, tmp_path):
    path = tmp_path / "squares.npz"
    with pytest.raises(RunError, match=r"squares\.npz: cannot be read"):
        classifier.load(path, trained.sha256, (8, 9), 3)
    classifier.save(trained, path)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="not the classifier whose numbers are published"):
        classifier.load(path, trained.sha256, (8, 9), 3)


def test_no_classifier_is_shipped_for_other_images(three_classes):
    assert classifier.committed(three_classes) is None
    # Neither for others that go by the same name.
    assert classifier.committed(dataclasses.replace(three_classes, name="fashion-mnist")) is None


def test_the_shipped_classifier_is_the_pinned_one_small_and_right_in_91_of_100_cases():
    path = classifier.FOLDER / "fashion-mnist.npz"
    assert path.stat().st_size < 1_000_000
    try:
        dataset = data.load_fashion_mnist()
    except DataError as error:
        skip(str(error))
    shipped = classifier.committed(dataset)
    assert shipped.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shipped.accuracy(dataset.test, dataset.labels.test) >= 0.91


def test_the_second_classifier_is_another_network_that_learns_as_well(trained, monkeypatch):
    monkeypatch.setattr(classifier, "BATCH_SIZE", 32)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    images = np.zeros((600, 10, 10), np.float32)
    for image, label in zip(
        images, labels, strict=True
    ):  # small and large squares: mirrored they are no others
        top, left = rng.integers(2, 4, 2)
        image[top : top + 2 + 3 * label, left : left + 2 + 3 * label] = rng.uniform(0.6, 1)
    names = data.Labels(("small", "large"), labels[:500], labels[500:540], labels[540:])
    squares = data.Dataset("squares", images[:500], images[500:540], images[540:], {}, "memory", names)
    # The running moments need some 200 steps to forget where they began.
    second = classifier.train(squares, epochs=16, verbose=0, kind=classifier.SECOND)
    assert second.accuracy(squares.test, names.test) > 0.9
    assert second.features(squares.test).shape == (60, classifier.NUM_FEATURES)
    assert [weights.shape for weights in second.network.get_weights()] != [
        weights.shape for weights in trained.network.get_weights()
    ]


@pytest.mark.parametrize("colours", [(), (3,)])
def test_augmented_images_are_moved_by_two_pixels_at_most_and_half_are_mirrored(colours):
    images = np.zeros((400, 9, 9, *colours), np.float32)
    images[:, 4, 3] = 0.5  # left of the middle
    images[:, 4, 4] = 1.0
    found = classifier._augmented(images, np.random.default_rng(0))
    assert found.shape == images.shape
    plane = found.reshape(400, 9, 9, -1)[..., 0]
    rows, columns = np.array([np.argwhere(image == 1)[0] for image in plane]).T
    assert set(rows - 4) == set(columns - 4) == {-2, -1, 0, 1, 2}
    mirrored = np.array(
        [image[row, column + 1] == 0.5 for image, row, column in zip(plane, rows, columns, strict=True)]
    )
    assert 0.4 < mirrored.mean() < 0.6  # of 400, four standard errors
