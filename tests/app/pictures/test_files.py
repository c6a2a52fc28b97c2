import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.errors import UnsupportedPicture, UnsupportedUpload, UploadError
from app.pictures.files import decoding, encoding_of, open_file, sniff
from tests.picture_files import encoded, png_chunk, with_segment

LEVELS = np.random.default_rng(0).integers(0, 256, (20, 32), dtype=np.uint8)
GREY = Image.fromarray(LEVELS)
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def refusal(data, kind=UploadError):
    """Return what is wrong with a file, found when it is opened or decoded."""

    def decode():
        file = open_file(data, "file")
        with decoding(file.data, file.kind, "file"):
            file.image.load()

    with pytest.raises(kind) as caught:
        decode()
    assert caught.value.status == (415 if kind is not UploadError else 422)
    return caught.value.faults[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_known_by_its_first_bytes(kind):
    assert sniff(encoded(GREY, kind)) == kind


@pytest.mark.parametrize("words", [b"\0\0\0\0", b"\1\0\2\0", b"\xff\xff\xff\xff"])
def test_a_bmps_reserved_words_may_hold_anything(words):
    bmp = encoded(GREY, "BMP")
    file = open_file(bmp[:6] + words + bmp[10:], "file")
    assert np.array_equal(np.asarray(file.image), LEVELS)


def test_text_that_begins_with_the_letters_of_a_bmp_is_none():
    assert sniff(b"BMW is a maker of cars, and of motorcycles") is None


def iphone_png():
    """A PNG as Apple's tools write it: a chunk before the header, and data without zlib's frame."""
    raw = zlib.compressobj(wbits=-15)
    data = raw.compress(b"".join(b"\0" + row.tobytes() for row in LEVELS)) + raw.flush()
    png = encoded(GREY)
    return (
        png[:8]
        + png_chunk(b"CgBI", b"\x50\0\x20\2")
        + png[8:33]
        + png_chunk(b"IDAT", data)
        + png_chunk(b"IEND")
    )


def jpeg_frame(kind=0xC0, bits=8, components=1, height=None):
    """A JPEG whose frame header says another coding process, depth or number of components."""
    data = bytearray(encoded(GREY, "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = kind, bits
    if height is not None:
        data[at + 5 : at + 7] = struct.pack(">H", height)
    if components != 1:
        data[at + 2 : at + 4] = struct.pack(">H", 8 + 3 * components)
        data[at + 9] = components
        data[at + 10 : at + 13] = b"".join(bytes([number, 0x11, 0]) for number in range(1, components + 1))
    return bytes(data)


def bmp(bits=24, compression=0, header=40):
    data = bytearray(encoded(GREY.convert("RGB"), "BMP"))
    data[14:18] = struct.pack("<I", header)
    data[28:30] = struct.pack("<H", bits)
    data[30:34] = struct.pack("<I", compression)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (jpeg_frame(bits=12), "12-bit"),
        (jpeg_frame(kind=0xC3, bits=16), "16-bit"),
        (jpeg_frame(components=2), "2-layer"),
        (jpeg_frame(kind=0xC5), "hierarchical"),
        (jpeg_frame(kind=0xC6), "hierarchical"),
        (jpeg_frame(kind=0xC7), "hierarchical"),
        (jpeg_frame(kind=0xCB), "lossless arithmetic"),
        (jpeg_frame(kind=0xCD), "hierarchical"),
        (jpeg_frame(kind=0xF7), "JPEG-LS"),
        (jpeg_frame(height=0), "DNL"),
        (iphone_png(), "CgBI"),
        (bmp(compression=4), "BMP compression (4)"),
        (bmp(compression=5), "BMP compression (5)"),
        (bmp(bits=2), "BMP pixel depth (2)"),
        (bmp(bits=64), "BMP pixel depth (64)"),
        (bmp(header=16), "BMP header type (16)"),
        (bmp(bits=24, compression=3), "BMP bitfields layout"),
    ],
)
def test_what_the_decoder_does_not_support_is_named(data, what):
    fault = refusal(data, UnsupportedPicture)
    assert fault.code == "unsupported_picture"
    assert what in fault.received
    assert "8-bit PNG" in fault.remedy


def test_a_jpeg_that_is_broken_is_not_called_unsupported():
    data = bytearray(encoded(GREY, "JPEG"))
    table = data.index(b"\xff\xc4")
    data[table + 5 : table + 21] = b"\xff" * 16  # more codes than there are
    assert refusal(bytes(data)).code == "image_corrupt"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 2, 3, 4, 8])
def test_a_file_that_is_cut_inside_its_last_bytes_is_named_as_such(kind, missing):
    if kind == "GIF" and missing == 1:
        return  # the mark of the end, behind a frame that is complete
    assert refusal(encoded(GREY, kind)[:-missing]).code == "image_truncated"


