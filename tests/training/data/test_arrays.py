import gzip
import zipfile

import numpy as np
import pytest

from tests.training.data.test_idx import idx_bytes
from training.data import arrays, shapes
from training.data.shapes import Fit
from training.errors import DataError


def levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def npz(tmp_path):
    def npz(**content):
        np.savez_compressed(tmp_path / "a.npz", **content)
        return tmp_path / "a.npz"

    return npz


@pytest.mark.parametrize(
    "images",
    [
        levels(5, 4, 6),
        levels(5, 4, 6, 1),
        levels(5, 4, 6, 3),
        levels(5, 4, 6).astype(np.int64),
        levels(5, 4, 6) / 255,
        (levels(5, 4, 6) / 255).astype(np.float32),
    ],
    ids=lambda images: f"{images.dtype}-{images.ndim}-{images.shape[-1]}",
)
def test_levels_come_back_from_whole_numbers_and_from_fractions(npz, images):
    expected = levels(*images.shape)
    expected = expected[..., 0] if images.shape[-1] == 1 else expected
    gathered = arrays.gather_npz(npz(images=images), Fit())
    assert gathered.pixels.dtype == np.uint8
    np.testing.assert_array_equal(gathered.pixels, expected)
    assert gathered.classes is None


def test_black_and_white_may_be_booleans(npz):
    drawing = levels(5, 4, 6) > 127
    np.testing.assert_array_equal(
        arrays.gather_npz(npz(images=drawing), Fit()).pixels, drawing * np.uint8(255)
    )


def test_one_array_may_have_any_name_or_be_a_file_of_its_own(npz, tmp_path):
    np.testing.assert_array_equal(
        arrays.gather_npz(npz(faces=levels(5, 4, 6)), Fit()).pixels, levels(5, 4, 6)
    )
    np.save(tmp_path / "a.npy", levels(5, 4, 6))
    np.testing.assert_array_equal(arrays.gather_npz(tmp_path / "a.npy", Fit()).pixels, levels(5, 4, 6))


def test_training_and_test_arrays_are_the_splits_and_labels_the_classes(npz):
    path = npz(
        x_train=levels(5, 4, 4),
        y_train=np.arange(5)[:, None],
        x_test=levels(2, 4, 4, seed=1),
        y_test=np.array([10, 0]),
    )
    gathered = arrays.gather_npz(path, Fit())
    assert gathered.splits == ("train",) * 5 + ("test",) * 2
    assert gathered.classes == ("0", "1", "2", "3", "4", "10", "0")
    assert arrays.gather_npz(npz(images=levels(2, 4, 4), labels=["a", "b"]), Fit()).classes == ("a", "b")


def test_arrays_are_fitted_to_what_the_network_can_halve(npz):
    path = npz(images=levels(5, 30, 29))
    assert arrays.gather_npz(path, Fit(halvings=2)).pixels.shape == (5, 28, 28)
    assert arrays.gather_npz(path, Fit(size=(8, 4), channels=3)).pixels.shape == (5, 8, 4, 3)


def test_colours_without_colour_become_grey_unless_asked_for(npz):
    path = npz(images=np.repeat(levels(5, 4, 6, 1), 3, axis=3))
    np.testing.assert_array_equal(arrays.gather_npz(path, Fit()).pixels, levels(5, 4, 6, 1)[..., 0])
    assert arrays.gather_npz(path, Fit(channels=3)).pixels.shape == (5, 4, 6, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": levels(5, 4)}, r"expected the shape \(N, H, W\)"),
        ({"images": levels(5, 4, 4, 4)}, r"Received: \(5, 4, 4, 4\)"),
        ({"images": levels(0, 4, 4)}, "expected the shape"),
        ({"images": np.full((5, 4, 4), 1.5)}, "fractions from 0 to 1. Received: 1.5 to 1.5"),
        ({"images": np.full((5, 4, 4), np.nan)}, "fractions from 0 to 1. Received: nan"),
        ({"images": np.full((5, 4, 4), -1.0)}, "fractions from 0 to 1"),
        ({"images": np.full((5, 4, 4), 256)}, "whole numbers from 0 to 255. Received: 256"),
        ({"images": np.ones((5, 4, 4), np.uint8)}, "give black and white as fractions or booleans"),
        ({"images": np.full((5, 4, 4), "x")}, "expected whole numbers or fractions"),
        ({"images": np.full((5, 4, 4), None)}, "no readable array.*allow_pickle"),
        ({"a": levels(5, 4, 4), "b": levels(5, 4, 4)}, "expected an array images.*Received: a, b"),
        ({"images": levels(5, 4, 4), "x_test": levels(5, 4, 4)}, "not both"),
        ({"x_train": levels(5, 4, 4), "x_test": levels(5, 4, 6)}, "one height, width"),
        ({"images": levels(5, 4, 4), "labels": np.arange(4)}, "labels: expected 5 whole numbers or words"),
        ({"images": levels(5, 4, 4), "labels": np.eye(5) / 2}, "labels: expected 5"),
        ({"x": levels(5, 4, 4), "images": levels(5, 4, 4)}, "each once. Received: x, images"),
        ({"arr_0": levels(5, 4, 4), "arr_1": np.arange(5)}, r"np\.savez\(.*images=arr_0"),
        ({"images": np.full((5, 4, 4), None)}, r'images = np\.stack\(list\(images\)\)\.astype\("uint8"\)'),
        ({"images": levels(5, 4, 4), "labels": np.full(5, None)}, r"labels = labels\.astype\(str\)"),
    ],
)
def test_arrays_that_are_no_images_are_refused_with_what_was_expected(npz, content, message):
    with pytest.raises(DataError, match=message) as caught:
        arrays.gather_npz(npz(**content), Fit())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no zip", lambda b: b""])
