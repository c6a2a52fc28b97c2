import json

import numpy as np
import pytest

from training import data
from training.errors import DataError


@pytest.fixture
def own_file(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=levels)
    return tmp_path / "own.npz"


def test_batches_cover_everything_in_order_with_a_smaller_last_one():
    images = np.arange(10)
    assert [batch.tolist() for batch in data.batches(images, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="known: fashion-mnist, emoji, images"):
        data.load("imagenet")


def test_images_are_fitted_to_what_is_asked_for(own_file):
    assert data.load("images", own_file, data.Fit((4, 2), 3)).image_shape == (4, 2, 3)
    assert data.load("images", own_file, data.Fit(halvings=1)).image_shape == (6, 4)
    assert data.load("images", own_file).image_shape == (6, 5)


def recorded_of(dataset):
    """What a run's environment.json says of its data, as it is read back."""
    return json.loads(json.dumps({"data": {"sha256": dataset.sha256}, "source": dataset.source}))


def test_a_run_finds_its_images_again_without_being_told_where(own_file):
    first = data.load("images", own_file)
    again = data.load_again("images", None, None, recorded_of(first))
    np.testing.assert_array_equal(again.test, first.test)


def test_the_same_images_in_another_place_are_the_same(own_file, tmp_path):
    recorded = recorded_of(data.load("images", own_file))
    moved = own_file.rename(tmp_path / "moved.npz")
    assert data.load_again("images", moved, None, recorded).source == str(moved)
    with pytest.raises(DataError, match="--data"):
        data.load_again("images", None, None, recorded)


def test_other_images_than_the_run_was_trained_on_are_refused(own_file, tmp_path):
    recorded = recorded_of(data.load("images", own_file))
    levels = np.load(own_file)["images"].copy()
    levels[7, 0, 0] ^= 1  # one level of one pixel
    np.savez(tmp_path / "other.npz", images=levels)
    with pytest.raises(DataError, match=r"other\.npz: not what this run was trained on") as caught:
        data.load_again("images", tmp_path / "other.npz", None, recorded)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="differs: test, train, validation"):
        data.load_again("images", own_file, data.Fit((4, 4)), recorded)
