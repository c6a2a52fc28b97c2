import io
import struct

import numpy as np
import pytest
from PIL import Image

from app.errors import UnsupportedUpload, UploadError
from app.pictures.formats import FORMATS, Drawing
from app.pictures.grids import GridStyle
from app.pictures.marks import frames_of, read_mark
from app.pictures.provenance import Recipe
from tests.fakes import png_bytes

LEVELS = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
RECIPE = Recipe("fake@1", "0" * 64, "/samples", {"label": "a<&>b"}, "/samples?model=fake@1&label=a%3C%26%3Eb")


def encoded(name):
    return FORMATS[name].encode(Drawing(LEVELS, 3, GridStyle(ink="light", format=name), RECIPE))


@pytest.mark.parametrize("name", ["png", "webp", "gif", "apng"])
def test_a_recipe_is_read_back_from_every_format(name):
    mark = read_mark(encoded(name))
    assert mark.source_type.endswith("/trainedAlgorithmicMedia")
    assert mark.recipe["address"] == RECIPE.address
    assert mark.recipe["parameters"] == {"label": "a<&>b"}


def test_a_jpeg_that_keeps_the_packet_keeps_the_mark():
    buffer = io.BytesIO()
    Image.fromarray(LEVELS[0]).save(buffer, "JPEG", xmp=RECIPE.provenance.xmp)
    assert read_mark(buffer.getvalue()).recipe["model"] == "fake@1"


@pytest.mark.parametrize("name", ["png", "webp", "gif", "apng"])
def test_a_file_cut_anywhere_has_a_mark_or_none_and_never_an_error(name):
    content = encoded(name)
    for end in range(0, len(content), 7):
        read_mark(content[:end])


def test_a_chunk_that_lies_about_its_length_is_no_error():
    content = bytearray(encoded("png"))
    place = content.find(b"tEXt") - 4
    content[place : place + 4] = struct.pack(">I", 2**31)
    assert read_mark(bytes(content)).recipe is None


@pytest.mark.parametrize(
    "packet",
    [
        b"[1]",
        b"3",
        b"{",
        b"\xff",
        b'{"address": NaN',
        b"{" * 9999,
        b'{"x": NaN}',
        b'{"x": 1e999}',
        b'{"x": "\\ud800"}',
    ],
)
def test_a_recipe_that_is_no_object_is_none(packet):
    xmp = RECIPE.provenance.xmp
    start, end = xmp.find(b"<vitrine:recipe>") + 16, xmp.find(b"</vitrine:recipe>")
    buffer = io.BytesIO()
    Image.fromarray(LEVELS[0]).save(buffer, "WEBP", xmp=xmp[:start] + packet + xmp[end:])
    assert read_mark(buffer.getvalue()).recipe is None


@pytest.mark.parametrize("name", ["gif", "apng"])
def test_the_frames_of_an_animation_are_those_that_were_drawn(name):
    frames = frames_of(encoded(name), "file")
    assert frames.shape == (3, 8, 8, 4)
    assert np.array_equal(frames[..., 0], LEVELS)
    assert (frames[..., 3] == 255).all()


def test_a_still_picture_has_one_frame():
    assert np.array_equal(frames_of(png_bytes(LEVELS[0]), "file")[0, ..., 1], LEVELS[0])


def test_more_frames_than_are_looked_at_are_refused(monkeypatch):
    monkeypatch.setattr("app.pictures.marks.MAX_FRAMES", 128)
    images = [Image.fromarray(np.full((2, 2), k, np.uint8)) for k in range(130)]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:])
    with pytest.raises(UploadError, match="frames"):
        frames_of(buffer.getvalue(), "file")


def test_a_frame_beyond_the_canvas_is_refused_before_a_decoder_enlarges_it(monkeypatch):
    data = bytearray(encoded("gif"))
    last = data.rindex(b",\0\0\0\0\x08\0\x08\0")
    struct.pack_into("<2H", data, last + 5, 60_000, 60_000)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder was asked"))
    with pytest.raises(UploadError, match="broken inside"):
        frames_of(bytes(data), "file")


def test_an_animation_that_stops_within_a_frame_is_refused_and_one_without_its_end_is_read():
    data = encoded("gif")
    assert len(frames_of(data.rstrip(b";"), "file")) == 3
    with pytest.raises(UploadError, match="end too early"):
        frames_of(data[:-6], "file")


def test_what_is_no_picture_is_refused():
    with pytest.raises(UnsupportedUpload):
        frames_of(b"PK\3\4", "file")
    with pytest.raises(UploadError):
        frames_of(png_bytes(LEVELS[0])[:40], "file")
