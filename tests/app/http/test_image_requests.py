"""The syntax of the IIIF Image API 3.0, sections 4.1 to 4.8; its examples have an image of 300 x 200 pixels."""

import dataclasses

import pytest

from app.errors import MalformedImageRequest
from app.explore.pyramid import Pyramid
from app.http.image_requests import PARTS, read
from app.manifest import Image

EXAMPLE = Pyramid(Image(shape=(2, 3)), 300, 200, 1000, 1000, 1_000_000, 1)
LIMITED = dataclasses.replace(EXAMPLE, max_width=200, max_height=200, max_area=40_000)
USUAL = {"region": "full", "size": "max", "rotation": "0", "quality": "default", "format": "jpg"}


def asked(pyramid=EXAMPLE, **parts):
    return read(USUAL | parts, pyramid)


def view(pyramid=EXAMPLE, **parts):
    return asked(pyramid, **parts).view


def test_the_parts_are_those_of_an_address():
    assert tuple(USUAL) == PARTS


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("full", (0, 0, 300, 200)),
        ("square", (50, 0, 200, 200)),
        ("125,15,120,140", (125, 15, 120, 140)),
        ("pct:41.6,7.5,40,70", (125, 15, 120, 140)),
        ("125,15,200,200", (125, 15, 175, 185)),  # cut at the edge
        ("pct:41.6,7.5,66.6,100", (125, 15, 175, 185)),
        ("0,0,1,1", (0, 0, 1, 1)),
        ("299,199,99999999999999999999,1", (299, 199, 1, 1)),
        ("pct:0,0,100,100", (0, 0, 300, 200)),
        ("pct:.5,0.,1,1", (2, 0, 3, 2)),
    ],
)
def test_a_region_is_part_of_the_image(text, region):
    assert view(region=text).region == region


@pytest.mark.parametrize(
    "text",
    [
        "", "Full", "0,0,0,10", "0,0,10,0", "300,0,1,1", "0,200,1,1", "-1,0,10,10", "0,0,-5,5", "1.5,0,10,10",
        "0,0,10", "0,0,10,10,10", "0, 0,10,10", "+1,0,10,10", "1e2,0,1,1", "0x1,0,1,1", "\u0661,0,1,1", "a,b,c,d",
        "9" * 400 + ",0,1,1", "pct:0,0,0,10", "pct:-1,0,10,10", "pct:100,0,10,10", "pct:nan,0,1,1", "pct:1,2,3",
        "pct:0,0,.,1", "pct:0,0,0.0000001,1", "0,0,1,1\n", "pct:inf,0,1,1",
    ],
)  # fmt: skip
def test_what_is_no_region_or_an_empty_one_is_refused(text):
    with pytest.raises(MalformedImageRequest) as caught:
        view(region=text)
    assert caught.value.status == 400
    assert caught.value.faults[0].parameter == "region"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("max", (300, 200)),
        ("150,", (150, 100)),
        (",150", (225, 150)),
        ("pct:50", (150, 100)),
        ("225,100", (225, 100)),
        ("!225,100", (150, 100)),
        ("!400,400", (300, 200)),  # as large as possible, and no larger than the region
        ("1,", (1, 1)),
        ("300,200", (300, 200)),
        ("^max", (1000, 667)),
        ("^360,", (360, 240)),
        ("^,240", (360, 240)),
        ("^pct:120", (360, 240)),
        ("^360,360", (360, 360)),
        ("^!360,360", (360, 240)),
        ("^!9999,9999", (1000, 667)),
        ("^10,10", (10, 10)),
    ],
)
def test_a_size_is_that_of_the_scaled_region(text, size):
    assert view(size=text).size == size


def test_a_size_of_a_long_region_has_a_pixel_at_least():
    assert view(region="0,0,300,1", size="3,").size == (3, 1)
    assert view(region="0,0,300,1", size="!3,3").size == (3, 1)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("max", (150, 100)),  # of a level, so that nothing is scaled
        ("!400,400", (200, 133)),
        ("^max", (200, 133)),
        ("^!9999,9999", (200, 133)),
    ],
)
def test_a_size_that_is_to_be_as_large_as_possible_keeps_to_the_limits_and_says_so(text, size):
    request = asked(LIMITED, size=text)
    assert request.view.size == size
    assert request.limited
    assert not asked(EXAMPLE, size="max").limited
    assert not asked(LIMITED, size="!100,100").limited


