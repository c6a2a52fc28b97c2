import numpy as np
import pytest

from app import latent
from app.models import Model
from app.store import scan
from tests.app.explore.asking import drawn, faults, level, walked
from tests.fakes import MIXTURE, FakeRuntime, pixels_of, write_version


def test_interpolation_holds_the_code_that_samples_draw_first(of_classes):
    first = pixels_of(drawn(of_classes, n=1, seed=9).content)
    strip = pixels_of(walked(of_classes, axis=0, at="seed:9").content)
    np.testing.assert_array_equal(strip[4:, :8], first[4:])  # axis 1, the lower half


def test_a_walk_holds_every_axis_but_one(model):
    pixels = pixels_of(walked(model, axis=1, low=-2.0, high=2.0, steps=5).content)
    assert set(pixels[:4].ravel().tolist()) == {level(0)}
    assert pixels[7, ::8].tolist() == [level(value) for value in (-2, -1, 0, 1, 2)]


def test_a_walk_from_a_seed_passes_by_that_seeds_first_code(model):
    z = latent.standard_normal(11, 0, 1, 2)[0]
    pixels = pixels_of(walked(model, at="seed:11", axis=0).content)
    assert abs(int(pixels[7, 0]) - level(z[1])) <= 1


def test_a_walk_from_a_code_holds_that_code(model):
    assert pixels_of(walked(model, at="z:0,3").content)[7, 0] == level(3)


def test_a_walk_from_nowhere_holds_the_priors_centre(tmp_path):
    write_version(tmp_path, mixture=MIXTURE)  # its heavier component has its mean at (2, 2)
    mixed = Model(scan(tmp_path).find("fake"), FakeRuntime())
    assert pixels_of(walked(mixed, axis=0).content)[7, 0] == level(2)


def test_a_walk_left_to_the_model_takes_its_axis_its_range_and_its_steps(model):
    pixels = pixels_of(walked(model, axis=None, low=None, high=None, steps=None).content)
    assert pixels[7, ::8].tolist() == [level(value) for value in (-1.5, 0.5, 2.5)]


def test_a_walk_between_equal_ends_is_a_constant_strip(model):
    pixels = pixels_of(walked(model, axis=1, low=0.7, high=0.7, steps=5).content)
    assert pixels.shape == (8, 5 * 8)
    assert (pixels[:4] == level(0)).all()
    assert (pixels[4:] == level(0.7)).all()


@pytest.mark.parametrize(
    ("changes", "parameter", "word"),
    [
        ({"axis": -1}, "axis", "axes 0..1"),
        ({"axis": 2}, "axis", "axes 0..1"),
        ({"steps": 1}, "steps", "2..64"),
        ({"steps": 65}, "steps", "VITRINE_MAX_STEPS"),
        ({"low": 2.0}, "low", "high"),
        ({"high": 8.5}, "high", "-8..8"),
        ({"low": -1e308}, "low", "-8..8"),
        ({"at": "z:1"}, "at", "2 numbers"),
        ({"at": "z:1,2,3"}, "at", "2 numbers"),
        ({"at": "z:0,9"}, "at[1]", "-8..8"),
    ],
)
def test_a_walk_beyond_a_limit_is_refused_by_name(model, changes, parameter, word):
    fault = faults(walked, model=model, **changes)
    assert fault.parameter == parameter
    assert word in fault.expected
