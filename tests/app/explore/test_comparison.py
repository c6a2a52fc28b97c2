import numpy as np
import pytest

from app.explore.comparison import compare
from app.explore.points import points_in
from app.models import Model
from app.store import scan
from tests.app.explore.asking import ROW, context_of, faults, level
from tests.fakes import MIXTURE, FakeRuntime, pixels_of, write_version


@pytest.fixture
def other(tmp_path):
    write_version(tmp_path, "other", mixture=MIXTURE)
    return Model(scan(tmp_path).find("other"), FakeRuntime())


def compared(model, other, text, style=ROW):
    points = [points_in(text, "points", each) for each in (model, other)]
    return compare(context_of(model, style, path="/compare"), other, *points)()


def test_the_first_model_stands_above_the_second(model, other):
    answer = compared(model, other, "centre;z:1,1")
    pixels = pixels_of(answer.content)
    assert pixels[::8, ::8].tolist() == [[level(0), level(1)], [level(2), level(1)]]
    assert dict(answer.facts)["models"] == "fake@1, other@1"


def test_a_point_means_in_each_model_what_it_means_there(model, other):
    pixels = pixels_of(compared(model, other, "seed:3/2").content)
    for row, each in enumerate((model, other)):
        z = each.prior.draw(3, 2, 1)[0]
        assert abs(int(pixels[8 * row, 0]) - level(z[0])) <= 1  # rounding in float32


def test_images_of_another_size_are_not_compared(model, tmp_path):
    write_version(tmp_path, "wide", shape=(8, 16))
    wide = Model(scan(tmp_path).find("wide"), FakeRuntime((8, 16)))
    fault = faults(compared, model, wide, "centre")
    assert (fault.parameter, fault.code) == ("with", "other_images")


def test_more_points_than_columns_give_further_pairs_of_rows(model, other):
    style = ROW.__class__(2, 1, "light")
    pixels = pixels_of(compared(model, other, "z:0,0;z:1,0;z:2,0", style).content)
    assert pixels.shape == (4 * 8, 2 * 8)
    assert pixels[::8, 0].tolist() == [level(0), level(0), level(2), level(2)]
    assert np.array_equal(pixels[16:, 8:], np.zeros((16, 8)))  # blank cells
