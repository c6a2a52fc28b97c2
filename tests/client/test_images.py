import io

import numpy as np
import pytest
from PIL import Image

from tests.fakes import pixels_of, png_bytes
from vitrine_client.images import content_of

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1), (300, 200)])
def test_an_array_becomes_a_png_of_its_own_pixels(shape):
    levels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(pixels_of(content_of(levels)), levels)


def test_an_array_of_truths_is_white_where_they_hold():
    truths = LEVELS > 100
    assert np.array_equal(pixels_of(content_of(truths)), np.where(truths, 255, 0))


def test_a_view_of_an_array_is_sent_as_it_looks():
    assert np.array_equal(pixels_of(content_of(LEVELS[::-1, ::2])), LEVELS[::-1, ::2])


def test_a_file_is_sent_as_it_is_however_it_is_given(tmp_path):
    content = png_bytes(LEVELS)
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with path.open("rb") as file:
        for given in (path, str(path), content, bytearray(content), file, io.BytesIO(content)):
            assert content_of(given) == content


def test_a_picture_of_pillow_is_sent_without_loss():
    assert np.array_equal(pixels_of(content_of(Image.fromarray(LEVELS))), LEVELS)


@pytest.mark.parametrize(
    "wrong",
    [LEVELS.astype(np.float32), LEVELS[None, None], LEVELS[0], np.zeros((2, 3, 2), np.uint8), LEVELS[:0]],
)
def test_an_array_that_is_no_image_is_refused_with_what_would_be_one(wrong):
    with pytest.raises(ValueError, match=r"uint8 of \(H, W\)"):
        content_of(wrong)


@pytest.mark.parametrize("wrong", [3, None, [LEVELS], io.StringIO("text")])
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(TypeError, match=r"an image is|a file of text"):
        content_of(wrong)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        content_of(tmp_path / "nothing.png")
