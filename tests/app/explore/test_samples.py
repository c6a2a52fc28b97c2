import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import latent
from app.explore.points import parse, point_in
from app.explore.samples import MAX_OFFSET, Samples, sampler
from app.pictures.grids import GridStyle
from tests.app.explore.asking import context_of, drawn, faults, level
from tests.fakes import pixels_of

DRAW, MEAN = {"render": "draw"}, {"render": "mean"}


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


@pytest.mark.parametrize(
    "changes", [{}, {"label": "Low"}, {"prior": "standard_normal"}, {"temperature": 0.5}, {"offset": 3}]
)
def test_samples_of_the_prior_are_what_the_manifest_says(of_draws, changes):
    own, draw, mean = (drawn(of_draws, **changes, **said).content for said in ({}, DRAW, MEAN))
    assert own == draw != mean


def test_around_a_point_a_model_of_draws_shows_means_unless_draws_are_asked_for(of_draws):
    point = {"around": around(of_draws, "z:1,-1"), "temperature": 0.0}
    own, draw, mean = (drawn(of_draws, **point, **said).content for said in ({}, DRAW, MEAN))
    assert own == mean != draw
    assert set(pixels_of(own).ravel().tolist()) == {level(1), level(-1)}


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


LIGHT_NPZ = GridStyle(7, ink="light", format="npz")


def arrays_of(answer):
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@given(offset=st.integers(0, 50), n=st.integers(1, 20), render=st.sampled_from(["mean", "draw"]))
def test_image_k_is_image_k_wherever_a_picture_begins(model, offset, n, render):
    some = arrays_of(drawn(model, LIGHT_NPZ, n=n, offset=offset, render=render))
    all_ = arrays_of(drawn(model, LIGHT_NPZ, n=70, render=render))
    for name in ("images", "codes"):
        assert np.array_equal(some[name], all_[name][offset : offset + n])


def test_the_gallery_of_a_seed_goes_on_as_far_as_anybody_scrolls(model):
    far = arrays_of(drawn(model, LIGHT_NPZ, n=2, offset=MAX_OFFSET))
    assert np.array_equal(far["codes"], latent.standard_normal(3, MAX_OFFSET, 2, 2))
    assert len(np.unique(far["codes"])) == 4


def test_an_image_of_a_class_is_the_same_wherever_a_picture_begins(of_classes):
    some = arrays_of(drawn(of_classes, LIGHT_NPZ, n=3, offset=4, label="High"))
    assert np.array_equal(some["codes"], of_classes.prior.draw(3, 0, 7, label=1)[4:])


def test_a_mixtures_model_draws_from_the_standard_normal_if_that_is_asked_for(of_classes):
    found = arrays_of(drawn(of_classes, LIGHT_NPZ, n=9, prior="standard_normal", temperature=0.5))
    assert np.array_equal(found["codes"], latent.standard_normal(3, 0, 9, 2) * np.float32(0.5))


def test_a_models_own_prior_by_its_name_is_the_one_that_is_not_asked_for(model, of_classes):
    for each, name in ((model, "standard_normal"), (of_classes, "gaussian_mixture")):
        assert drawn(each, prior=name) == drawn(each)


def around(model, text):
    return point_in(text, "of", model)


@pytest.mark.parametrize("text", ["z:1.5,-2", "seed:3/4", "centre", "0.5*seed:1~0.5*centre", "example:1"])
def test_around_a_point_with_no_temperature_every_image_is_that_point(model, text):
    found = arrays_of(drawn(model, LIGHT_NPZ, n=5, around=around(model, text), temperature=0.0))
    (expected,) = {code.tobytes() for code in found["codes"]}
    if text == "seed:3/4":
        assert expected == latent.standard_normal(3, 4, 1, 2).tobytes()
        assert np.array_equal(found["images"][0], arrays_of(drawn(model, LIGHT_NPZ, n=5))["images"][4])
    assert (found["images"] == found["images"][0]).all()


def test_around_a_point_codes_are_normal_with_the_temperature_as_deviation(model):
    found = arrays_of(drawn(model, LIGHT_NPZ, n=5, around=around(model, "z:1,-2"), temperature=0.25))
    expected = np.float32([1, -2]) + np.float32(0.25) * latent.standard_normal(3, 0, 5, 2)
    assert np.array_equal(found["codes"], expected)


def test_around_a_point_of_a_mixture_nothing_is_drawn_from_the_mixture(of_classes):
    found = arrays_of(drawn(of_classes, LIGHT_NPZ, n=5, around=around(of_classes, "z:0,0"), temperature=1.0))
    assert np.array_equal(found["codes"], latent.standard_normal(3, 0, 5, 2))


def test_around_a_point_at_the_edge_codes_stay_within_8(model):
    found = arrays_of(drawn(model, LIGHT_NPZ, n=60, around=around(model, "z:8,-8"), temperature=4.0))["codes"]
    assert np.abs(found).max() == 8
    free = np.float32([8, -8]) + np.float32(4) * latent.standard_normal(3, 0, 60, 2)
    assert np.array_equal(found, np.clip(free, -8, 8))


def test_a_draw_around_a_point_has_the_noise_of_its_number(model):
    point = around(model, "z:0,0")
    asked = {"around": point, "temperature": 0.0}
    some = arrays_of(drawn(model, LIGHT_NPZ, n=2, offset=3, render="draw", **asked))
    all_ = arrays_of(drawn(model, LIGHT_NPZ, n=5, render="draw", **asked))
    assert np.array_equal(some["images"], all_["images"][3:])
    assert not np.array_equal(some["images"][0], some["images"][1])


@pytest.mark.parametrize(
    ("changes", "parameter", "code"),
    [
        ({"offset": -1}, "offset", "out_of_range"),
        ({"offset": MAX_OFFSET + 1}, "offset", "out_of_range"),
        ({"prior": "gaussian_mixture"}, "prior", "no_such_prior"),
        ({"around": parse("centre", "of"), "prior": "standard_normal"}, "prior", "contradictory"),
    ],
)
def test_what_the_model_does_not_have_is_refused_by_name(model, changes, parameter, code):
    fault = faults(drawn, model=model, **changes)
    assert (fault.parameter, fault.code) == (parameter, code)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [({"around": parse("centre", "of")}, "of"), ({"prior": "standard_normal"}, "prior")],
)
def test_a_class_is_no_part_of_what_is_not_its_models_prior(of_classes, changes, parameter):
    fault = faults(drawn, model=of_classes, label="Low", **changes)
    assert (fault.parameter, fault.code) == (parameter, "contradictory")


def test_a_sum_that_lies_too_far_is_found_when_it_is_drawn(model):
    fault = faults(drawn, model=model, around=around(model, "3*z:3,0"))
    assert (fault.parameter, fault.code) == ("of", "out_of_range")


@pytest.mark.parametrize("name", ["png", "webp", "gif", "apng", "npz", "json", "zip"])
def test_what_a_picture_says_of_itself_has_its_seed(model, name):
    """The template of many seeds, and the recipe of each, say the same."""
    style = GridStyle(7, format=name)
    recipe, content = context_of(model, style).seeded(41).recipe, drawn(model, style, seed=41).content
    assert content != drawn(model, style, seed=42).content
    if name in ("png", "webp", "gif", "apng"):
        assert recipe.provenance.xmp in content
    elif name == "npz":
        assert str(arrays_of(drawn(model, style, seed=41))["recipe"]) == recipe.as_json()
    elif name == "zip":
        assert recipe.as_json().encode() in content  # its members are stored as they are
    else:
        assert json.loads(recipe.as_json()).items() <= json.loads(content).items()
