import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app import latent
from app.explore.paths import way
from app.explore.points import points_in
from app.explore.walks import between, resolve_steps
from app.models import Model
from app.pictures.grids import GridStyle
from app.priors import StandardNormal
from app.settings import Settings
from app.store import scan
from tests.app.explore.asking import LIMITS, ROW, codes_at, context_of, drawn, faults, level, walked
from tests.fakes import MIXTURE, FakeRuntime, pixels_of, write_version

NORMAL = StandardNormal(2)  # which no straight way and no arc asks anything


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


@pytest.mark.parametrize(
    ("ends", "parameter", "expected", "remedy"),
    [
        ((1.0, 0.5), "low", "at most high (0.5)", "Swap low and high."),
        (
            (2.6, None),
            "low",
            "at most high (2.5: axis 1's own, as none is given)",
            "Give a lower low or a higher high.",
        ),
        (
            (None, -1.6),
            "high",
            "at least low (-1.5: axis 1's own, as none is given)",
            "Give a higher high or a lower low.",
        ),
    ],
)
def test_ends_out_of_order_name_the_one_that_is_the_axis_own(model, ends, parameter, expected, remedy):
    low, high = ends
    fault = faults(walked, model=model, axis=1, low=low, high=high)
    assert (fault.parameter, fault.expected, fault.remedy) == (parameter, expected, remedy)
    assert (fault.received, fault.code) == (str(low if parameter == "low" else high), "out_of_order")


@pytest.mark.parametrize(
    "at", ["seed:9/3", "label:low", "example:1", "0.5*seed:9/3~0.5*z:1,1", "centre", "z:0,-3"]
)
def test_a_walk_holds_the_other_axes_at_any_point(of_classes, at):
    (held,) = codes_at(of_classes, at)
    pixels = pixels_of(walked(of_classes, axis=0, at=at, low=-2.0, high=2.0).content)
    assert pixels[0, ::8].tolist() == [level(value) for value in (-2, 0, 2)]
    assert np.abs(pixels[7, ::8].astype(int) - level(held[1])).max() <= 1


def gone(model, text, path="linear", count=5, style=ROW):
    return between(
        context_of(model, style, path="/interpolate"), points_in(text, "via", model), path, count
    )()


@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_a_way_is_drawn_from_its_first_point_to_its_last(model, path):
    pixels = pixels_of(gone(model, "z:-2,0;z:0,3", path).content)
    assert [pixels[0, 0], pixels[7, 0], pixels[0, -1], pixels[7, -1]] == [level(v) for v in (-2, 0, 0, 3)]
    assert pixels.shape == (8, 40)


def test_a_way_carries_the_codes_that_it_was_decoded_from(model):
    answer = gone(model, "z:-2,0;z:0,3;centre", style=GridStyle(None, 1, "light", "npz"))
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as found:
        assert found["codes"].tolist() == [[-2, 0], [-1, 1.5], [0, 3], [0, 1.5], [0, 0]]
        assert found["images"][:, 0, 0].tolist() == [level(code) for code in (-2, -1, 0, 0, 0)]


CODES = arrays.arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=st.floats(-8, 8))


@given(CODES, st.integers(2, 40))
def test_a_straight_way_is_what_interp_makes_of_each_axis(points, count):
    found = way(points.astype(np.float32), "linear", count, NORMAL)
    along = np.linspace(0, len(points) - 1, count)
    exact = points.astype(np.float32).astype(np.float64)
    expected = np.stack([np.interp(along, range(len(points)), axis) for axis in exact.T], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32 of numbers up to 8: 5e-7, and of t


@given(CODES, st.sampled_from(["linear", "slerp"]), st.integers(1, 6))
def test_every_point_of_a_way_is_an_image_of_it_where_the_number_of_images_allows(points, path, between_two):
    points = points.astype(np.float32)
    found = way(points, path, (len(points) - 1) * between_two + 1, NORMAL)
    # On an arc the ends' weights are sines: 1 up to rounding.
    np.testing.assert_allclose(found[::between_two], points, atol=2e-6)
    assert np.array_equal(found[0] + 0, points[0] + 0) or path == "slerp"


def rotated(start, end, t):
    """The point between two at which a turn of a part `t` of their angle arrives, in their own plane."""
    one, other = start / np.linalg.norm(start), end / np.linalg.norm(end)
    across = other - np.dot(one, other) * one
    angle = np.arctan2(np.linalg.norm(across), np.dot(one, other))
    turned = np.cos(t * angle) * one + np.sin(t * angle) * across / np.linalg.norm(across)
    return turned * np.linalg.norm(start)


@given(st.integers(0, 2**32), st.integers(2, 20), st.integers(2, 30))
def test_an_arc_between_codes_of_one_length_is_a_turn_in_their_plane(seed, latent_dim, count):
    start, end = latent.standard_normal(seed, 0, 2, latent_dim).astype(np.float64)
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    points = np.stack([start, end]).astype(np.float32)
    found = way(points, "slerp", count, NORMAL)
    expected = [rotated(*points.astype(np.float64), t) for t in np.linspace(0, 1, count)]
    # Rounded to float32 the lengths differ by 1e-7, which an angle near 180 degrees magnifies.
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(start), rtol=1e-4)


