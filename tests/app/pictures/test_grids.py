import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pictures import grids


def test_values_are_clipped_and_cut_into_256_equal_bins():
    values = np.array([-0.1, 0.0, 0.5, 1.0, 1.1, 100 / 255, 0.999 / 256, 1 / 256], np.float32)
    assert grids.to_pixels(values).tolist() == [0, 0, 128, 255, 255, 100, 0, 1]


def test_every_value_is_drawn_within_one_level_of_matplotlibs_binary_map():
    import matplotlib as mpl

    values = np.linspace(-0.1, 1.1, 100_001, dtype=np.float32)
    theirs = mpl.colormaps["binary"](mpl.colors.Normalize(0, 1)(values), bytes=True)[:, 0].astype(int)
    ours = grids.grid(grids.to_pixels(values)[:, None, None], columns=len(values), ink="dark")[0]
    assert np.abs(ours - theirs).max() <= 1


def test_every_8_bit_level_survives_the_way_through_float32():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(grids.to_pixels(levels.astype(np.float32) / np.float32(255)), levels)


def test_four_flat_images_fill_a_two_by_two_grid_row_by_row():
    images = np.stack([np.full((2, 3), level, np.uint8) for level in (10, 20, 30, 40)])
    expected = [
        [10, 10, 10, 20, 20, 20],
        [10, 10, 10, 20, 20, 20],
        [30, 30, 30, 40, 40, 40],
        [30, 30, 30, 40, 40, 40],
    ]
    assert grids.grid(images, columns=2, ink="light").tolist() == expected


def test_dark_ink_draws_zero_as_white_and_full_as_black():
    images = np.array([[[0, 255]], [[100, 1]]], np.uint8)
    assert grids.grid(images, columns=2, ink="dark").tolist() == [[255, 0, 155, 254]]


@pytest.mark.parametrize(("ink", "level"), [("dark", 255), ("light", 0)])
def test_cells_left_over_in_the_last_row_are_paper(ink, level):
    pixels = grids.grid(np.full((3, 2, 2), 9, np.uint8), columns=2, ink=ink)
    assert (pixels[2:, 2:] == level).all()


@pytest.mark.parametrize(("ink", "level"), [("dark", 55), ("light", 200)])
def test_cells_left_over_hold_the_level_that_is_asked_for(ink, level):
    pixels = grids.grid(np.full((3, 2, 2), 9, np.uint8), columns=2, ink=ink, blank=200)
    assert (pixels[2:, 2:] == level).all()


def test_zoom_makes_every_pixel_a_square():
    pixels = grids.grid(np.array([[[1, 2]]], np.uint8), columns=1, zoom=2, ink="light")
    assert pixels.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_a_grid_is_never_wider_than_its_images():
    assert grids.grid(np.zeros((3, 4, 5), np.uint8), columns=7).shape == (4, 15)


@given(count=st.integers(1, 30), columns=st.integers(1, 12), zoom=st.integers(1, 3), colour=st.booleans())
def test_every_image_stands_in_its_cell(count, columns, zoom, colour):
    shape = (count, 3, 2, 3) if colour else (count, 3, 2)
    images = np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)
    pixels = grids.grid(images, columns, zoom, "light")
    across = min(columns, count)
    for index, image in enumerate(images):
        top, left = index // across * 3 * zoom, index % across * 2 * zoom
        cell = pixels[top : top + 3 * zoom : zoom, left : left + 2 * zoom : zoom]
        assert np.array_equal(cell, image)


def test_levels_of_what_is_computed_are_those_of_its_images():
    images = np.linspace(-0.5, 1.5, 64, dtype=np.float32).reshape(1, 8, 8)
    levels = grids.levels_of(lambda rows, shift: rows + shift)(images, np.float32(0.25))
    np.testing.assert_array_equal(levels, grids.to_pixels(images + np.float32(0.25)))
