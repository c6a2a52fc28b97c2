import io

import numpy as np
import pytest

from app.arrays import read_arrays

ARRAYS = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.zeros(0, "i8")}


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_arrays_come_back_by_their_names(tmp_path):
    (tmp_path / "file.npz").write_bytes(npz(**ARRAYS))
    read = read_arrays(tmp_path / "file.npz")
    assert list(read) == ["a", "b"]
    assert all(np.array_equal(read[name], ARRAYS[name]) for name in ARRAYS)


def test_every_file_that_was_cut_off_is_a_value_error(tmp_path):
    whole = npz(**ARRAYS)
    for length in range(len(whole)):
        (tmp_path / "file.npz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"."):
            read_arrays(tmp_path / "file.npz")


@pytest.mark.parametrize("array", [np.zeros(3), np.array([{}], object)], ids=["a lone array", "objects"])
def test_what_is_no_npz_of_numbers_is_a_value_error(tmp_path, array):
    np.save(tmp_path / "file.npy", array)
    with pytest.raises(ValueError, match=r"expected an npz|allow_pickle"):
        read_arrays(tmp_path / "file.npy")


def test_objects_in_an_npz_are_not_unpickled(tmp_path):
    (tmp_path / "file.npz").write_bytes(npz(a=np.array([{}], object)))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path / "file.npz")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "file.npz")
