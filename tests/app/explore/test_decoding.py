import numpy as np
import pytest

from app.explore.decoding import decode
from app.explore.images import Uploads
from app.explore.points import points_in
from app.pictures.grids import GridStyle
from app.settings import Settings
from tests.app.explore.asking import LIGHT, context_of, drawn, faults, level
from tests.fakes import pixels_of, png_bytes


def decoded(model, text, style=LIGHT, uploads=None, limits=None):
    sent = uploads or Uploads()
    points = points_in(text, "points", model, len(sent.files))
    context = context_of(model, style, *([limits] if limits else []), path="/decode")
    return decode(context, points, sent)()


def test_points_are_decoded_in_their_order(model):
    pixels = pixels_of(decoded(model, "z:0,2;centre;z:-3,1").content)
    assert pixels[0, ::8].tolist() == [level(0), level(0), level(-3)]
    assert pixels[4, ::8].tolist() == [level(2), level(0), level(1)]


def test_a_sample_is_decoded_by_its_name(model):
    sampled = pixels_of(drawn(model, seed=42, n=4).content)
    assert np.array_equal(pixels_of(decoded(model, "seed:42/3").content), sampled[:, 24:])


def test_a_sum_of_points_is_decoded_as_the_sum_of_their_codes(model):
    # 0.5 (2, 0) + 0.25 (-4, 8) = (0, 2)
    pixels = pixels_of(decoded(model, "0.5*z:2,0~0.25*z:-4,8").content)
    assert pixels[[0, 4], 0].tolist() == [level(0), level(2)]


def test_an_example_and_an_upload_stand_for_what_they_encode_to(model):
    sent = Uploads((("file", png_bytes(np.full((8, 8), 102, np.uint8))),))
    pixels = pixels_of(decoded(model, "example:1;image:0", uploads=sent).content)
    assert pixels[0, ::8].tolist() == [204, 102]  # the fake's decoder inverts its encoder


def test_what_was_done_to_an_upload_is_noted(model):
    sent = Uploads((("file", png_bytes(np.full((8, 8), 250, np.uint8))),), "auto")
    assert decoded(model, "image:0", uploads=sent).notes == ("file: inverted",)


def test_the_codes_travel_with_the_formats_that_carry_them(model):
    answer = decoded(model, "z:0.1,2;z:-3,1e-3", GridStyle(format="csv"))
    assert answer.content.decode() == "image,z0,z1\n0,0.1,2.0\n1,-3.0,0.001\n"


def test_more_points_than_a_picture_may_have_are_refused(model):
    limits = Settings(max_images=2)
    fault = faults(decoded, model, "centre;centre;centre", limits=limits)
    assert (fault.parameter, fault.code) == ("points", "out_of_range")
    assert "VITRINE_MAX_IMAGES" in fault.expected


@pytest.mark.parametrize("text", ["image:0", "example:2", "z:1", "z:9,0", "label:High"])
def test_a_point_that_the_model_does_not_have_is_refused(model, text):
    assert faults(decoded, model, text).parameter.startswith("points")


def test_many_places_are_drawn_in_a_thread(model):
    text = ";".join(["seed:1"] * 40)
    works = [
        decode(context_of(model, LIGHT, path="/decode"), points_in(each, "points", model))
        for each in (text, "seed:1")
    ]
    assert [(work.slow_start, work.heavy) for work in works] == [(True, True), (False, False)]
    assert np.array_equal(pixels_of(works[0]().content)[:8, :8], pixels_of(works[1]().content))
