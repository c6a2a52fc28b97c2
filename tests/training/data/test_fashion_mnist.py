import gzip
import hashlib
import struct

import numpy as np
import pytest

from tests.conftest import skip
from training import data
from training.data import fashion_mnist
from training.errors import DataError


def idx_images(images):
    return struct.pack(">iiii", 2051, *images.shape) + images.tobytes()


def idx_labels(labels):
    header = np.array([2049, len(labels)], ">i4").tobytes()
    return header + labels.astype(np.uint8).tobytes()


@pytest.fixture
def contents(monkeypatch):
    """Four small files in place of the published ones, with their checksums."""
    rng = np.random.default_rng(0)
    contents = {
        "train-images-idx3-ubyte": idx_images(rng.integers(0, 256, (5_010, 2, 3), dtype=np.uint8)),
        "train-labels-idx1-ubyte": idx_labels(np.arange(5_010) % 10),
        "t10k-images-idx3-ubyte": idx_images(rng.integers(0, 256, (7, 2, 3), dtype=np.uint8)),
        "t10k-labels-idx1-ubyte": idx_labels(np.arange(7)),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST_SHA256", digests)
    return contents


def fill(folder, contents, compressed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("compressed", [True, False])
def test_pixels_are_scaled_to_the_unit_interval(tmp_path, contents, compressed):
    dataset = data.load_fashion_mnist(fill(tmp_path, contents, compressed))
    expected = np.frombuffer(contents["t10k-images-idx3-ubyte"], np.uint8, offset=16) / 255
    assert dataset.test.dtype == np.float32
    np.testing.assert_allclose(dataset.test.ravel(), expected, atol=1e-7)


def test_the_last_5000_training_images_are_for_validation_and_no_image_is_in_two_splits(tmp_path, contents):
    dataset = data.load_fashion_mnist(fill(tmp_path, contents))
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [10, 5_000, 7]
    everything = np.frombuffer(contents["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 2, 3)
    np.testing.assert_array_equal(np.rint(dataset.validation * 255), everything[10:])
    np.testing.assert_array_equal(np.rint(dataset.train * 255), everything[:10])


def test_labels_follow_their_images_through_the_splits(tmp_path, contents):
    labels = data.load_fashion_mnist(fill(tmp_path, contents)).labels

    assert len(labels.names) == 10
    np.testing.assert_array_equal(labels.train, np.arange(10) % 10)
    np.testing.assert_array_equal(labels.validation, np.arange(10, 5_010) % 10)
    np.testing.assert_array_equal(labels.test, np.arange(7))


def test_keras_cache_comes_before_debians_folder(tmp_path, contents, monkeypatch):
    cache = fill(tmp_path / "keras" / "datasets" / "fashion-mnist", contents)
    debian = fill(tmp_path / "debian", contents)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", debian)
    assert data.load_fashion_mnist().source == str(cache)
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    assert data.load_fashion_mnist().source == str(debian)


def test_a_named_folder_comes_before_everything(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", fill(tmp_path / "debian", contents))
    named = fill(tmp_path / "named", contents)
    assert data.load_fashion_mnist(named).source == str(named)


@pytest.mark.tensorflow
def test_when_no_place_has_the_files_keras_downloads_them_to_its_cache(tmp_path, contents, monkeypatch):
    import keras

    cache = tmp_path / "keras" / "datasets" / "fashion-mnist"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: fill(cache, contents))
    assert data.load_fashion_mnist().source == str(cache)


@pytest.mark.tensorflow
def test_a_failed_download_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch):
    import keras

    def fail():
        raise Exception("URL fetch failure\nwith a second line")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(DataError) as caught:
        data.load_fashion_mnist()
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(tmp_path / "keras"), str(tmp_path / "debian"), "URL fetch failure", "--data"):
        assert word in message


def refusal(folder):
    with pytest.raises(DataError) as caught:
        data.load_fashion_mnist(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named_with_the_folder_and_the_remedy(tmp_path, contents):
    fill(tmp_path, contents)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    message = refusal(tmp_path)
    assert str(tmp_path) in message
    assert "train-images-idx3-ubyte.gz" in message
    assert "--data" in message


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no gzip", lambda b: b""])
def test_a_truncated_file_is_named(tmp_path, contents, damage):
    path = fill(tmp_path, contents) / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in refusal(tmp_path)


def test_a_file_that_is_not_the_published_one_is_named_with_both_checksums(tmp_path, contents):
    path = fill(tmp_path, contents) / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(b"other labels"))
    message = refusal(tmp_path)
    assert "not the published" in message
    assert hashlib.sha256(b"other labels").hexdigest()[:12] in message


@pytest.fixture(scope="module")
def published():
    try:
        return data.load_fashion_mnist()
    except DataError as error:
        skip(str(error))


def test_the_published_files_have_the_published_sizes(published):
    assert published.train.shape == (55_000, 28, 28)
    assert published.validation.shape == (5_000, 28, 28)
    assert published.test.shape == (10_000, 28, 28)
    assert published.train.min() == 0
    assert published.train.max() == 1


def test_the_published_splits_are_not_mixed(published):
    splits = [
        {image.tobytes() for image in split}
        for split in (published.train, published.validation, published.test)
    ]
    # Fashion-MNIST itself repeats a few pictures; what must not happen is a shared tail or an overlap by index.
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert len(splits[a] & splits[b]) < 100
