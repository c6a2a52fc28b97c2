import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import latent
from app.errors import InvalidParameter
from app.explore import samples as explore
from app.explore.samples import Look
from app.models import Model
from app.settings import Settings
from app.store import scan
from tests.fakes import MIXTURE, FakeRuntime, pixels_of, png_bytes, write_version

LIMITS = Settings()
LIGHT = Look(columns=7, ink="light")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_version(folder)
    return Model(scan(folder).find("fake"), FakeRuntime())


def drawn(model, look=LIGHT, **changes):
    request = {"n": 5, "seed": 3, "temperature": 1.0, "render": "mean"} | changes
    return explore.samples(model, LIMITS, look, **request)()


def walked(model, look=Look(None, 1, "light"), **changes):  # noqa: B008  a frozen value
    ends = {"axis": 0, "low": -1.0, "high": 1.0, "steps": 3} | changes
    base = {"seed": ends.pop("seed", None), "z": ends.pop("z", None)}
    walk = explore.resolve_walk(model, LIMITS, **ends)
    return explore.interpolate(model, LIMITS, look, walk, **base)()


def level(value):
    """Level of a half whose latent axis has this value in the fake model."""
    return min(255, int(256 * np.clip(np.float32(0.5) + np.float32(value) / np.float32(10), 0, 1)))


def faults(call, **arguments):
    with pytest.raises(InvalidParameter) as caught:
        call(**arguments)
    return caught.value.faults[0]


def test_a_sample_grid_holds_the_decoded_codes_of_its_seed(model):
    pixels = pixels_of(drawn(model).png)
    z = latent.standard_normal(3, 0, 5, 2)
    for k in range(5):
        cell = pixels[:, 8 * k : 8 * k + 8]
        assert np.abs(cell[:4].astype(int) - level(z[k, 0])).max() <= 1
        assert np.abs(cell[4:].astype(int) - level(z[k, 1])).max() <= 1


