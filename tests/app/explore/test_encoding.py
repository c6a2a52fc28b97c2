import json

import numpy as np
import pytest

from app.explore.encoding import encode, kl_by_axis
from app.explore.images import Uploads
from app.pictures.grids import GridStyle
from tests.app.explore.asking import context_of
from tests.fakes import png_bytes


def encoded(model, *levels, invert="no"):
    files = tuple(
        (f"file[{k}]", png_bytes(np.full((8, 8), level, np.uint8))) for k, level in enumerate(levels)
    )
    answer = encode(context_of(model, GridStyle(format="json"), path="/encode"), Uploads(files, invert))()
    return json.loads(answer.content)["images"], answer


def test_the_code_of_an_image_is_that_of_the_encoder(model):
    images, answer = encoded(model, 102, 204)  # 0.4 and 0.8: the fake's codes are -1 and 3 on both axes
    assert images[0]["z_mean"] == pytest.approx([-1, -1], abs=1e-5)
    assert images[1]["z_mean"] == pytest.approx([3, 3], abs=1e-5)
    assert images[0]["z_log_var"] == [0, 0]
    assert dict(answer.facts)["images"] == "2"


def test_the_kl_is_that_of_its_closed_form(model):
    (image,), _ = encoded(model, 204)
    # (9 + 1 - 1 - 0) / 2 on each of two axes
    assert image["kl_by_axis"] == pytest.approx([4.5, 4.5], abs=1e-4)
    assert image["kl"] == pytest.approx(9, abs=1e-4)
    mean, log_var = np.array([[0.5, 2.0]]), np.log([[0.25, 4.0]])
    assert kl_by_axis(mean, log_var)[0] == pytest.approx(
        [(0.25 + 0.25 - 1 + np.log(4)) / 2, (4 + 4 - 1 - np.log(4)) / 2]
    )


def test_the_kl_stays_a_number_where_an_encoder_gives_none_that_could_be():
    assert np.isfinite(kl_by_axis(np.array([[1e3]], np.float32), np.array([[1e9]], np.float32))).all()


def test_the_nearest_examples_come_first_with_their_distance(model):
    (image,), _ = encoded(model, 178)  # 0.698: code 1.98; the examples, 0.2 and 0.8, are at -3 and 3
    assert [each["example"] for each in image["nearest"]] == [1, 0]
    code = image["z_mean"][0]
    assert image["nearest"][0]["distance"] == pytest.approx((3 - code) * np.sqrt(2), abs=1e-4)


def test_the_point_that_is_named_is_the_code(model):
    (image,), _ = encoded(model, 77)
    assert [np.float32(part) for part in image["point"].removeprefix("z:").split(",")] == [
        np.float32(value) for value in image["z_mean"]
    ]


def test_what_was_done_to_an_upload_is_noted(model):
    assert encoded(model, 250, invert="auto")[1].notes == ("file[0]: inverted",)