def test_the_limit_of_the_area_is_kept_to_the_pixel():
    for area in range(1, 400):
        pyramid = dataclasses.replace(EXAMPLE, max_area=area)
        width, height = view(pyramid, size="^max").size
        assert 1 <= width * height <= area


@pytest.mark.parametrize(
    "text",
    [
        "", "full", "0,", ",0", "0,0", "10,0", "!0,10", "^0,10", "pct:0", "pct:0.1", "301,", ",201", "301,200", "300,201",
        "pct:101", "-1,", "1.5,", ",", "!10,", "!,10", "!", "^", "!^10,10", "^^10,10", "pct:", "pct:-5", "pct:1e1",
        "MAX", "10,10,10", "10", "\u0661,", "9" * 400 + ",", "max ", "!max", "^!max", "10,\n", "pct:nan",
    ],
)  # fmt: skip
def test_what_is_no_size_or_larger_than_the_region_is_refused(text):
    with pytest.raises(MalformedImageRequest) as caught:
        view(size=text)
    assert caught.value.status == 400
    assert caught.value.faults[0].parameter == "size"


@pytest.mark.parametrize(
    "text", ["201,", "250,50", "pct:67", "^201,", "^,201", "^1000,1000", "^" + "9" * 20 + ","]
)
def test_a_size_beyond_the_limits_is_refused(text):
    with pytest.raises(MalformedImageRequest, match="at most 200 pixels wide"):
        view(LIMITED, size=text)


@pytest.mark.parametrize(
    ("text", "mirrored", "degrees"),
    [
        ("0", False, 0), ("90", False, 90), ("180.0", False, 180), ("270", False, 270), ("360", False, 0),
        ("!0", True, 0), ("!90", True, 90),
    ],
)  # fmt: skip
def test_a_rotation_is_a_multiple_of_90_degrees(text, mirrored, degrees):
    assert view(rotation=text)[2:4] == (mirrored, degrees)


@pytest.mark.parametrize(
    "text", ["", "45", "22.5", "-90", "450", "!!0", "!", "0!", "90deg", "nan", "9" * 400, "1e2"]
)
def test_another_rotation_is_refused(text):
    with pytest.raises(MalformedImageRequest) as caught:
        view(rotation=text)
    assert caught.value.status == 400
    assert caught.value.faults[0].parameter == "rotation"


@pytest.mark.parametrize(
    "parts",
    [{"quality": "bitonal"}, {"quality": ""}, {"quality": "Default"}, {"format": "tif"}, {"format": "JPG"}],
)
def test_another_quality_or_format_is_refused(parts):
    with pytest.raises(MalformedImageRequest) as caught:
        view(**parts)
    assert caught.value.status == 400
    assert caught.value.faults[0].parameter == next(iter(parts))


def test_grey_is_the_usual_quality_of_a_grey_model_and_another_one_of_colours():
    colour = dataclasses.replace(EXAMPLE, image=Image(shape=(2, 3, 3)))
    assert [view(quality=quality).grey for quality in ("default", "color", "gray")] == [False] * 3
    assert [view(colour, quality=quality).grey for quality in ("default", "color", "gray")] == [
        False,
        False,
        True,
    ]
    assert asked(quality="gray").canonical == "full/max/0/default.jpg"
    assert asked(colour, quality="gray").canonical == "full/max/0/gray.jpg"


@pytest.mark.parametrize(
    ("parts", "canonical", "permanent"),
    [
        ({}, "full/max/0/default.jpg", "full/300,200/0/default.jpg"),
        ({"region": "0,0,999,999"}, "full/max/0/default.jpg", "full/300,200/0/default.jpg"),
        ({"region": "square", "size": "pct:50"}, "50,0,200,200/100,100/0/default.jpg", None),
        ({"region": "pct:50,50,50,50", "size": ",50"}, "150,100,150,100/75,50/0/default.jpg", None),
        ({"size": "^600,"}, "full/^600,400/0/default.jpg", None),
        ({"size": "^150,"}, "full/150,100/0/default.jpg", None),
        ({"rotation": "!360.0", "size": "150,"}, "full/150,100/!0/default.jpg", None),
    ],
)  # fmt: skip
def test_requests_for_the_same_image_have_one_canonical_form(parts, canonical, permanent):
    request = asked(**parts)
    assert request.canonical == canonical
    assert request.permanent == (permanent or canonical)
    again = read(dict(zip(PARTS, request.permanent.replace(".", "/").split("/"), strict=True)), EXAMPLE)
    assert again.view == request.view
