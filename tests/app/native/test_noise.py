"""Compiled code makes the numbers that NumPy's generator makes."""

import numpy as np
import pytest

from app import latent
from app.native import noise
from app.native.library import library
from tests.conftest import skip


@pytest.mark.parametrize(
    ("seed", "start", "count", "shape"),
    [
        (0, 0, 3, (28, 28, 2)),
        (5, 17, 2, (28, 28)),
        (2**63 - 1, 2**53, 2, (5, 3)),  # 15 numbers: a row ends within a block
        (7, 2**62, 2, (4, 8)),  # the counter passes 2^64
        (1, 3, 0, (4, 4)),
    ],
)
def test_noise_is_the_same_with_compiled_code_and_without(monkeypatch, seed, start, count, shape):
    if library() is None:
        skip("there is no compiled code: make native")
    compiled = latent.uniform_noise(seed, start, count, shape)
    monkeypatch.setattr(noise, "library", lambda: None)
    by_numpy = latent.uniform_noise(seed, start, count, shape)
    assert compiled.dtype == by_numpy.dtype == np.float32
    assert compiled.shape == (count, *shape)
    assert compiled.tobytes() == by_numpy.tobytes()


def test_a_counter_beyond_its_first_word_goes_on_in_the_second(monkeypatch):
    if library() is None:
        skip("there is no compiled code: make native")
    generator = np.random.Philox(
        key=np.array([3, 1], np.uint64), counter=np.array([2**64 - 2, 0, 0, 0], np.uint64)
    )
    words = generator.random_raw(12)
    expected = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    found = noise.uniform(3, 1, 2**64 - 2, 3, 4)
    np.testing.assert_array_equal(found, expected.astype(np.float32).reshape(3, 4))
