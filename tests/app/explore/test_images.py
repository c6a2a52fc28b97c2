import numpy as np
from PIL import Image

from app.engine.engine import LARGE_UPLOAD
from app.explore.images import NO_UPLOADS, Uploads
from tests.app.explore.asking import context_of
from tests.fakes import png_bytes
from tests.picture_files import encoded


def test_uploads_are_read_as_the_encoder_sees_them(model):
    files = tuple(
        (f"file[{k}]", png_bytes(np.full((8, 8), value, np.uint8))) for k, value in enumerate((9, 99))
    )
    pixels, notes = Uploads(files).read(context_of(model))
    assert pixels[:, 0, 0].tolist() == [9, 99]
    assert notes == ()


def test_without_uploads_there_are_no_images(model):
    pixels, notes = NO_UPLOADS.read(context_of(model))
    assert pixels.shape == (0, 8, 8)
    assert (notes, NO_UPLOADS.cost) == ((), 0)


def test_the_size_of_uploads_is_that_of_all_their_files():
    assert Uploads((("a", b"123"), ("b", b"4567"))).cost == 7


def test_a_flat_picture_of_many_pixels_has_the_size_of_one_that_takes_as_long_to_decode():
    flat = encoded(Image.new("1", (5000, 5000)))
    assert len(flat) < LARGE_UPLOAD < Uploads((("a", flat),)).cost
