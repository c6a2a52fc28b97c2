import math
from statistics import NormalDist

import numpy as np
import pytest

from app.errors import ImageNotFound, MalformedImageRequest
from app.explore.grids import Context
from app.explore.planes import Plane
from app.explore.points import parse
from app.explore.pyramid import (
    CELLS,
    LEVELS,
    MOST_CELLS,
    Pyramid,
    Region,
    View,
    cells_of,
    codes_at,
    draw_view,
    middles,
    most_cells,
)
from app.manifest import Image
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe
from app.settings import Settings
from tests.fakes import pixels_of

WHOLE = Plane((parse("centre", "at"),), (0, 1), 1, 1)
SMALL = Image(shape=(8, 8))
CLOTHES = Image(shape=(28, 28))
FULL = 8 * CELLS


def drawn(model, region, size, ink="light", plane=WHOLE, limits=None, **changes):
    """Pixels of a view of the fake model's plane."""
    recipe = Recipe("fake@1", "0" * 64, "/manifold", {}, "/manifold/x")
    context = Context(model, limits or Settings(), GridStyle(ink=ink), recipe)
    return pixels_of(draw_view(context, plane, View(Region(*region), size, **changes))().content)


def value(probability):
    """Value of an axis of the fake model, N(0, 1), this far along the full image."""
    return NormalDist().inv_cdf(0.001 + probability * 0.998)


def level(code):
    """Level of a half whose axis has this value in the fake model."""
    return min(255, int(256 * np.clip(np.float32(0.5) + np.float32(code) / np.float32(10), 0, 1)))


def cell(column, row, cells):
    """Pixels of one cell of a level that has `cells` along a side: axis 0 above, axis 1 below."""
    pixels = np.empty((8, 8), np.uint8)
    pixels[:4] = level(value((column + 0.5) / cells))
    pixels[4:] = level(value(1 - (row + 0.5) / cells))
    return pixels


def grid(cells, columns, rows):
    return np.block([[cell(column, row, cells) for column in columns] for row in rows])


def test_the_coarsest_level_is_the_code_in_the_middle(model):
    pixels = drawn(model, (0, 0, FULL, FULL), (8, 8))
    assert (pixels == level(0.0)).all()


@pytest.mark.parametrize("k", range(LEVELS))
def test_every_level_shows_the_codes_in_the_middles_of_its_own_cells(model, k):
    cells = CELLS >> k
    shown = min(4, cells)
    first = cells - shown  # those of the lower right corner
    side = (8 << k) * shown
    pixels = drawn(model, (FULL - side, FULL - side, side, side), (8 * shown, 8 * shown))
    numbers = range(first, cells)
    np.testing.assert_array_equal(pixels, grid(cells, numbers, numbers))


def test_the_first_axis_grows_to_the_right_and_the_second_upwards(model):
    pixels = drawn(model, (0, 0, FULL, FULL), (16, 16))
    assert pixels[0, 0] == level(value(0.25)) < pixels[0, 8] == level(value(0.75))
    assert pixels[12, 0] == level(value(0.25)) < pixels[4, 0] == level(value(0.75))


def test_axes_may_be_the_other_way_round(model):
    turned = Plane(WHOLE.points, (1, 0), 1, 1)
    pixels = drawn(model, (0, 0, FULL, FULL), (16, 16), plane=turned)
    assert pixels[4, 0] == level(value(0.25)) < pixels[4, 8] == level(value(0.75))


def test_neighbouring_regions_are_parts_of_one_picture(model):
    side = 8 << 6  # cells of level 6
    together = drawn(model, (3 * side, 5 * side, 4 * side, 2 * side), (32, 16))
    left = drawn(model, (3 * side, 5 * side, 2 * side, 2 * side), (16, 16))
    right = drawn(model, (5 * side, 5 * side, 2 * side, 2 * side), (16, 16))
    np.testing.assert_array_equal(np.hstack([left, right]), together)


def test_a_cell_lies_between_the_four_of_the_next_finer_level(model):
    side = 8 << 7
    coarse = drawn(model, (side, side, side, side), (8, 8))
    fine = drawn(model, (side, side, side, side), (16, 16))
    for half in (slice(0, 4), slice(4, 8)):
        around = {int(fine[8 * row :, 8 * column :][half][0, 0]) for row in (0, 1) for column in (0, 1)}
        assert min(around) <= coarse[half][0, 0] <= max(around)


def test_a_region_that_cuts_cells_is_cut_to_the_pixel(model):
    pixels = drawn(model, (1003, 2005, 50, 31), (50, 31))  # level 0: a pixel is a pixel
    first_column, first_row = 1003 // 8, 2005 // 8
    whole = grid(CELLS, range(first_column, first_column + 8), range(first_row, first_row + 6))
    left, upper = 1003 % 8, 2005 % 8
    np.testing.assert_array_equal(pixels, whole[upper : upper + 31, left : left + 50])


def test_a_region_between_levels_is_scaled_from_the_nearest(model):
    """Of 8 pixels a cell, 9 are made: within a cell's half the level stays what it is, but at its edges."""
    pixels = drawn(model, (0, 0, FULL, FULL), (36, 36))
    assert pixels.shape == (36, 36)
    centres = [round((k + 0.5) * 9) for k in range(4)]
    for column, x in enumerate(centres):
        for row in range(4):
            assert pixels[9 * row + 2, x] == level(value((column + 0.5) / 4))


def test_a_scaled_region_holds_no_level_beyond_those_that_were_decoded(model):
    pixels = drawn(model, (0, 0, FULL, FULL), (100, 77))
    decoded = grid(8, range(8), range(8))
    assert decoded.min() <= pixels.min() < pixels.max() <= decoded.max()