def test_a_broken_file_is_refused(npz, damage):
    path = npz(images=levels(50, 4, 6))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="no readable array"):
        arrays.gather_npz(path, Fit())


def test_a_small_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(npz, monkeypatch):
    path = npz(images=np.zeros((1000, 40, 40), np.uint8))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(shapes, "MAX_ARRAY_BYTES", 1_000_000)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(DataError, match=r"holds .* GiB"):
        arrays.gather_npz(path, Fit())


def mnist(folder, compress):
    names = {
        "train-images-idx3-ubyte": levels(9, 4, 6),
        "train-labels-idx1-ubyte": np.arange(9, dtype=np.uint8),
        "t10k-images-idx3-ubyte": levels(3, 4, 6, seed=1),
        "t10k-labels-idx1-ubyte": np.zeros(3, np.uint8),
    }
    for name, array in names.items():
        content = idx_bytes(array)
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("compress", [False, True])
def test_files_named_like_mnists_are_its_splits_with_their_labels(tmp_path, compress):
    mnist(tmp_path, compress)
    assert arrays.is_idx(tmp_path)
    gathered = arrays.gather_idx(tmp_path, Fit())
    assert gathered.splits == ("test",) * 3 + ("train",) * 9
    assert gathered.classes == ("0",) * 3 + tuple(map(str, range(9)))
    assert gathered.num_files == 4
    np.testing.assert_array_equal(gathered.pixels[3:], levels(9, 4, 6))


def test_one_idx_file_is_yet_to_be_split(tmp_path):
    mnist(tmp_path, compress=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    assert arrays.is_idx(file)
    gathered = arrays.gather_idx(file, Fit())
    assert gathered.splits == ("",) * 9
    assert gathered.num_files == 2


def test_a_file_that_is_there_twice_is_read_once(tmp_path):
    mnist(tmp_path, compress=True)
    mnist(tmp_path, compress=False)
    assert len(arrays.gather_idx(tmp_path, Fit()).pixels) == 12


def test_a_truncated_idx_file_is_named(tmp_path):
    mnist(tmp_path, compress=False)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(levels(3, 4, 6))[:-5])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte: the idx header announces 3 x 4 x 6"):
        arrays.gather_idx(tmp_path, Fit())


@pytest.mark.parametrize("name", ["latest-train", "contest", "train-test"])
def test_a_split_is_a_whole_word_of_an_idx_files_name(tmp_path, name):
    (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(levels(5, 4, 6)))
    split = "train" if name == "latest-train" else ""
    assert arrays.gather_idx(tmp_path, Fit()).splits == (split,) * 5


def test_what_else_lies_beside_idx_files_is_named(tmp_path):
    mnist(tmp_path, compress=True)
    mnist(tmp_path, compress=False)
    (tmp_path / "README").write_text("no picture")
    (tmp_path / "more").mkdir()
    left_out = arrays.gather_idx(tmp_path, Fit()).left_out
    assert left_out["train-images-idx3-ubyte.gz"] == "read without .gz"
    assert left_out["train-labels-idx1-ubyte.gz"] == "read without .gz"
    assert (
        left_out["README"]
        == left_out["more/"]
        == "no idx file of images named like MNIST's, nor the labels of one"
    )
    assert set(left_out) == {
        "README", "more/", *(f"{name}-idx{kind}-ubyte.gz" for name, kind in
        (("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1))),
    }  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("X_train", "Y_train", "X_validation", "Y_validation", "X_test", "Y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ],
)
def test_arrays_of_splits_go_by_the_names_that_people_give_them(npz, names):
    arrays_of = [levels(3, 4, 6), np.arange(3), levels(2, 4, 6), np.arange(2), levels(1, 4, 6), np.arange(1)]
    gathered = arrays.gather_npz(npz(**dict(zip(names, arrays_of, strict=True))), Fit())
    assert gathered.splits == ("train",) * 3 + ("validation",) * 2 + ("test",)
    assert gathered.classes == ("0", "1", "2", "0", "1", "0")


def test_an_array_that_is_not_used_is_named_and_never_read(npz):
    path = npz(images=levels(5, 4, 6), labels=np.arange(5), files=np.full(5, None), weights=np.ones(5))
    gathered = arrays.gather_npz(path, Fit())
    assert gathered.left_out == dict.fromkeys(("files", "weights"), "an array that is not used")
    assert len(gathered.classes) == 5


def test_labels_of_one_split_alone_are_no_classes_and_that_is_said(npz):
    gathered = arrays.gather_npz(
        npz(x_train=levels(5, 4, 6), y_train=np.arange(5), x_test=levels(2, 4, 6)), Fit()
    )
    assert gathered.classes is None
    assert "no classes are used: x_test without labels" in gathered.notes


def test_a_member_that_is_no_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", b"no array")
    with pytest.raises(DataError, match="images: not in NumPy's format"):
        arrays.gather_npz(tmp_path / "a.npz", Fit())


def test_the_ending_of_a_file_may_be_in_upper_case(tmp_path):
    np.save(tmp_path / "a.npy", levels(5, 4, 6))
    path = (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert len(arrays.gather_npz(path, Fit()).pixels) == 5
