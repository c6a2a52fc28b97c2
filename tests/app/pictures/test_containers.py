"""What is kept of a file. What decoders make of it is tested in ``test_files.py`` and ``test_uploads.py``."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from app.pictures import containers
from app.pictures.containers import CutOffError, TooManyPiecesError, announced_pixels, without_metadata
from tests.picture_files import (
    encoded,
    gif_in_part,
    png_chunk,
    webp_in_part,
    with_chunk,
    with_segment,
    with_wrong_checksum,
)

LEVELS = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
PNG, JPEG, GIF = (encoded(Image.fromarray(LEVELS), kind) for kind in ("PNG", "JPEG", "GIF"))


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


@pytest.mark.bad_input(66)
@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tIME", b"prVt"])
def test_metadata_of_a_png_is_left_out_whatever_it_holds(name):
    assert without_metadata("PNG", with_chunk(PNG, name, b"\xff" * 100_000)) == (PNG, False)


@pytest.mark.parametrize("marker", [*range(0xE1, 0xF0), 0xFE])
def test_application_segments_and_comments_of_a_jpeg_are_left_out(marker):
    assert without_metadata("JPEG", with_segment(JPEG, marker, b"\0" * 65_000)) == (JPEG, False)


def test_of_several_exif_segments_of_a_jpeg_the_first_stays():
    first, second = (b"Exif\0\0" + letter * 50_000 for letter in (b"a", b"b"))
    kept = without_metadata("JPEG", with_segment(with_segment(JPEG, 0xE1, second), 0xE1, first))[0]
    assert first in kept
    assert second not in kept


def test_a_jpeg_with_more_pictures_behind_it_is_told_of_but_not_one_with_a_gain_map():
    several = with_segment(JPEG, 0xE2, b"MPF\0II*\0")
    assert without_metadata("JPEG", several) == (JPEG, True)
    assert without_metadata("JPEG", with_segment(several, 0xE1, b'<x hdrgm:Version="1.0">')) == (JPEG, False)


def test_filling_and_what_is_no_segment_are_left_out_of_a_jpeg():
    assert without_metadata("JPEG", JPEG[:2] + b"\xff" * 1000 + JPEG[2:])[0] == JPEG
    assert (
        without_metadata("JPEG", JPEG[:3] + JPEG[3:].replace(b"\xff\xda", b"\0\0\xff\xff\xda", 1))[0] == JPEG
    )


def test_comments_of_a_gif_are_left_out():
    palette = 13 + (3 << (GIF[10] & 7) + 1)
    comments = (b"!\xfe" + b"\xffx" + b"," * 254 + b"\0") * 50
    kept, animated = without_metadata("GIF", GIF[:palette] + comments + GIF[palette:])
    assert b"," * 254 not in kept
    assert not animated
    assert np.array_equal(decoded(kept), decoded(GIF))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_frames_behind_the_first_are_left_out_and_told_of(kind):
    frames = [Image.fromarray(levels) for levels in (LEVELS, 255 - LEVELS)]
    kept, animated = without_metadata(kind, encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert animated
    assert getattr(Image.open(io.BytesIO(kept)), "n_frames", 1) == 1
    assert np.array_equal(decoded(kept), LEVELS)


def test_a_gif_may_be_cut_off_behind_its_first_frame():
    frames = [Image.fromarray(levels) for levels in (LEVELS, 255 - LEVELS)]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    kept, animated = without_metadata("GIF", animation[:-100])
    assert animated
    assert np.array_equal(decoded(kept), LEVELS)
    assert np.array_equal(decoded(without_metadata("GIF", GIF[:-1])[0]), LEVELS)  # the mark of the end


@pytest.mark.bad_input(56)
@pytest.mark.parametrize("chunk", [b"IHDR", b"PLTE", b"IDAT", b"IEND"])
def test_a_wrong_checksum_of_a_critical_chunk_is_an_error(chunk):
    palette = encoded(Image.fromarray(LEVELS).convert("P"))
    with pytest.raises(ValueError, match=chunk.decode()):
        without_metadata("PNG", with_wrong_checksum(palette, chunk))


def test_a_chunk_that_is_not_critical_is_passed_over_if_its_checksum_is_wrong():
    transparent = with_wrong_checksum(with_chunk(PNG, b"tRNS", b"\0\7"), b"tRNS")
    assert without_metadata("PNG", transparent)[0] == PNG


def test_what_is_cut_off_before_the_end_of_its_first_picture_is_an_error():
    for length in range(20, len(PNG)):
        with pytest.raises(CutOffError):
            without_metadata("PNG", PNG[:length])
    for length in range(20, len(GIF) - 1):
        with pytest.raises(CutOffError):
            without_metadata("GIF", GIF[:length])
    for length in range(4, JPEG.index(b"\xff\xda") + 1):  # scans are the decoder's
        with pytest.raises(CutOffError):
            without_metadata("JPEG", JPEG[:length])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_bytes_behind_the_end_do_no_harm(kind):
    data = {"PNG": PNG, "JPEG": JPEG, "GIF": GIF}[kind]
    kept, _ = without_metadata(kind, data + b"PK\3\4" + b"," * 999)
    assert np.array_equal(decoded(kept), decoded(data))


def test_more_pieces_than_a_decoder_should_be_given_are_an_error(monkeypatch):
    monkeypatch.setattr(containers, "MAX_PIECES", 50)
    palette = 13 + (3 << (GIF[10] & 7) + 1)
    for kind, data in (
        ("PNG", PNG[:33] + png_chunk(b"tEXt", b"a\0b") * 50 + PNG[33:]),
        ("JPEG", JPEG[:2] + b"\xff\xfe\0\2" * 50 + JPEG[2:]),
        ("GIF", GIF[:palette] + b"!\xfe\0" * 50 + GIF[palette:]),
        ("GIF", GIF[:palette] + b"!\xfe" + b"\1a" * 50 + b"\0" + GIF[palette:]),
    ):
        with pytest.raises(TooManyPiecesError, match="over 50"):
            without_metadata(kind, data)


def test_more_tables_than_a_jpeg_needs_are_an_error():
    tables = b"\xff\xdb" + (2 + 65 * 1000).to_bytes(2, "big") + (b"\0" + b"\1" * 64) * 1000
    without_metadata("JPEG", JPEG[:2] + tables + JPEG[2:])
    with pytest.raises(TooManyPiecesError, match="tables"):
        without_metadata("JPEG", JPEG[:2] + tables * 2 + JPEG[2:])


def test_what_has_nothing_to_leave_out_stays_as_it_is():
    for kind in ("BMP", "WEBP"):
        data = encoded(Image.fromarray(LEVELS), kind)
        assert without_metadata(kind, data) == (data, False)


@pytest.mark.bad_input(60)
def test_nothing_is_inflated_of_a_compressed_text(monkeypatch):
    bomb = with_chunk(PNG, b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 50_000_000))
    monkeypatch.setattr(zlib, "decompressobj", None)
    assert without_metadata("PNG", bomb)[0] == PNG


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (PNG, 600),
        (GIF, 600),
        (gif_in_part((4, 40), Image.new("P", (20, 10)), (3, 2)), 23 * 40),  # the canvas grows with the frame
        (GIF[:10], 600),
        (encoded(Image.fromarray(LEVELS), "BMP"), 600),
        (encoded(Image.fromarray(LEVELS), "WEBP"), 600),
        (encoded(Image.fromarray(LEVELS), "WEBP", lossless=True), 600),
        (webp_in_part((100, 50), Image.new("RGB", (20, 10)), (4, 2)), 5000),
        (JPEG, 0),
        (b"", 0),
    ],
)
def test_the_beginning_of_a_file_announces_its_pixels(data, pixels):
    assert announced_pixels(data) == pixels
