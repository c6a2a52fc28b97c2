import gzip

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
        ({"images": levels(5, 4, 4), "labels": np.eye(5)}, "labels: expected 5"),
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
