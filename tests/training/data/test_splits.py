import hashlib
from collections import Counter

import numpy as np
import pytest

from training.data import splits
from training.data.splits import Gathered, split_of
from training.errors import DataError


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4), dtype=np.uint8)


def assign(pixels, given):
    return splits.assign(splits.digests_of(pixels), given)


def digests(pixels, assigned, split):
    return {
        hashlib.sha256(image.tobytes()).digest()
        for image, s in zip(pixels, assigned, strict=True)
        if s == split
    }


def assert_disjoint(pixels, assigned):
    train, validation, test = (digests(pixels, assigned, s) for s in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test


@pytest.mark.parametrize(("count", "held_out"), [(20, 4), (50, 5), (300, 30), (1234, 123)])
def test_one_in_ten_is_for_validation_one_in_ten_for_the_test_and_no_fewer_than_say_something(
    count, held_out
):
    assigned = assign(images(count), [""] * count)
    assert Counter(assigned) == {"train": count - 2 * held_out, "validation": held_out, "test": held_out}


def test_the_split_depends_on_the_pixels_alone():
    pixels = images(100)
    order = np.random.default_rng(1).permutation(100)
    straight, shuffled = assign(pixels, [""] * 100), assign(pixels[order], [""] * 100)
    assert [straight[index] for index in order] == list(shuffled)


def test_images_in_the_order_of_their_digests_keep_what_is_said_of_each():
    pixels = np.arange(20, dtype=np.uint8).repeat(4).reshape(20, 2, 2)
    names = tuple(map(str, range(20)))
    found = Gathered(pixels, names, names, 20, (), files=names).by_digest()
    assert list(found.splits) != list(names)
    for each in (found.splits, found.classes, found.files):
        assert [int(name) for name in each] == found.pixels[:, 0, 0].tolist()
    digests = splits.digests_of(found.pixels)
    assert digests == sorted(digests)


def test_equal_images_land_together():
    pixels = np.concatenate([images(60), images(60), images(60)[:30]])
    assigned = assign(pixels, [""] * 150)
    assert_disjoint(pixels, assigned)
    assert assigned[:60] == assigned[60:120]
    assert "" not in assigned


def test_splits_that_are_given_are_kept():
    given = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    assert list(assign(images(60), given)) == given


def test_a_split_that_is_not_given_is_taken_from_training():
    given = ["train"] * 100 + ["test"] * 20
    assigned = assign(images(120), given)
    assert assigned[100:] == ("test",) * 20
    assert Counter(assigned[:100]) == {"train": 90, "validation": 10}


def test_an_image_given_in_two_splits_stays_in_the_last_one():
    pixels = np.concatenate([images(40), images(10, seed=1), images(10, seed=2)])
    pixels[3] = pixels[55]  # training and test
    pixels[45] = pixels[56]  # validation and test
    pixels[4] = pixels[41]  # training and validation
    assigned = assign(pixels, ["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    assert_disjoint(pixels, assigned)
    assert [index for index, split in enumerate(assigned) if not split] == [3, 4, 45]


@pytest.mark.parametrize(
    ("pixels", "given", "message"),
    [
        (images(19), [""] * 19, "19 different images are too few; bring 20"),
        (np.repeat(images(1), 100, axis=0), [""] * 100, "1 different images are too few"),
        (images(30), ["train"] * 29 + ["test"], "1 different images to test with"),
        (images(30), ["train"] * 5 + ["test"] * 25, "different images to train with; bring 10"),
    ],
)
def test_too_few_different_images_are_refused(pixels, given, message):
    with pytest.raises(DataError, match=message):
        assign(pixels, given)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-", "train"),
        ("t10k-", "test"),
        ("emnist-letters-test-", "test"),
        ("my_val_", "validation"),
        ("X_Valid", "validation"),
        ("latest-train-", "train"),  # which ends in "test"
        ("latest-", ""),
        ("contest-", ""),
        ("trainer-", ""),
        ("interval-", ""),
        ("train-test-", ""),
        ("", ""),
    ],
)
def test_a_split_is_a_whole_word_of_a_name(name, split):
    assert split_of(name) == split
