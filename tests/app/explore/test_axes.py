import json

import numpy as np

from app.explore.axes import DEAD_NATS, contact_sheet, default_point
from app.explore.points import points_in
from app.models import Model
from app.pictures.grids import GridStyle
from app.settings import Settings
from app.store import scan
from tests.app.explore.asking import LIMITS, ROW, context_of, faults, level
from tests.fakes import FakeRuntime, pixels_of, write_version


def sheet(model, at="z:0,0", steps=3, style=ROW, limits=LIMITS):
    return contact_sheet(
        context_of(model, style, limits, path="/axes"), points_in(at, "at", model)[0], steps
    )()


def test_every_axis_runs_through_its_range_in_a_row_of_its_own(model):
    ranges = [(axis.quantiles["0.025"], axis.quantiles["0.975"]) for axis in model.manifest.axes]
    pixels = pixels_of(sheet(model).content)
    assert pixels.shape == (2 * 8, 3 * 8)
    assert pixels[0, ::8].tolist() == [level(value) for value in np.linspace(*ranges[0], 3)]
    assert pixels[12, ::8].tolist() == [level(value) for value in np.linspace(*ranges[1], 3)]


def test_the_other_axes_are_held_at_the_point(model):
    pixels = pixels_of(sheet(model, at="z:3,-2").content)
    assert set(pixels[4:8].ravel().tolist()) == {level(-2)}  # axis 1, while axis 0 is walked
    assert set(pixels[8:12].ravel().tolist()) == {level(3)}


def test_as_json_each_axis_has_its_kl_its_range_and_whether_it_is_dead(model):
    answer = sheet(model, style=GridStyle(format="json"))
    axes = json.loads(answer.content)["axes"]
    assert [axis["axis"] for axis in axes] == [0, 1]
    for found, axis in zip(axes, model.manifest.axes, strict=True):
        assert found["kl"] == axis.kl
        assert (found["low"], found["high"]) == (axis.quantiles["0.025"], axis.quantiles["0.975"])
        assert found["dead"] is (axis.kl < DEAD_NATS)
    assert dict(answer.facts)["dead-axes"] == str(sum(axis["dead"] for axis in axes))


def test_a_real_code_holds_the_axes_unless_asked_otherwise(model, tmp_path):
    assert default_point(model) == "example:0"
    write_version(tmp_path, examples=[])
    assert default_point(Model(scan(tmp_path).find("fake"), FakeRuntime())) == "seed:0/0"


def test_a_sheet_with_too_many_pixels_is_refused(model):
    assert faults(sheet, model, limits=Settings(max_pixels=6 * 64 - 1)).code == "too_many_pixels"
