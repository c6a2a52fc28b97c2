import numpy as np
import pytest

from app.errors import ModelError
from app.likelihoods import held_at_once, open_draws
from app.native.causal import CausalDraw
from app.store import scan
from tests.fakes import write_version

WEIGHTS = {"into": np.full((10, 2), 0.01, "f4"), "out": np.full((2, 3), 0.1, "f4")}


def parameters_of(rows):
    return np.full((rows, 4, 4, 11), 0.3, "f4")


class Runtime:
    """Gives the same parameters for every code, in memory of its own, and draws what is asked of it alone."""

    def with_parameters(self, z, use):
        lent = parameters_of(len(z))
        used = use(lent)
        lent[...] = np.nan
        return used

    def draw(self, z, noise):
        return "drawn by the runtime"


def version(store, name="causal-logistic", **arrays):
    """A version whose likelihood names a file with these arrays."""
    folder = store / "fake" / "1"
    folder.mkdir(parents=True)
    np.savez(folder / "likelihood.npz", **arrays)
    write_version(store, likelihood={"name": name, "path": "likelihood.npz", "noise_shape": [4, 4, 2]})
    return scan(store).find("fake")


def test_without_a_file_the_runtime_draws(tmp_path):
    write_version(tmp_path)
    assert open_draws(scan(tmp_path).find("fake"), Runtime()).draw(None, None) == "drawn by the runtime"


def test_with_a_file_what_the_likelihood_names_draws_of_the_runtimes_parameters(tmp_path):
    draw = open_draws(version(tmp_path, **WEIGHTS), Runtime()).draw
    z, noise = np.zeros((3, 2), "f4"), np.random.default_rng(0).uniform(0.1, 0.9, (3, 4, 4, 2)).astype("f4")
    expected = CausalDraw(**WEIGHTS)(parameters_of(3), noise)
    np.testing.assert_array_equal(draw(z, noise), expected)


def test_known_levels_go_to_what_draws_and_without_a_file_nothing_can_draw_around_them(tmp_path):
    around = open_draws(version(tmp_path / "with", **WEIGHTS), Runtime()).around
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.1, 0.9, (16, 4, 4, 2)).astype("f4")  # more rows than are held at once
    known = np.where(rng.uniform(size=(16, 4, 4)) < 0.5, np.nan, 77).astype("f4")
    expected = CausalDraw(**WEIGHTS)(parameters_of(16), noise, known)
    np.testing.assert_array_equal(around(np.zeros((16, 2), "f4"), noise, known), expected)
    write_version(tmp_path / "without")
    assert open_draws(scan(tmp_path / "without").find("fake"), Runtime()).around is None


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 1), (8, 8), (9, 6), (11, 6), (13, 7), (16, 8), (21, 7), (32, 8)]
)
def test_parameters_are_held_of_few_rows_in_parts_of_one_size(tmp_path, rows, size):
    assert held_at_once(rows) == size
    asked = []

    class Listening(Runtime):
        def with_parameters(self, z, use):
            asked.append(len(z))
            return super().with_parameters(z, use)

    draws = open_draws(version(tmp_path, **WEIGHTS), Listening())
    noise = np.random.default_rng(0).uniform(0.1, 0.9, (rows, 4, 4, 2)).astype("f4")
    expected = CausalDraw(**WEIGHTS)(parameters_of(rows), noise)
    np.testing.assert_array_equal(draws.draw(np.zeros((rows, 2), "f4"), noise), expected)
    assert asked == [size] * -(-rows // size)
    assert draws.at_once(rows) == size


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"into": WEIGHTS["into"]}, "out"),
        (WEIGHTS | {"out": np.full((2, 3), np.nan, "f4")}, "out: expected float32, all finite"),
        (WEIGHTS | {"into": WEIGHTS["into"].astype("f8")}, "into: expected float32"),
        (WEIGHTS | {"into": WEIGHTS["into"][1:]}, "expected arrays"),
    ],
)
def test_a_file_that_is_not_as_expected_is_refused_by_name(tmp_path, arrays, reason):
    with pytest.raises(ModelError, match=rf"fake@1: likelihood.npz: .*{reason}"):
        open_draws(version(tmp_path, **arrays), Runtime())


@pytest.mark.parametrize("left", [0, 1, 40, 300])
def test_a_file_that_was_cut_off_is_refused_by_name(tmp_path, left):
    found = version(tmp_path, **WEIGHTS)
    path = found.folder / "likelihood.npz"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ModelError, match=r"fake@1: likelihood\.npz: "):
        open_draws(found, Runtime())


def test_a_likelihood_that_nobody_knows_to_draw_from_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"fake@1: likelihood\.npz: 'another'"):
        open_draws(version(tmp_path, "another", **WEIGHTS), Runtime())