def test_a_mirrored_picture_is_turned_after_that(model):
    upright = drawn(model, (0, 0, FULL, FULL // 2), (32, 16))
    turned = drawn(model, (0, 0, FULL, FULL // 2), (32, 16), mirrored=True, rotation=90)
    assert turned.shape == (32, 16)
    np.testing.assert_array_equal(turned, np.rot90(upright[:, ::-1], -1))


def test_dark_ink_is_drawn_on_white(model):
    light, dark = (drawn(model, (0, 0, FULL, FULL), (32, 32), ink=ink) for ink in ("light", "dark"))
    np.testing.assert_array_equal(dark, 255 - light)


@pytest.mark.parametrize(
    ("scale", "expected"), [(1, 0), (1.4, 0), (1.42, 1), (2, 1), (2.8, 1), (2.9, 2), (0.1, 0), (2048, 11)]
)
def test_the_level_is_the_nearest_by_ratio(scale, expected):
    size = (max(1, round(80 / scale)),) * 2
    region = Region(0, 0, round(size[0] * scale), round(size[1] * scale))
    exact = region.width / size[0]
    if abs(math.log2(exact) % 1 - 0.5) > 0.01:  # rounding to pixels has not moved it across the border
        assert cells_of(region, size, SMALL).level == expected


def test_a_coarser_level_serves_where_the_nearest_has_too_many_cells():
    full = Region(0, 0, 28 * CELLS, 28 * CELLS)
    exact, larger = cells_of(full, (448, 448), CLOTHES), cells_of(full, (896, 896), CLOTHES)
    assert exact == larger == (7, 0, 0, 16, 16)


def test_no_region_within_the_limits_takes_more_cells_than_there_may_be():
    generator = np.random.default_rng(0)
    for _ in range(2000):
        image = Image(shape=tuple(generator.integers(1, 300, 2).tolist()))
        width, height = CELLS * image.width, CELLS * image.height
        x, y = int(generator.integers(width)), int(generator.integers(height))
        region = Region(
            x, y, int(generator.integers(1, width - x + 1)), int(generator.integers(1, height - y + 1))
        )
        size = tuple(generator.integers(1, 16 * 300, 2).tolist())
        assert cells_of(region, size, image).number <= most_cells(image) <= MOST_CELLS


@pytest.mark.parametrize("max_images", [12, 16, 25, 64, 100, 200, 323, 324, 400])
def test_whatever_an_operator_allows_every_region_of_an_allowed_size_can_be_drawn(model, max_images):
    pyramid = Pyramid.of(model, Settings(max_images=max_images))
    generator = np.random.default_rng(1)
    for _ in range(500):
        width, height = (int(2 ** generator.uniform(0, 14)) for _ in range(2))
        x, y = int(generator.integers(FULL - width)), int(generator.integers(FULL - height))
        size = (
            int(generator.integers(1, pyramid.max_width + 1)),
            int(generator.integers(1, pyramid.max_height + 1)),
        )
        assert pyramid.allows(*size)
        assert cells_of(Region(x, y, width, height), size, SMALL).number <= max_images


def test_what_takes_more_images_than_an_operator_allows_is_refused(model):
    with pytest.raises(MalformedImageRequest, match="VITRINE_MAX_IMAGES"):
        drawn(model, (0, 0, FULL, FULL), (32, 32), limits=Settings(max_images=15))


@pytest.mark.parametrize(
    ("settings", "unit", "limits"),
    [
        ({}, 8, (128, 128, 16384)),
        ({"max_images": 100}, 4, (40, 40, 1600)),
        ({"max_images": 1}, 1, (8, 8, 64)),
        ({"max_pixels": 1000}, 2, (128, 128, 1000)),
        ({"max_pixels": 64}, 1, (128, 128, 64)),
    ],
)
def test_limits_follow_from_the_settings(model, settings, unit, limits):
    pyramid = Pyramid.of(model, Settings(**settings))
    assert pyramid.unit == unit
    assert (pyramid.max_width, pyramid.max_height, pyramid.max_area) == limits
    assert pyramid.allows(8 * unit, 8 * unit)
    assert (pyramid.width, pyramid.height) == (FULL, FULL)


def test_a_model_whose_single_image_is_more_than_an_answer_may_be_has_no_plane(model):
    with pytest.raises(ImageNotFound, match="VITRINE_MAX_PIXELS"):
        Pyramid.of(model, Settings(max_pixels=63))


def test_the_largest_size_of_a_region_is_that_of_a_level(model):
    pyramid = Pyramid.of(model, Settings())
    assert pyramid.largest(Region(0, 0, FULL, FULL)) == (128, 128)
    assert pyramid.largest(Region(5, 5, 100, 60)) == (100, 60)
    assert pyramid.largest(Region(5, 5, 129, 61)) == (65, 31)
    assert pyramid.largest(Region(0, 0, FULL, 1)) == (128, 1)


def test_codes_are_the_quantiles_of_a_gaussian_and_the_held_code_elsewhere(model):
    codes = codes_at(WHOLE, model, np.zeros(2, np.float32), np.array([0.1, 0.5]), np.array([0.25]))
    expected = [[value(0.1), value(0.75)], [value(0.5), value(0.75)]]
    np.testing.assert_allclose(codes, expected, rtol=1e-6)  # rounded to float32 once


def test_middles_of_cells_lie_halfway_between_their_edges():
    assert middles(0, 1, LEVELS - 1).tolist() == [0.5]
    assert middles(2, 2, LEVELS - 3).tolist() == [0.625, 0.875]
    assert middles(CELLS - 1, 1, 0).tolist() == [1 - 0.5 / CELLS]
