"""How a network lays out the pixels of an image."""

import numpy as np
import pytest

from training.errors import RunError
from training.publish.importing import layouts
from training.publish.importing.layouts import Layout, layout_of

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((28, 20, 1), Layout("last", (28, 20))),
        ((28, 20, 3), Layout("last", (28, 20, 3))),
        ((1, 28, 20), Layout("first", (28, 20))),
        ((3, 28, 20), Layout("first", (28, 20, 3))),
        ((28, 20), Layout("none", (28, 20))),
        ((560,), Layout("flat", (28, 20))),
        ((1680,), Layout("flat", (28, 20, 3))),
    ],
)
def test_pixels_are_found_by_the_shape_and_go_there_and_back(shape, layout):
    assert layout_of(shape, (28, 20)) == layout
    images = np.random.default_rng(0).uniform(size=(4, *layout.shape)).astype(np.float32)
    there = np.asarray(layout.to_network(images))
    assert there.shape == (4, *shape)
    np.testing.assert_array_equal(np.asarray(layout.from_network(there)), images)


def test_channels_first_puts_a_colour_into_its_plane():
    images = np.zeros((1, 2, 2, 3), np.float32)
    images[0, 1, 0] = (0.1, 0.2, 0.3)
    planes = np.asarray(Layout("first", (2, 2, 3)).to_network(images))
    np.testing.assert_allclose(planes[0, :, 1, 0], (0.1, 0.2, 0.3))


@pytest.mark.parametrize("shape", [(28, 28, 4), (4, 28, 28, 1), (785,)])
def test_what_is_no_picture_is_refused_by_its_shape(shape):
    with pytest.raises(RunError, match="no grey or colour image"):
        layout_of(shape, (28, 28))


def test_a_shape_that_is_not_known_has_no_layout():
    assert layout_of((None, None, 1)) is None
    assert layout_of((784,)) is None


def test_flat_pictures_are_squares_unless_somebody_knows_better():
    assert layouts.square_of(784) == (28, 28)
    assert layouts.square_of(3 * 64 * 64) == (64, 64)
    assert layouts.square_of(785) is None


@pytest.mark.parametrize("scale", ["[0, 1]", "[-1, 1]", "[0, 255]"])
def test_scales_go_there_and_back(scale):
    images = np.array([[0.0, 0.25, 1.0]], np.float32)
    there = layouts.to_scale(images, scale)
    assert (float(there.min()), float(there.max())) == {
        "[0, 1]": (0, 1),
        "[-1, 1]": (-1, 1),
        "[0, 255]": (0, 255),
    }[scale]
    np.testing.assert_allclose(layouts.from_scale(there, scale), images, atol=1e-6)


def test_logits_become_probabilities_and_colours_are_exchanged():
    np.testing.assert_allclose(
        layouts.from_scale(np.array([0.0, np.log(3)], np.float32), "logits"), [0.5, 0.75]
    )
    assert np.asarray(layouts.exchanged(np.array([[1, 2, 3]]), True)).tolist() == [[3, 2, 1]]
    assert layouts.exchanged("as it is", False) == "as it is"
