import numpy as np
import pytest

from app.errors import UploadError
from app.explore.grids import Answer
from app.explore.verification import LISTED_PIXELS, comparing, difference, reading
from app.pictures.formats import FORMATS, Drawing
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe
from tests.app.explore.asking import LIMITS
from tests.fakes import png_bytes

LEVELS = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)


def frames(levels):
    opaque = np.full((*levels.shape, 1), 255, np.uint8)
    return np.concatenate([np.repeat(levels[..., None], 3, axis=-1), opaque], axis=-1)


def test_equal_frames_do_not_differ():
    found = difference(frames(LEVELS), frames(LEVELS))
    assert (found.differing, found.total, found.box, found.pixels) == (0, 128, None, [])


def test_pixels_that_differ_are_named_with_what_was_found_and_what_was_expected():
    changed = LEVELS.copy()
    changed[1, 5, 3] = 200
    changed[0, 2, 6] = 100
    found = difference(frames(changed), frames(LEVELS))
    assert (found.differing, found.box) == (2, (3, 2, 6, 5))
    first, second = found.pixels
    assert (first["frame"], first["x"], first["y"]) == (0, 6, 2)
    assert (second["found"], second["expected"]) == ([200, 200, 200, 255], [107, 107, 107, 255])


def test_of_many_pixels_the_first_are_named():
    found = difference(frames(255 - LEVELS), frames(LEVELS))
    assert (found.differing, len(found.pixels)) == (128, LISTED_PIXELS)


def test_pictures_of_another_size_differ_altogether():
    found = difference(frames(LEVELS[:, :7]), frames(LEVELS))
    assert (found.differing, found.total) == (128, 128)


@pytest.mark.parametrize("form", ["zip", "json"])
def test_one_image_of_several_is_compared_with_its_own(form):
    recipe = Recipe("fake@1", "0" * 64, "/samples", {}, "/samples?model=fake@1")
    style = GridStyle(ink="light", format=form)
    content = FORMATS[form].encode(Drawing(LEVELS, 2, style, recipe))
    answer = Answer(content, FORMATS[form].media_type)
    assert comparing(frames(LEVELS[1:]), answer, 1)().differing == 0
    assert comparing(frames(LEVELS[1:]), answer, 0)().differing == 64


def test_an_upload_is_read_as_it_is_shown_and_a_broken_one_refused():
    assert np.array_equal(reading(png_bytes(LEVELS[0]), LIMITS)(), frames(LEVELS[:1]))
    with pytest.raises(UploadError):
        reading(png_bytes(LEVELS[0])[:40], LIMITS)()
