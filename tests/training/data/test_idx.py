import gzip

import numpy as np
import pytest

from training.data import idx
from training.errors import DataError


def idx_bytes(array):
    """An idx file of unsigned bytes, by the format's own description."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (2, 300, 2)])
def test_an_array_comes_back_in_its_shape(shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(idx.parse(idx_bytes(array), len(shape)), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (idx_bytes(np.zeros(3, np.uint8)), "begins with 00000801, expected 00000803"),
        (bytes([0, 0, 8, 3, 0, 0]), "header is cut off"),
        (idx_bytes(np.zeros((2, 3, 4), np.uint8))[:-1], "announces 2 x 3 x 4 bytes, 23 are there"),
        (idx_bytes(np.zeros((2, 3, 4), np.uint8)) + b"\0", "announces 2 x 3 x 4 bytes, 25 are there"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "4294967295"),
    ],
)
def test_content_that_is_no_such_array_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        idx.parse(content, 3)


def test_a_compressed_file_reads_as_the_plain_one(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"content"))
    assert idx.read(tmp_path / "a") == idx.read(tmp_path / "a.gz") == b"content"


def test_a_small_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 1000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(DataError, match="more than"):
        idx.read(tmp_path / "a.gz")
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1000)))
    assert len(idx.read(tmp_path / "a.gz")) == 1000
