import numpy as np
import pytest

from app.explore.grids import GridStyle, check_range, draw_grid, is_heavy
from app.explore.samples import Samples, sampler
from app.settings import Settings
from tests.app.explore.asking import faults
from tests.fakes import pixels_of


def test_a_picture_with_too_many_pixels_is_refused(model):
    limits = Settings(max_pixels=8 * 8 * 4)
    five = {"model": model, "limits": limits, "style": GridStyle(2), "samples": Samples(5)}
    assert "VITRINE_MAX_PIXELS" in faults(sampler, **five).expected
    assert sampler(model, limits, GridStyle(2), Samples(4))(1)().rows == 2


def test_a_grid_is_drawn_in_the_format_and_the_ink_that_are_asked_for():
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.full((1, 2, 2), 50, np.uint8)
    picture = draw_grid(images, 2, GridStyle(ink="light"), ("a note",))
    assert (picture.media_type, picture.columns, picture.rows) == ("image/png", 2, 2)
    assert picture.notes == ("a note",)
    assert pixels_of(picture.content).tolist() == [[0, 0, 50, 50]] * 2 + [[100, 100, 0, 0]] * 2


def test_a_grid_is_heavy_from_a_quarter_of_a_millisecond_on(model):
    assert not is_heavy(1024, model, GridStyle())  # 65,536 pixels of the fake's 8 x 8
    assert is_heavy(1025, model, GridStyle())
    assert is_heavy(257, model, GridStyle(zoom=2))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -8.0001])
def test_what_is_no_number_within_the_range_is_refused(value):
    fault = faults(check_range, name="low", value=value, least=-8.0, most=8.0)
    assert (fault.parameter, fault.expected) == ("low", "-8..8")
