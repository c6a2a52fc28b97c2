import io

import numpy as np
import pytest
from PIL import Image

from app.pictures import regions
from app.pictures.formats import Drawing
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=-1)


def test_a_box_of_whole_pixels_is_cut():
    np.testing.assert_array_equal(regions.cut(GREY, (2.0, 1.0, 5.0, 6.0)), GREY[1:6, 2:5])


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_scaling_by_a_half_takes_weighted_means_of_neighbours(pixels):
    scaled = regions.scaled(pixels, (0, 0, 8, 6), (4, 3))
    assert scaled.shape == (3, 4, *pixels.shape[2:])
    # A ramp stays a ramp: within it, a level is the mean of the pixels around its place.
    inner = pixels[2:4, 2:4].astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose(scaled[1, 1], inner, atol=0.5)  # rounded to a whole level


def test_pixels_beside_the_box_take_part_in_its_edge_alone_so_that_neighbours_meet():
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 255
    scaled = regions.scaled(pixels, (0, 0, 4, 8), (7, 7))
    assert (scaled[:, :6] == 0).all()
    # The middle of the last of 7 columns is 3.714, of which the pixel from 4 on has 21.4 %.
    assert (scaled[:, 6] == round(0.214 * 255)).all()


@pytest.mark.parametrize(("degrees", "upper_left"), [(0, 0), (90, 40), (180, 47), (270, 7)])
def test_pictures_are_turned_clockwise(degrees, upper_left):
    turned = regions.turned(GREY, False, degrees)
    assert turned[0, 0] == upper_left
    assert turned.shape == ((6, 8) if degrees % 180 == 0 else (8, 6))


def test_pictures_are_mirrored_left_to_right_before_they_are_turned():
    assert regions.turned(GREY, True, 0)[0].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert regions.turned(GREY, True, 90)[0].tolist() == GREY[::-1, 7].tolist()


def test_grey_is_the_luma_of_colours_and_leaves_grey_alone():
    luma = 0.299 * COLOUR[..., 0] + 0.587 * COLOUR[..., 1] + 0.114 * COLOUR[..., 2]
    np.testing.assert_allclose(regions.grey(COLOUR), luma, atol=1)  # whole levels
    assert regions.grey(GREY) is GREY


@pytest.mark.parametrize("kind", regions.FORMATS)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_every_format_holds_the_picture_and_where_it_comes_from(kind, pixels):
    recipe = Recipe("fake@1", "0" * 64, "/manifold", {"x": 0}, "/manifold/fake")
    offered = regions.FORMATS[kind]
    drawing = Drawing(pixels[None], 1, GridStyle(ink="light"), recipe)
    content = offered.encode(drawing)
    assert content == offered.encode(drawing)
    assert recipe.provenance.xmp in content
    with Image.open(io.BytesIO(content)) as image:
        assert image.get_format_mimetype() == offered.media_type
        shown = np.asarray(image.convert("RGB" if pixels.ndim == 3 else "L")).astype(int)
    # JPEG's quantisation steps at quality 90 are some 20 levels of the highest frequencies; a ramp has few.
    np.testing.assert_allclose(shown, pixels, atol=6 if kind == "jpg" else 0)
