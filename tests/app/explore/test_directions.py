import json

import numpy as np
import pytest

from app.explore.directions import Direction, follow
from app.explore.images import Uploads
from app.explore.points import points_in
from app.pictures.grids import GridStyle
from tests.app.explore.asking import ROW, context_of, faults, level
from tests.fakes import pixels_of, png_bytes


def followed(model, plus, minus, at="centre", low=0.0, high=1.0, steps=3, style=ROW, sent=None):
    sent = sent or Uploads()
    found = [points_in(text, "plus", model, len(sent.files)) for text in (plus, minus, at)]
    direction = Direction(found[0], found[1], found[2][0], low, high, steps)
    return follow(context_of(model, style, path="/directions"), direction, sent)()


def test_a_walk_leads_from_the_point_along_the_difference_of_the_means(model):
    # mean of (4, 0) and (2, 2) less (1, 1): (2, 0), from (-1, 3)
    pixels = pixels_of(followed(model, "z:4,0;z:2,2", "z:1,1", at="z:-1,3").content)
    assert pixels[0, ::8].tolist() == [level(-1), level(0), level(1)]
    assert set(pixels[4].tolist()) == {level(3)}


def test_as_json_the_direction_is_a_point_and_its_strength_is_in_deviations_of_each_axis(model):
    content = json.loads(followed(model, "z:4,0", "z:1,0.5", style=GridStyle(format="json")).content)
    assert content["direction"] == "z:3.0,-0.5"
    strengths = {axis["axis"]: axis["strength"] for axis in content["axes"]}
    for axis, change in enumerate((3.0, -0.5)):
        std = model.manifest.axes[axis].std
        assert strengths[axis] == pytest.approx(change / std if std else 0)
    found = [abs(axis["strength"]) for axis in content["axes"]]
    assert found == sorted(found, reverse=True)


def test_images_are_heaps_too(model):
    sent = Uploads(
        tuple(
            (f"file[{k}]", png_bytes(np.full((8, 8), value, np.uint8))) for k, value in enumerate((204, 51))
        )
    )
    # 0.8 and 0.2 encode to 3 and -3 on both axes: the difference is 6, and half of it leads to 0.
    pixels = pixels_of(
        followed(model, "image:0", "image:1", at="image:1", high=0.5, steps=2, sent=sent).content
    )
    assert pixels[0, ::8].tolist() == [51, level(0)]


def test_a_walk_that_leaves_the_space_is_refused(model):
    fault = faults(followed, model, "z:8,0", "z:-8,0")
    assert (fault.parameter, fault.received) == ("high", "16")


@pytest.mark.parametrize("changes", [{"low": -8.5}, {"high": 9.0}, {"high": float("nan")}])
def test_a_strength_out_of_range_is_refused(model, changes):
    assert faults(followed, model, "z:1,0", "z:0,0", **changes).parameter == next(iter(changes))