@given(st.integers(1, 60))
def test_fewer_images_are_the_first_of_more(model, n):
    few, many = pixels_of(drawn(model, n=n).png), pixels_of(drawn(model, n=60).png)
    for k in range(n):
        cell = np.s_[k // 7 * 8 : k // 7 * 8 + 8, k % 7 * 8 : k % 7 * 8 + 8]
        assert np.array_equal(few[cell], many[cell])


def test_temperature_scales_the_codes(model):
    pixels = pixels_of(drawn(model, temperature=2.0, n=1).png)
    assert abs(int(pixels[0, 0]) - level(2 * latent.standard_normal(3, 0, 1, 2)[0, 0])) <= 1


@pytest.fixture(scope="module")
def of_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    write_version(folder, mixture=MIXTURE)
    return Model(scan(folder).find("fake"), FakeRuntime())


@pytest.mark.parametrize(("label", "below"), [("Low", True), ("high", False), ("0", True), ("1", False)])
def test_a_class_is_drawn_by_its_name_in_either_case_or_its_number(of_classes, label, below):
    pixels = pixels_of(drawn(of_classes, n=7, label=label).png)
    # The components lie at codes of -2 and 2, levels 77 and 179; each spreads by about 3 levels.
    assert ((pixels < 100) if below else (pixels > 150)).all()


def test_without_a_class_all_of_the_prior_is_drawn_from(of_classes):
    pixels = pixels_of(drawn(of_classes, n=60).png)
    assert 0.1 < (pixels < 128).mean() < 0.45  # a quarter of the codes, give or take four standard errors


def test_interpolation_holds_the_code_that_samples_draw_first(of_classes):
    first = pixels_of(drawn(of_classes, n=1, seed=9).png)
    strip = pixels_of(walked(of_classes, axis=0, seed=9).png)
    np.testing.assert_array_equal(strip[4:, :8], first[4:])  # axis 1, the lower half


@pytest.mark.parametrize("label", ["medium", "2", "-1", ""])
def test_an_unknown_class_is_refused_with_those_there_are(of_classes, label):
    fault = faults(drawn, model=of_classes, label=label)
    assert fault.parameter == "label"
    assert "Low, High" in fault.expected


def test_a_class_of_a_model_without_classes_is_refused(model):
    assert faults(drawn, model=model, label="Low").code == "no_classes"


def test_temperature_zero_gives_the_centre_of_the_prior_every_time(model):
    assert set(pixels_of(drawn(model, temperature=0.0).png).ravel().tolist()) == {level(0)}


def test_a_draw_differs_from_the_mean_by_its_noise(model):
    mean, draw = (pixels_of(drawn(model, render=render, n=1).png).astype(int) for render in ("mean", "draw"))
    noise = latent.uniform_noise(3, 0, 1, (8, 8))[0]
    # Both sides are rounded to a level, so they may differ by one.
    assert np.abs(draw - mean - (0.1 * (noise - 0.5) * 256)).max() <= 1.01


def test_a_walk_holds_every_axis_but_one(model):
    pixels = pixels_of(walked(model, axis=1, low=-2.0, high=2.0, steps=5).png)
    assert set(pixels[:4].ravel().tolist()) == {level(0)}
    assert pixels[7, ::8].tolist() == [level(value) for value in (-2, -1, 0, 1, 2)]


def test_a_walk_from_a_seed_passes_by_that_seeds_first_code(model):
    z = latent.standard_normal(11, 0, 1, 2)[0]
    pixels = pixels_of(walked(model, seed=11, axis=0).png)
    assert abs(int(pixels[7, 0]) - level(z[1])) <= 1


def test_a_walk_from_a_code_holds_that_code(model):
    assert pixels_of(walked(model, z=(0.0, 3.0)).png)[7, 0] == level(3)


def test_a_walk_from_nowhere_holds_the_priors_centre(tmp_path):
    write_version(tmp_path, mixture=MIXTURE)  # its heavier component has its mean at (2, 2)
    mixed = Model(scan(tmp_path).find("fake"), FakeRuntime())
    assert pixels_of(walked(mixed, axis=0).png)[7, 0] == level(2)


def test_a_walk_left_to_the_model_takes_its_axis_its_range_and_its_steps(model):
    pixels = pixels_of(walked(model, axis=None, low=None, high=None, steps=None).png)
    assert pixels[7, ::8].tolist() == [level(value) for value in (-1.5, 0.5, 2.5)]


def test_a_walk_between_equal_ends_is_a_constant_strip(model):
    pixels = pixels_of(walked(model, low=0.7, high=0.7).png)
    assert np.array_equal(pixels[:, :8], pixels[:, 8:16])


def test_originals_stand_above_their_reconstructions(model):
    files = [(f"file[{i}]", png_bytes(np.full((8, 8), value, np.uint8))) for i, value in enumerate((51, 204))]
    picture = explore.reconstruct(model, LIMITS, Look(ink="light"), files, "no")()
    pixels = pixels_of(picture.png)
    assert pixels.shape == (16, 16)
    assert (pixels[:, :8] == 51).all()
    assert (pixels[:, 8:] == 204).all()
    assert (picture.columns, picture.rows) == (2, 2)


def test_the_lower_row_is_what_the_model_makes_of_the_upper(model):
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 204  # the mean of each half is 102, all that the fake model keeps
    pixels = pixels_of(
        explore.reconstruct(model, LIMITS, Look(ink="light"), [("file", png_bytes(stripes))], "no")().png
    )
    assert np.array_equal(pixels[:8], stripes)
    assert set(pixels[8:].ravel().tolist()) == {102}


def test_more_images_than_columns_give_further_pairs_of_rows(model):
    files = [("file", png_bytes(np.full((8, 8), 20 * i, np.uint8))) for i in range(5)]
    pixels = pixels_of(explore.reconstruct(model, LIMITS, Look(2, 1, "light"), files, "no")().png)
    assert pixels.shape == (6 * 8, 2 * 8)
    assert pixels[::8, 0].tolist() == [0, 0, 40, 40, 80, 80]
    assert pixels[::8, 8].tolist() == [20, 20, 60, 60, 0, 0]


def test_the_models_own_examples_are_reconstructed(model):
    pixels = pixels_of(explore.reconstruct_examples(model, LIMITS, Look(ink="light"))().png)
    assert pixels[::8, ::8].tolist() == [[51, 204], [51, 204]]


def test_a_version_without_examples_says_so(tmp_path):
    write_version(tmp_path, examples=[])
    model = Model(scan(tmp_path).find("fake"), FakeRuntime())
    assert faults(explore.reconstruct_examples, model=model, limits=LIMITS, look=Look()).code == "no_examples"


@pytest.mark.parametrize(
    ("changes", "parameter", "word"),
    [
        ({"n": 0}, "n", "1..400"),
        ({"n": 401}, "n", "VITRINE_MAX_IMAGES"),
        ({"seed": -1}, "seed", "2^63"),
        ({"seed": 2**63}, "seed", "2^63"),
        ({"temperature": 1e30}, "temperature", "0..4"),
        ({"temperature": -0.1}, "temperature", "0..4"),
        ({"temperature": float("nan")}, "temperature", "0..4"),
        ({"look": Look(0)}, "columns", "1 or more"),
        ({"look": Look(7, 0)}, "zoom", "1..16"),
        ({"look": Look(7, 17)}, "zoom", "VITRINE_MAX_ZOOM"),
    ],
)
def test_a_sample_grid_beyond_a_limit_is_refused_by_name(model, changes, parameter, word):
    fault = faults(drawn, model=model, **changes)
    assert fault.parameter == parameter
    assert word in fault.expected


def test_a_picture_with_too_many_pixels_is_refused(model):
    limits = Settings(max_pixels=8 * 8 * 4)
    request = {"n": 5, "seed": 1, "temperature": 1.0, "render": "mean"}
    fault = faults(explore.samples, model=model, limits=limits, look=Look(2), **request)
    assert "VITRINE_MAX_PIXELS" in fault.expected
    assert explore.samples(model, limits, Look(2), **request | {"n": 4})().rows == 2


@pytest.mark.parametrize(("count", "columns", "cells"), [(3, 4, 6), (3, None, 6), (26, 25, 100), (5, 2, 12)])
def test_a_reconstructions_pixels_are_counted_as_they_are_drawn(model, count, columns, cells):
    files = [("file", png_bytes(np.zeros((8, 8), np.uint8)))] * count
    for allowed in (cells, cells - 1):
        limits = Settings(max_pixels=64 * allowed)
        request = {"model": model, "limits": limits, "look": Look(columns), "files": files, "invert": "no"}
        if allowed == cells:
            assert pixels_of(explore.reconstruct(**request)().png).size == 64 * cells
        else:
            assert faults(explore.reconstruct, **request).code == "too_many_pixels"


def test_a_refusal_comes_before_any_work(model):
    work = explore.samples(model, LIMITS, LIGHT, n=3, seed=1, temperature=1.0, render="mean")
    assert callable(work)  # nothing has been computed yet
    assert faults(drawn, model=model, temperature=4.0000001).received == "4.0000001"


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
        ({"z": (1.0,)}, "z", "2 numbers"),
        ({"z": (1.0, 2.0, 3.0)}, "z", "2 numbers"),
        ({"z": (0.0, 9.0)}, "z[1]", "-8..8"),
        ({"z": (0.0, 0.0), "seed": 1}, "z", "not both"),
    ],
)
def test_a_walk_beyond_a_limit_is_refused_by_name(model, changes, parameter, word):
    fault = faults(walked, model=model, **changes)
    assert fault.parameter == parameter
    assert word in fault.expected
