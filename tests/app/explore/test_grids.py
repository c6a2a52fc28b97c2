import dataclasses

import numpy as np
import pytest

from app.explore.grids import check_range
from app.explore.samples import Samples, sampler
from app.pictures.formats import FORMATS
from app.pictures.grids import GridStyle
from app.settings import Settings
from tests.app.explore.asking import context_of, faults
from tests.fakes import pixels_of


def test_a_picture_with_too_many_pixels_is_refused(model):
    context = context_of(model, GridStyle(2), Settings(max_pixels=8 * 8 * 4))
    assert "VITRINE_MAX_PIXELS" in faults(sampler, context=context, samples=Samples(5)).expected
    assert dict(sampler(context, Samples(4))(1)().facts)["grid"] == "2x2"


def test_a_grid_is_drawn_in_the_format_and_the_ink_that_are_asked_for(model):
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.full((1, 2, 2), 50, np.uint8)
    picture = context_of(model, GridStyle(ink="light")).draw(images, 2, facts=(("a", "fact"),))
    assert (picture.media_type, picture.facts) == ("image/png", (("grid", "2x2"), ("a", "fact")))
    assert picture.notes == ()
    assert pixels_of(picture.content).tolist() == [[0, 0, 50, 50]] * 2 + [[100, 100, 0, 0]] * 2


def test_a_grid_is_heavy_from_a_quarter_of_a_millisecond_on(model):
    assert not context_of(model, GridStyle()).is_heavy(1024)  # 65,536 pixels of the fake's 8 x 8
    assert context_of(model, GridStyle()).is_heavy(1025)
    assert context_of(model, GridStyle(zoom=2)).is_heavy(257)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_whose_pixels_take_longer_is_heavy_with_fewer_of_them(model, name):
    context = context_of(model, GridStyle(format=name))
    most = 1024 // FORMATS[name].cost
    assert not context.is_heavy(most)
    assert context.is_heavy(most + 1)


@pytest.mark.parametrize(("columns", "zoom"), [(None, 16), (1, 16), (127, 16), (None, 15)])
def test_a_grid_that_is_longer_than_its_format_can_be_is_refused_and_the_longest_is_drawn(
    model, columns, zoom
):
    count = 16_383 // (8 * zoom)  # 8 x 8 pixels each
    for more in (0, 1):
        context = context_of(model, GridStyle(columns, zoom, format="webp"))
        if columns in (None, 1) and more:
            fault = faults(context.check_grid, count + more)
            assert (fault.parameter, fault.code) == ("zoom", "too_many_pixels")
            assert "16383 pixels a side of a webp" in fault.expected
        else:
            images = np.zeros((count + more, 8, 8), np.uint8)
            assert context.draw(images, context.check_grid(count + more)).media_type == "image/webp"
    assert context_of(model, GridStyle(columns, zoom)).check_grid(count + 1) == min(columns or 999, count + 1)


@pytest.mark.parametrize(
    ("style", "arguments", "blamed", "remedy"),
    [
        (GridStyle(2), {"by": ["n"]}, "n", "Ask for a smaller n."),
        (GridStyle(2), {"by": ["n"], "other_columns": True}, "n", "Ask for a smaller n."),
        (GridStyle(2, 2), {"by": ["n"]}, "n", "Ask for a smaller n."),
        (GridStyle(2, 2), {"by": ["columns", "rows"]}, "columns", "Ask for fewer columns or fewer rows."),
        (GridStyle(2, 2), {"by": ["steps"], "count": 4}, "zoom", "Ask for fewer steps or a smaller zoom."),
        (GridStyle(2, 2), {"count": 4}, "zoom", "Ask for a smaller zoom."),
        (GridStyle(2), {"by": ["file"]}, "file", "Ask for fewer images."),
        (GridStyle(2), {}, "zoom", "Ask for a model of smaller images."),
    ],
)
def test_a_grid_of_too_many_pixels_is_blamed_on_what_can_mend_it(model, style, arguments, blamed, remedy):
    context = context_of(model, style, Settings(max_pixels=8 * 8 * 4))
    fault = faults(context.check_grid, **({"count": 5} | arguments))
    assert (fault.parameter, fault.code) == (blamed, "too_many_pixels")
    assert fault.remedy == remedy


@pytest.mark.parametrize(
    ("style", "arguments", "blamed", "remedy"),
    [
        (GridStyle(None, 1, format="webp"), {"by": ["steps"]}, "steps", "Ask for fewer steps or a png."),
        (GridStyle(None, 16, format="webp"), {"count": 200}, "zoom", "Ask for a smaller zoom or a png."),
        (
            GridStyle(None, 1, format="webp"),
            {"other_columns": True},
            "zoom",
            "Ask for other columns or a png.",
        ),
    ],
)
def test_a_grid_that_is_longer_than_its_format_can_be_is_told_what_can_mend_it(
    model, style, arguments, blamed, remedy
):
    fault = faults(context_of(model, style).check_grid, **({"count": 3000} | arguments))
    assert (fault.parameter, fault.remedy) == (blamed, remedy)


@pytest.mark.parametrize("fps", [0, 51])
def test_a_rate_that_no_format_knows_is_refused(model, fps):
    fault = faults(context_of(model, GridStyle(format="apng", fps=fps)).check_grid, 3)
    assert (fault.parameter, fault.expected) == ("fps", "1..50")


def test_a_context_of_a_seed_or_without_an_address_differs_in_its_recipe_alone(model):
    context = context_of(model)
    seeded, alone = context.seeded(7), context.without_address()
    assert seeded.recipe.address == f"{context.recipe.address}&seed=7"
    assert seeded.recipe.parameters == {"seed": 7}
    assert alone.recipe == context.recipe._replace(address=None)
    for other in (seeded, alone):
        assert dataclasses.replace(other, recipe=context.recipe) == context


@pytest.mark.parametrize("name", FORMATS)
def test_codes_are_carried_by_the_formats_that_say_so(model, name):
    assert context_of(model, GridStyle(format=name)).has_codes is (name in ("npz", "json", "zip", "csv"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -8.0001])
def test_what_is_no_number_within_the_range_is_refused(value):
    fault = faults(check_range, name="low", value=value, least=-8.0, most=8.0)
    assert (fault.parameter, fault.expected) == ("low", "-8..8")


@pytest.mark.parametrize(
    ("most", "written"),
    [(2.0**40, "0..1099511627776"), (8.0, "0..8"), (0.25, "0..0.25"), (10_000_000, "0..10000000")],
)
def test_a_limit_is_written_so_that_it_can_be_used(most, written):
    fault = faults(check_range, name="offset", value=2.0**41, least=0, most=most)
    assert (fault.expected, fault.remedy) == (written, f"Use {written.replace('..', ' to ')}.")
    check_range("offset", float(written.split("..")[1]), 0, most)
