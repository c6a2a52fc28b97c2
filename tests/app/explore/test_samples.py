import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import latent
from app.explore.samples import Samples, sampler
from app.pictures.grids import GridStyle
from tests.app.explore.asking import context_of, drawn, faults, level
from tests.fakes import pixels_of


def test_a_sample_grid_holds_the_decoded_codes_of_its_seed(model):
    pixels = pixels_of(drawn(model).content)
    z = latent.standard_normal(3, 0, 5, 2)
    for k in range(5):
        cell = pixels[:, 8 * k : 8 * k + 8]
        assert np.abs(cell[:4].astype(int) - level(z[k, 0])).max() <= 1
        assert np.abs(cell[4:].astype(int) - level(z[k, 1])).max() <= 1


@given(st.integers(1, 60))
def test_fewer_images_are_the_first_of_more(model, n):
    few, many = pixels_of(drawn(model, n=n).content), pixels_of(drawn(model, n=60).content)
    for k in range(n):
        cell = np.s_[k // 7 * 8 : k // 7 * 8 + 8, k % 7 * 8 : k % 7 * 8 + 8]
        assert np.array_equal(few[cell], many[cell])


def test_temperature_scales_the_codes(model):
    pixels = pixels_of(drawn(model, temperature=2.0, n=1).content)
    assert abs(int(pixels[0, 0]) - level(2 * latent.standard_normal(3, 0, 1, 2)[0, 0])) <= 1


@pytest.mark.parametrize(("label", "below"), [("Low", True), ("high", False), ("0", True), ("1", False)])
def test_a_class_is_drawn_by_its_name_in_either_case_or_its_number(of_classes, label, below):
    pixels = pixels_of(drawn(of_classes, n=7, label=label).content)
    # The components lie at codes of -2 and 2, levels 77 and 179; each spreads by about 3 levels.
    assert ((pixels < 100) if below else (pixels > 150)).all()


def test_without_a_class_all_of_the_prior_is_drawn_from(of_classes):
    pixels = pixels_of(drawn(of_classes, n=60).content)
    assert 0.1 < (pixels < 128).mean() < 0.45  # a quarter of the codes, give or take four standard errors


@pytest.mark.parametrize("label", ["medium", "2", "-1", ""])
def test_an_unknown_class_is_refused_with_those_there_are(of_classes, label):
    fault = faults(drawn, model=of_classes, label=label)
    assert fault.parameter == "label"
    assert "Low, High" in fault.expected


def test_a_class_of_a_model_without_classes_is_refused(model):
    assert faults(drawn, model=model, label="Low").code == "no_classes"


def test_temperature_zero_gives_the_centre_of_the_prior_every_time(model):
    assert set(pixels_of(drawn(model, temperature=0.0).content).ravel().tolist()) == {level(0)}


def test_a_draw_differs_from_the_mean_by_its_noise(model):
    mean, draw = (
        pixels_of(drawn(model, render=render, n=1).content).astype(int) for render in ("mean", "draw")
    )
    noise = latent.uniform_noise(3, 0, 1, (8, 8))[0]
    # Both sides are rounded to a level, so they may differ by one.
    assert np.abs(draw - mean - (0.1 * (noise - 0.5) * 256)).max() <= 1.01


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
        ({"style": GridStyle(0)}, "columns", "1 or more"),
        ({"style": GridStyle(7, 0)}, "zoom", "1..16"),
        ({"style": GridStyle(7, 17)}, "zoom", "VITRINE_MAX_ZOOM"),
    ],
)
def test_a_sample_grid_beyond_a_limit_is_refused_by_name(model, changes, parameter, word):
    fault = faults(drawn, model=model, **changes)
    assert fault.parameter == parameter
    assert word in fault.expected


def test_a_refusal_comes_before_any_work(model):
    assert callable(sampler(context_of(model), Samples(3))(1))  # nothing has been computed yet
    assert faults(drawn, model=model, temperature=4.0000001).received == "4.0000001"
