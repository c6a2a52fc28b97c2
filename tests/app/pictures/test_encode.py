import io
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.pictures.encode import FORMATS, encode_png
from tests.fakes import pixels_of


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    colour=st.booleans(),
    levels=st.integers(1, 256),
    seed=st.integers(0, 99),
)
def test_pillow_decodes_a_png_to_the_levels_it_was_made_of(height, width, colour, levels, seed):
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(seed).integers(0, levels, shape, dtype=np.uint8)
    png = encode_png(pixels)
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        image.verify()  # every chunk's checksum
        assert image.mode == ("RGB" if colour else "L")
        assert image.info == {}
    assert np.array_equal(pixels_of(png), pixels)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_layout_of_the_array_in_memory_does_not_matter(order):
    pixels = np.asarray(np.arange(70, dtype=np.uint8).reshape(7, 10), order=order)
    assert np.array_equal(pixels_of(encode_png(pixels)), pixels)
    assert np.array_equal(pixels_of(encode_png(pixels[::2, ::3])), pixels[::2, ::3])


def test_the_same_pixels_give_the_same_bytes_in_whichever_thread_they_are_encoded():
    """Each thread has a stack of its own: as many places in memory, of which one in thousands shows."""
    pixels = np.full((8, 12), 255, np.uint8)
    encoded, all_alive = [], threading.Event()

    def encode():
        encoded.append(encode_png(pixels))
        all_alive.wait()

    before = threading.stack_size(256 * 1024)
    try:
        threads = [threading.Thread(target=encode) for _ in range(1200)]
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(before)
        all_alive.set()
    for thread in threads:
        thread.join()
    assert len(encoded) == 1200
    assert set(encoded) == {encode_png(pixels)}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 14), (1, 15), (1, 16), (2, 7), (3, 5)])
def test_a_picture_of_no_more_bytes_than_are_deflated_first_is_whole(height, width):
    pixels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    png = encode_png(pixels)
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        image.verify()
    assert np.array_equal(pixels_of(png), pixels)


def test_a_png_is_not_much_larger_than_pillows(client):
    pixels = pixels_of(client.get("/samples?n=21&seed=1&zoom=3").content)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    assert len(encode_png(pixels)) < 2 * len(buffer.getvalue()) + 1000


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_decoded_by_pillow_to_the_size_of_the_grid(name):
    media_type, encode = FORMATS[name]
    with Image.open(io.BytesIO(encode(np.zeros((8, 24), np.uint8)))) as image:
        assert (image.get_format_mimetype(), image.size) == (media_type, (24, 8))