def test_an_arc_between_codes_of_two_lengths_turns_by_equal_angles_and_grows_in_equal_steps():
    found = way(np.float32([[2, 0], [0, 5]]), "slerp", 4, NORMAL)
    angles, lengths = np.pi / 2 * np.array([0, 1, 2, 3]) / 3, [2, 3, 4, 5]
    expected = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(
    arrays.arrays(np.float32, (2, 3), elements=st.floats(-8, 8, width=32)),
    st.integers(2, 30),
)
def test_an_arc_never_leads_further_out_than_its_ends(points, count):
    found = np.linalg.norm(way(points, "slerp", count, NORMAL).astype(np.float64), axis=1)
    assert found.max() <= np.linalg.norm(points.astype(np.float64), axis=1).max() + 1e-3


def test_an_arc_keeps_the_length_that_a_straight_way_loses():
    points = latent.standard_normal(1, 0, 2, 100)
    middle = {path: np.linalg.norm(way(points, path, 3, NORMAL)[1]) for path in ("linear", "slerp")}
    # Two independent codes of 100 axes are some 10 long and at right angles: 10 / sqrt(2) halfway.
    assert middle["linear"] < 8 < 9 < middle["slerp"] < 11


@pytest.mark.parametrize(
    "points", [[[1, 2], [2, 4]], [[1, 2], [-1, -2]], [[0, 0], [3, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]]
)
def test_where_there_is_no_one_arc_the_way_is_straight(points):
    points = np.float32(points)
    assert np.array_equal(way(points, "slerp", 7, NORMAL), way(points, "linear", 7, NORMAL))


def test_a_way_from_images_is_one_between_their_codes(model):
    pixels = pixels_of(gone(model, "example:0;example:1", count=3).content)
    np.testing.assert_allclose(pixels[0, ::8].astype(int), [51, 128, 204], atol=1)


@pytest.mark.parametrize(("text", "parameter"), [("z:0,0;3*z:3,0", "via[1]"), ("-3*z:3,0;centre", "via[0]")])
def test_a_way_through_a_point_too_far_is_refused(model, text, parameter):
    fault = faults(gone, model, text)
    assert (fault.parameter, fault.code) == (parameter, "out_of_range")


@pytest.mark.parametrize("steps", [1, 65])
def test_steps_beyond_the_limit_are_refused(model, steps):
    assert faults(resolve_steps, model, LIMITS, steps).expected.startswith("2..64")
    assert resolve_steps(model, LIMITS, None) == 3


def test_a_way_through_more_points_than_it_has_images_is_refused(model):
    fault = faults(gone, model, "centre;z:1,1;z:2,2;centre", count=3)
    assert (fault.parameter, fault.code, fault.received) == ("via", "too_many", "2 points")
    pixels = pixels_of(gone(model, "centre;z:1,1;z:2,2;centre", count=4).content)
    assert pixels[0, ::8].tolist() == [level(value) for value in (0, 1, 2, 0)]


def test_a_way_of_too_many_pixels_is_refused_before_any_work(model):
    context = context_of(model, ROW, Settings(max_pixels=64 * 4))
    points = points_in("centre;z:1,1", "via", model)
    assert faults(between, context, points, "linear", 5).code == "too_many_pixels"
    assert callable(between(context, points, "linear", 4))