def test_an_animation_that_is_cut_in_a_later_frame_is_cut_off_if_the_format_marks_its_end():
    for kind in ("PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        other = Image.fromarray(255 - LEVELS)
        animation = encoded(GREY, kind, save_all=True, append_images=[other], **options)
        assert refusal(animation[:-20]).code == "image_truncated"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrap", ["{}", "data:image/x;base64,{}", "DATA:,{}", "\r\n{}"])
def test_a_picture_that_was_made_into_text_is_to_be_decoded_first(kind, wrap):
    text = wrap.format(base64.encodebytes(encoded(GREY, kind)).decode()).encode()
    fault = refusal(text, UnsupportedUpload)
    assert fault.code == "encoded_image"
    assert fault.received == ("a data: URL" if wrap[0] in "dD" else "base64 text")
    assert "Decode it first" in fault.remedy


def test_the_alphabet_of_addresses_is_base64_too():
    assert encoding_of(base64.urlsafe_b64encode(encoded(GREY, "JPEG"))) == "base64 text"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"hello", b"<svg/>", b"\xff" * 90, b"aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8="]
)
def test_other_bytes_are_no_picture_made_into_text(data):
    assert encoding_of(data) is None


@pytest.mark.parametrize(
    ("padding", "taken"),
    [
        pytest.param(b"\xff" * 9_000_000, True, id="filling"),
        pytest.param(b"\0" * 9_000_000, True, id="no segments"),
        pytest.param(b"\xff\xfe\xff\xff" + b"\xff" * 65_533, True, id="one comment"),
        pytest.param(b"\xff\xfe\0\2" * 2_000_000, False, id="empty comments"),
        pytest.param((b"\xff\xdb\xfe\xad" + (b"\0" + b"\1" * 64) * 1003) * 140, False, id="tables"),
    ],
)
def test_padding_of_headers_never_reaches_the_decoder(monkeypatch, padding, taken):
    jpeg = encoded(GREY, "JPEG")
    padded = jpeg[:20] + padding + jpeg[20:]
    if taken:
        assert open_file(padded, "file").data == jpeg
        return
    monkeypatch.setattr(Image, "open", None)  # Pillow takes 3 to 7 s for it
    assert refusal(padded).code == "too_many_pieces"


def test_a_jpeg_of_three_thousand_comments_is_read():
    jpeg = encoded(GREY, "JPEG")
    file = open_file(jpeg[:2] + with_segment(b"\0\0", 0xFE, b"hello")[2:] * 3000 + jpeg[2:], "file")
    assert np.array_equal(np.asarray(file.image), np.asarray(Image.open(io.BytesIO(jpeg))))


def test_a_png_of_single_bytes_of_data_is_read():
    png = encoded(GREY)
    at = png.index(b"IDAT")
    data = png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")]
    pieces = b"".join(png_chunk(b"IDAT", data[place : place + 1]) for place in range(len(data)))
    file = open_file(png[: at - 4] + pieces + png_chunk(b"IEND"), "file")
    assert np.array_equal(np.asarray(file.image), LEVELS)


def run_length_bmp(width, height, runs):
    """A run-length coded BMP of 256 colours, which are greys."""
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    size = 54 + len(palette)
    head = struct.pack("<IiiHHIIIIII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", size + len(runs), 0, 0, size) + head + palette + runs


def test_a_run_length_coded_bmp_is_read():
    rows = [b"".join(bytes([1, level]) for level in row) + b"\0\0" for row in LEVELS[::-1].tolist()]
    file = open_file(run_length_bmp(32, 20, b"".join(rows) + b"\0\1"), "file")
    assert np.array_equal(np.asarray(file.image.convert("L")), LEVELS)
    whole = [b"\0\x20" + row.tobytes() + b"\0\0" for row in LEVELS[::-1]]  # each row as it is
    file = open_file(run_length_bmp(32, 20, b"".join(whole) + b"\0\1"), "file")
    assert np.array_equal(np.asarray(file.image.convert("L")), LEVELS)


@pytest.mark.parametrize("run", [b"\1\7", b"\0\0", b"\0\2\0\0"], ids=["runs", "ends of lines", "steps"])
def test_a_bmp_of_millions_of_runs_is_refused_before_it_is_decoded(monkeypatch, run):
    data = run_length_bmp(4000, 1200, run * (9_000_000 // len(run)))
    monkeypatch.setattr(Image, "open", None)  # Pillow takes 6 to 15 s for it
    assert refusal(data).code == "too_many_pieces"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"hello", '5 bytes that begin with "hello"'),
        (b"\x00\xffabcdefgh", "10 bytes that begin with 00 ff 61 62 63 64 65 66"),
    ],
)
def test_what_is_no_image_is_shown_as_text_or_in_digits(sent, said):
    with pytest.raises(UnsupportedUpload) as caught:
        open_file(sent, "file")
    assert caught.value.faults[0].received == said
