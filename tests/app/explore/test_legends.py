import numpy as np

from app.explore import legends
from app.pictures.grids import GridStyle
from tests.app.explore.asking import context_of

DARK, LIGHT = GridStyle(ink="dark"), GridStyle(ink="light")


def test_a_legend_names_each_class_its_colour_and_how_often_it_is_shown(of_a_map):
    legend = legends.of_classes(of_a_map.map, np.array([1, 1, 0]), DARK)
    low, high = legend.data["classes"]
    assert (low["class"], low["images"]) == ("Low", 1)
    assert (high["class"], high["images"]) == ("High", 2)
    assert legend.fact == ("classes", f"Low={low['colour']}, High={high['colour']}")
    assert bytes(legend.tints[2].tolist()).hex() == low["colour"][1:]
    assert np.array_equal(legend.tints[0], legend.tints[1])


def test_a_class_of_any_name_can_stand_in_a_header(of_a_map):
    named = legends.dataclasses.replace(of_a_map.map, names=("Größe, L", "a=b"))
    _, text = legends.of_classes(named, np.array([0]), DARK).fact
    assert text.isascii()
    assert text.startswith("Gr%C3%B6%C3%9Fe%2C L=#")
    assert ", a%3Db=#" in text


def test_cells_without_images_keep_their_ground(of_a_map):
    legend = legends.of_counts(np.array([0, 1, 4]), 9, DARK)
    assert legend.tints[0].tolist() == [255] * 3
    assert (legend.fact, legend.data["inside"], legend.data["num_images"]) == (("density", "0..4"), 5, 9)
    assert legends.of_counts(np.zeros(3, np.int64), 9, LIGHT).tints.tolist() == [[0] * 3] * 3


def test_the_nearest_image_is_found_for_more_codes_than_are_compared_at_a_time(of_a_map):
    codes = np.random.default_rng(0).normal(size=(legends._CELLS + 7, 2)).astype(np.float32)
    known = of_a_map.map.z_mean.astype(np.float64)
    expected = [int(np.argmin(((known - code) ** 2).sum(axis=1))) for code in codes]
    assert legends.nearest(of_a_map.map, codes).tolist() == expected


def test_a_ground_is_white_or_black_as_it_is_drawn():
    for blank, ink, white in (
        (0, "dark", True),
        (0, "light", False),
        (255, "light", True),
        (255, "dark", False),
    ):
        assert legends.is_on_white(GridStyle(ink=ink, blank=blank)) == white


def test_tinted_images_are_drawn_as_they_are(of_a_map):
    images = np.array([[[0, 255]]], np.uint8)  # dark ground, light thing
    context, tinted = legends.tinted(context_of(of_a_map, DARK), images, np.array([[200, 100, 50]], np.uint8))
    assert context.style.ink == "light"
    assert tinted[0, 0].tolist() == [[200, 100, 50], [0, 0, 0]]
