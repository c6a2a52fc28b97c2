import argparse
import json

import numpy as np
import pytest

from app.runtimes.litert import LiteRTRuntime
from benchmarks import decoding
from tests.conftest import SHIPPED_STORE

FOLDER = SHIPPED_STORE / "fashion-dense" / "7"


def doubled(*arrays):
    """What takes exactly four rows, and says which it was given."""
    if any(len(array) != 4 for array in arrays):
        raise ValueError("four")
    return sum(2 * array for array in arrays)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 9])
def test_any_number_of_rows_is_computed_by_what_takes_a_fixed_one(n):
    array = np.arange(3.0 * n).reshape(n, 3)
    computed = decoding.in_batches(doubled, 4)
    np.testing.assert_array_equal(computed(array), 2 * array)
    np.testing.assert_array_equal(computed(array, array), 4 * array)


def test_what_refuses_a_number_of_rows_is_given_batches_of_32():
    def picky(array):
        if len(array) != 32:
            raise ValueError("32")
        return array + 1

    array = np.ones((21, 2))
    compute, images = decoding.first_call(picky, array)
    np.testing.assert_array_equal(images, array + 1)
    np.testing.assert_array_equal(compute(np.ones((40, 2))), np.full((40, 2), 2.0))


def test_what_takes_any_number_of_rows_is_left_as_it_is():
    def easy(array):
        return array + 1

    assert decoding.first_call(easy, np.ones((21, 2)))[0] is easy


def test_an_error_that_has_nothing_to_do_with_the_number_of_rows_is_not_hidden():
    def broken(array):
        raise ValueError("no such axis")

    with pytest.raises(ValueError, match="no such axis"):
        decoding.first_call(broken, np.ones((2, 2)))


def test_the_rate_is_of_the_images_of_all_threads(monkeypatch):
    # One second passes at every look at the clock: 0 at the start, then a call for each until three are over.
    clock = iter(range(100))
    monkeypatch.setattr(decoding.time, "perf_counter", lambda: next(clock))
    calls = []
    assert decoding.rate(lambda: calls.append(1), n=7, at_once=1, seconds=3) == pytest.approx(7 * 2 / 3)
    assert len(calls) == 3  # of which the first is not counted
    monkeypatch.undo()
    assert decoding.rate(lambda: None, n=7, at_once=2, seconds=0.01) > 0


def test_a_runtime_decodes_the_codes_that_it_is_given():
    asked = argparse.Namespace(
        runtime="litert", folder=FOLDER, threads=1, at_once=2, means=[1, 40], draws=[7], seconds=0.01
    )
    found = json.loads(json.dumps(decoding.measure(asked)))
    assert [(row["render"], row["n"]) for row in found["loops"]] == [("mean", 1), ("mean", 40), ("draw", 7)]
    assert all(row["images_per_second"] > 0 for row in found["loops"])
    z, noise = decoding.inputs(json.loads((FOLDER / "manifest.json").read_text()), decoding.FIRST_ROWS)
    assert (len(z), 0 < noise.min() < noise.max() < 1) == (21, True)
    _, images = decoding.first_call(LiteRTRuntime(FOLDER, 1).decode, z)
    np.testing.assert_allclose(found["image_means"], images.mean(axis=(1, 2)), atol=1e-4)
    assert len(found["image_means"]) == 21
    assert 1 < found["package_mib"] < 1000


def test_a_package_that_is_not_installed_has_no_size():
    assert np.isnan(decoding.package_mib(("no-such-package",)))
    assert decoding.package_mib(("no-such-package", "numpy")) > 1
