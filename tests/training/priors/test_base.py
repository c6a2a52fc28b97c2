import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import tensorflow as tf  # noqa: E402

from training.priors import StandardNormal  # noqa: E402
from training.priors.base import ARRAYS, read_arrays, write_arrays  # noqa: E402


def test_the_standard_normal_is_its_own_density_over_any_axes_and_is_in_no_file(tmp_path):
    prior = StandardNormal(3)
    z = np.float32([[0, 0, 0], [1, -2, 0.5]])
    expected = -0.5 * (np.square(z).sum(axis=1) + 3 * np.log(2 * np.pi))
    np.testing.assert_allclose(prior.log_prob(tf.constant(z)), expected, rtol=1e-6)
    assert prior.reordered([2, 0, 1], [1, -1, 1]) == prior
    prior.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert StandardNormal.load(tmp_path, 3) == prior
    assert prior.manifest_entry() == {"name": "standard_normal"}
    drawn = prior.draw(50_000, np.random.default_rng(0))
    # Standard errors of 0.0045 and 0.0032; four of each.
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.018)
    np.testing.assert_allclose(drawn.std(axis=0), 1, atol=0.013)


@pytest.mark.parametrize("damage", ["cut off", "empty", "one array", "a text"])
def test_a_file_that_is_not_all_there_is_a_value_error(tmp_path, damage):
    written = {"weights": np.full(400, 0.25), "classes": np.array(["a", "b"])}
    write_arrays(tmp_path, written)
    read = read_arrays(tmp_path)
    for name, array in written.items():
        np.testing.assert_array_equal(read[name], array)
    path = tmp_path / ARRAYS
    whole = path.read_bytes()
    np.save(tmp_path / "one.npy", np.zeros(3))
    contents = {
        "cut off": whole[: len(whole) // 2],
        "empty": b"",
        "one array": (tmp_path / "one.npy").read_bytes(),
        "a text": b"not that",
    }
    path.write_bytes(contents[damage])
    with pytest.raises(ValueError, match=r"npz|pickle"):
        read_arrays(tmp_path)
