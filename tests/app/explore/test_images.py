import numpy as np

from app.explore.images import NO_UPLOADS, Uploads
from tests.app.explore.asking import context_of
from tests.fakes import png_bytes


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
    assert (notes, NO_UPLOADS.num_bytes) == ((), 0)


def test_the_size_of_uploads_is_that_of_all_their_files():
    assert Uploads((("a", b"123"), ("b", b"4567"))).num_bytes == 7
