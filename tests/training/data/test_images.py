import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROJECT
from tests.training.data.test_idx import idx_bytes
from training.data import splits
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


@pytest.fixture
def of_classes(tmp_path):
    """Write an .npz of as many images as there are labels, and return its data set."""

    def of_classes(labels, **arrays):
        images = np.random.default_rng(0).integers(0, 256, (len(labels), 5, 5), dtype=np.uint8)
        np.savez(tmp_path / "a.npz", **({"images": images, "labels": np.array(labels)} | arrays))
        return load_images(tmp_path / "a.npz")

    return of_classes


def test_names_that_read_alike_are_one_class_and_that_is_said(of_classes):
    dataset = of_classes(["\u00c9t\u00e9"] * 20 + ["E\u0301te\u0301"] * 20 + ["hiver"] * 20)
    assert dataset.labels.names == ("hiver", "\u00c9t\u00e9")
    assert "one class, as their names read alike: 2 times \u00c9t\u00e9" in dataset.notes
    assert any("classes: hiver 20, \u00c9t\u00e9 40" in note for note in dataset.notes)


def test_names_that_differ_in_case_are_two_classes_and_that_is_said(of_classes):
    dataset = of_classes(["a"] * 30 + ["A"] * 30 + ["b"] * 10)
    assert dataset.labels.names == ("A", "a", "b")
    assert "classes that differ in upper and lower case alone: A, a" in dataset.notes


def test_classes_called_by_numbers_are_in_their_order_and_then_in_that_of_their_characters(of_classes):
    names = ["10", "9", "01", "1", "001", "b", "\u0662", "caf\udce9", "\u00e9", "x" * 500] * 10
    dataset = of_classes(names)
    assert dataset.labels.names[:-1] == (
        "001",
        "01",
        "1",
        "\u0662",
        "9",
        "10",
        "b",
        r"caf\xe9",
        dataset.labels.names[-2],
    )
    assert dataset.labels.names[-1] == "\u00e9"
    json.dumps(dataset.describe(), ensure_ascii=False).encode()  # text throughout


NAMES = (
    "1",
    "01",
    "001",
    "caf\udce9",
    "E\u0301te\u0301",
    "\u00c9t\u00e9",
    "two\nlines",
    "\u202ertl",
    "Cat",
    "cat",
    "x" * 200,
)
LOAD = "import sys; from training.data.images import load_images; d = load_images(__import__('pathlib').Path(sys.argv[1]))"


def test_names_of_folders_are_bytes_and_nothing_depends_on_a_hash_or_the_locale(tmp_path):
    rng = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            level = rng.integers(0, 256, (6, 6), dtype=np.uint8)
            Image.fromarray(level).save(tmp_path / "photos" / name / f"{index}.png")
    code = f"{LOAD}; print(ascii((d.labels.names, sorted(d.sha256.items()), d.notes[2:])))"
    told = set()
    for seed, locale in (("0", "C"), ("7", "C"), ("99", "C.UTF-8")):
        # Without Python's own way out of the C locale, in which names of files come as ASCII with escapes.
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "LC_ALL": locale,
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        }
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "photos")],
            env=environment, cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
    assert len(told) == 1
    names = load_images(tmp_path / "photos").labels.names
    assert names[:3] == ("001", "01", "1")
    assert {"\u00c9t\u00e9", r"caf\xe9", "two lines", "rtl", "Cat", "cat"} < set(names)
    assert len(names) == 10  # of eleven folders: two of them read alike


def test_a_class_of_which_no_image_is_for_training_is_left_out_by_name(of_classes):
    images = np.random.default_rng(1).integers(0, 256, (41, 5, 5), dtype=np.uint8)
    digests = splits.digests_of(images)
    rare = min(range(41), key=digests.__getitem__)  # the first by its SHA-256 is for the test
    labels = np.array(["common"] * 41)
    labels[rare] = "rare"
    dataset = of_classes(labels, images=images)
    reason = "none of its 1 images is for training; bring more of them"
    assert dataset.left_out == {"class rare": reason}
    assert f"  class rare: {reason}" in dataset.notes
    assert dataset.describe()["classes"]["rare"] == {"train": 0, "validation": 0, "test": 1}


def test_the_pixels_are_hashed_once(of_classes, monkeypatch):
    hashed = []
    digests_of = splits.digests_of
    monkeypatch.setattr(splits, "digests_of", lambda pixels: hashed.append(len(pixels)) or digests_of(pixels))
    of_classes(["a", "b"] * 20)
    assert hashed == [40]


def test_a_picture_that_is_in_two_splits_is_named_where_it_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(40):
        path = tmp_path / "photos" / ("train" if index < 30 else "test") / "cats" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(path)
    (tmp_path / "photos" / "train" / "cats" / "copy.png").write_bytes(path.read_bytes())
    dataset = load_images(tmp_path / "photos")
    assert dataset.left_out == {"train/cats/copy.png": "a later split has the same picture"}


def test_all_that_is_left_out_can_be_looked_up_and_a_few_lines_are_told(photos):
    for index in range(50):
        (photos / f"{index}.txt").write_text("no picture")
    dataset = load_images(photos)
    assert len(dataset.describe()["left_out"]) == 50
    assert len(dataset.notes) < 30
    assert "left out: 50 entries" in dataset.notes
    assert "and 30 more, which data.json of the run names" in dataset.notes[-1]


def test_a_place_that_cannot_be_read_is_one_line(photos, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refused)
    with pytest.raises(DataError, match=r"photos: cannot be read \(Permission denied\)"):
        load_images(photos)
