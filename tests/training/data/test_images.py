import hashlib

import numpy as np
import pytest
from PIL import Image

from tests.training.data.test_idx import idx_bytes
from training.data.images import load_images
from training.data.shapes import Fit
from training.errors import DataError


@pytest.fixture
def photos(tmp_path):
    """Sixty colour pictures in two classes, of which ten are there twice."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for index in range(60):
        path = folder / ("cats" if index % 2 else "dogs") / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(path)
        if index < 10:
            path.with_name(f"{index:02}-copy.png").write_bytes(path.read_bytes())
    return folder


def test_images_are_float32_in_the_unit_interval_in_256_levels(photos):
    dataset = load_images(photos)
    assert dataset.image_shape == (9, 8, 3)
    assert dataset.name == "photos"
    assert dataset.num_files == 70
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.dtype == np.float32
        np.testing.assert_array_equal(split, np.rint(split * 255).astype(np.float32) / np.float32(255))
        assert 0 <= split.min() < 0.01
        assert 0.99 < split.max() <= 1


def test_no_image_is_in_two_splits(photos):
    dataset = load_images(photos)
    train, validation, test = (
        {hashlib.sha256(image.tobytes()).digest() for image in split}
        for split in (dataset.train, dataset.validation, dataset.test)
    )
    assert (len(train), len(validation), len(test)) == (48, 6, 6)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 70
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_every_label_is_that_of_its_image(tmp_path):
    levels = np.zeros((60, 4, 4), np.uint8)
    levels[:, 0, 0] = np.arange(60)
    levels[:, 1, 1] = 255
    np.savez(tmp_path / "a.npz", images=levels, labels=np.arange(60) % 12)
    dataset = load_images(tmp_path / "a.npz")
    assert dataset.labels.names == tuple(map(str, range(12)))  # by number, so 10 comes after 9
    for split in ("train", "validation", "test"):
        numbers = np.rint(getattr(dataset, split)[:, 0, 0] * 255).astype(int)
        np.testing.assert_array_equal(getattr(dataset.labels, split), numbers % 12)


def test_the_same_pictures_give_the_same_arrays_and_the_same_digests(photos):
    first, second = load_images(photos), load_images(photos)
    np.testing.assert_array_equal(first.train, second.train)
    assert first.sha256 == second.sha256
    assert set(first.sha256) == {"train", "validation", "test", "labels"}


def test_names_of_files_make_no_difference_and_the_first_images_are_of_every_class(photos):
    before = load_images(photos)
    assert {0, 1} == set(before.labels.train[:8])  # in the order of their names, all would be cats
    for path in photos.rglob("*.png"):
        path.rename(path.with_name(f"{99 - int(path.name[:2])}-{path.name}"))
    assert load_images(photos).sha256 == before.sha256


def test_a_changed_pixel_or_class_changes_a_digest(photos):
    before = load_images(photos).sha256
    (photos / "cats" / "51.png").rename(photos / "dogs" / "51.png")
    moved = load_images(photos).sha256
    assert moved["labels"] != before["labels"]
    (photos / "dogs" / "51.png").unlink()
    assert load_images(photos).sha256 != moved


def test_what_was_found_and_chosen_is_told(photos):
    (photos / "readme.txt").write_text("no picture")
    text = "\n".join(load_images(photos, Fit(size=(8, 8))).notes)
    for words in (
        "found: 70 pictures in 71 files, all 9 x 8",
        "size: 8 x 8",
        "colour: 70 of 70",
        "  readme.txt: not a PNG",
        "classes: cats 35, dogs 35",
        "validation 6 (by SHA-256)",
    ):
        assert words in text


def test_folders_files_of_arrays_and_idx_files_are_told_apart(photos, tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (40, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", levels)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "train-images-idx3-ubyte").write_bytes(idx_bytes(levels))
    shapes = [load_images(path).image_shape for path in (photos, tmp_path / "a.npz", tmp_path / "idx")]
    assert shapes == [(9, 8, 3), (5, 5), (5, 5)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (None, "by --data"),
        ("nowhere", "nowhere: does not exist"),
        ("a.txt", "a.txt: expected a folder of pictures"),
        ("few.npz", "few.npz: 3 different images are too few; bring 20 or more"),
        ("empty", "empty: holds no picture"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_place_and_remedy(tmp_path, name, words):
    (tmp_path / "a.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "few.npz", np.arange(48, dtype=np.uint8).reshape(3, 4, 4))
    with pytest.raises(DataError) as caught:
        load_images(name and tmp_path / name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
