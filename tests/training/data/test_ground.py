import numpy as np
import pytest

from training.data.ground import is_drawn_inverted, measure


def drawn_on(levels, inside=0.5):
    """An image for each level or colour: a square of 4 x 4 on it."""
    levels = np.asarray(levels, np.float32)
    images = np.empty((len(levels), 8, 8, *levels.shape[1:]), np.float32)
    images[:] = levels[:, None, None]
    images[:, 2:6, 2:6] = inside
    return images


@pytest.mark.parametrize(
    ("levels", "ground"),
    [
        ([0.0] * 10, "dark"),
        ([0.9, 1.0, 0.8, 0.7] * 5, "light"),
        ([0.0, 1.0] * 5, "mixed"),
        ([0.5] * 10, "mixed"),  # a middle grey is neither
        ([1.0] * 9 + [0.0], "light"),  # nine of ten decide
        ([1.0] * 8 + [0.0] * 2, "mixed"),
        ([0.0] * 9 + [1.0], "dark"),
    ],
)
def test_images_have_the_ground_that_nine_of_ten_have_at_their_border(levels, ground):
    assert measure(drawn_on(levels)) == ground
    assert measure(drawn_on([(level,) * 3 for level in levels])) == ground


def test_what_a_picture_shows_does_not_decide_its_ground():
    assert measure(drawn_on([1.0] * 10, inside=0.0)) == "light"
    touching = drawn_on([1.0] * 10, inside=0.0)
    touching[:, :, 2:5] = 0  # six of the 28 pixels of the border
    assert measure(touching) == "light"


def test_the_ground_of_colours_is_their_luma():
    assert measure(drawn_on([(1.0, 1.0, 0.0)] * 10)) == "light"  # yellow, 0.886
    assert measure(drawn_on([(0.0, 0.0, 1.0)] * 10)) == "dark"  # blue, 0.114
    assert measure(drawn_on([(0.0, 1.0, 0.0)] * 10)) == "mixed"  # green, 0.587


def test_grey_images_on_a_dark_ground_alone_are_drawn_inverted():
    assert is_drawn_inverted("dark", (8, 8))
    assert is_drawn_inverted(None, (8, 8))
    assert not is_drawn_inverted("light", (8, 8))
    assert not is_drawn_inverted("mixed", (8, 8))
    assert not is_drawn_inverted("dark", (8, 8, 3))
