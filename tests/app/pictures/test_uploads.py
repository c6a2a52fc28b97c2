import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.errors import UnsupportedUpload, UploadError
from app.pictures.files import sniff
from app.pictures.uploads import read_uploads
from app.settings import Settings
from tests.fakes import png_bytes
from tests.picture_files import (
    encoded,
    gif_in_part,
    jpeg_and_png,
    lossless_jpeg,
    png_chunk,
    webp_in_part,
    with_chunk,
    with_segment,
)

LIMITS = Settings()
SHAPE = (28, 28)


def read(data, shape=SHAPE, invert="no"):
    return read_uploads([("file", data)], shape, invert, LIMITS)[0]


def refusal(data, kind=UploadError):
    with pytest.raises(kind) as caught:
        read(data)
    return caught.value.faults[0]


def png_of_size(width, height):
    """A PNG whose header claims a size, with next to nothing behind it."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.bad_input(69)
@given(st.integers(0, 2**32))
def test_a_grey_png_of_the_models_size_passes_through_untouched(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)
    assert np.array_equal(read(png_bytes(pixels)).pixels, pixels)


def test_a_colour_png_passes_through_to_a_model_of_colour_images():
    pixels = np.random.default_rng(1).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    assert np.array_equal(read(png_bytes(pixels), shape=(28, 28, 3)).pixels, pixels)


def test_colours_become_grey_by_luma():
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[:, :14, 0] = 255  # red: 0.299 of 255
    pixels[:, 14:, 1] = 255  # green: 0.587 of 255
    grey = read(png_bytes(pixels)).pixels
    assert (grey[0, 0], grey[0, -1]) == (76, 150)


@pytest.mark.bad_input(69)
@pytest.mark.parametrize(
    ("size", "rows", "columns"), [((56, 28), (7, 21), (0, 28)), ((10, 30), (0, 28), (9, 18))]
)
def test_a_picture_that_is_not_square_is_padded_not_stretched(size, rows, columns):
    image = Image.new("L", size, 0)
    image.paste(200, (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
    pixels = read(encoded(image)).pixels
    bright = np.argwhere(pixels > 100)
    height, width = np.ptp(bright, axis=0) + 1
    # The bright part keeps the picture's own proportions, to a pixel on either side.
    assert abs(width / height - size[0] / size[1]) < 0.35 * size[0] / size[1]
    outside = np.ones(SHAPE, bool)
    outside[slice(*rows), slice(*columns)] = False
    assert (pixels[outside] == 0).all()


def test_the_padding_is_the_median_of_the_border():
    image = Image.new("L", (40, 20), 90)
    image.paste(255, (15, 5, 25, 15))
    assert set(read(encoded(image)).pixels[:6].ravel().tolist()) == {90}


@pytest.mark.bad_input(69)
def test_a_single_pixel_fills_the_image():
    assert set(read(encoded(Image.new("L", (1, 1), 77))).pixels.ravel().tolist()) == {77}


@pytest.mark.bad_input(62)
def test_16_bit_greys_are_scaled_not_clipped():
    levels = np.linspace(0, 65535, 28 * 28).astype(np.uint16).reshape(SHAPE)
    pixels = read(png_bytes(levels)).pixels
    assert np.array_equal(pixels, np.rint(levels / 257).astype(np.uint8))


@pytest.mark.bad_input(62)
def test_16_bit_colours_are_scaled_not_clipped():
    data = struct.pack(">HHH", 65535, 32768, 0) * 28
    raw = b"".join(b"\0" + data for _ in range(28))

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 28, 28, 16, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    assert read(png, shape=(28, 28, 3)).pixels[0, 0].tolist() == [255, 128, 0]


@pytest.mark.bad_input(63)
def test_one_bit_pictures_become_black_and_white():
    image = Image.new("1", SHAPE, 0)
    image.paste(1, (0, 0, 14, 28))
    pixels = read(encoded(image)).pixels
    assert (pixels[0, 0], pixels[0, -1]) == (255, 0)


@pytest.mark.bad_input(63)
def test_palette_pictures_take_their_palettes_colours():
    image = Image.new("P", SHAPE, 1)
    image.putpalette([0, 0, 0, 40, 40, 40])
    assert set(read(encoded(image)).pixels.ravel().tolist()) == {40}


@pytest.mark.bad_input(63)
@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.new("RGBA", SHAPE, (0, 0, 0, 0)), id="transparent black"),
        pytest.param(Image.new("RGBA", SHAPE, (255, 255, 255, 0)), id="transparent white"),
        pytest.param(Image.new("LA", SHAPE, (30, 0)), id="transparent grey"),
    ],
)
def test_transparent_pixels_show_white(image):
    assert set(read(encoded(image)).pixels.ravel().tolist()) == {255}


@pytest.mark.bad_input(63)
def test_a_palettes_transparent_colour_shows_white():
    image = Image.new("P", SHAPE, 1)
    image.putpalette([0, 0, 0, 40, 40, 40])
    assert set(read(encoded(image, transparency=1)).pixels.ravel().tolist()) == {255}


def test_half_transparent_black_over_white_is_middle_grey():
    pixels = read(encoded(Image.new("RGBA", SHAPE, (0, 0, 0, 128)))).pixels
    assert set(pixels.ravel().tolist()) == {127}


def test_a_transparent_level_of_a_16_bit_grey_shows_white():
    levels = np.full(SHAPE, 5140, np.uint16)  # 20 of 255
    levels[:14] = 7
    png = png_bytes(levels)
    chunk = b"tRNS" + struct.pack(">H", 7)
    end_of_header = 8 + 25
    trns = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    pixels = read(png[:end_of_header] + trns + png[end_of_header:]).pixels
    assert (pixels[0, 0], pixels[-1, 0]) == (255, 20)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_level_of_a_grey_of_few_bits_shows_white(depth):
    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    row = b"\0" + b"\x00" * (28 * depth // 8 // 2 + 4)
    row = row[: 1 + (28 * depth + 7) // 8].ljust(1 + (28 * depth + 7) // 8, b"\xff")
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 28, 28, depth, 0, 0, 0, 0))]
    parts += [(b"tRNS", struct.pack(">H", 0)), (b"IDAT", zlib.compress(row * 28)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    assert set(read(png).pixels.ravel().tolist()) == {255}  # 0 is transparent, the rest is white already


def test_a_transparent_middle_grey_of_4_bits_shows_white():
    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    parts = [(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 4, 0, 0, 0, 0)), (b"tRNS", struct.pack(">H", 3))]
    parts += [(b"IDAT", zlib.compress((b"\0" + b"\x35" * 14) * 28)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    assert read(png).pixels[0, :4].tolist() == [255, 85, 255, 85]


@pytest.mark.parametrize("colour", [(0, 255, 0), (255, 0, 255), (255, 255, 0), (0, 0, 255)])
def test_a_coloured_page_is_light_or_dark_alike_for_grey_and_for_colour(colour):
    page = encoded(Image.new("RGB", SHAPE, colour))
    grey = read(page, invert="auto").notes
    assert grey == read(page, shape=(28, 28, 3), invert="auto").notes


@pytest.mark.bad_input(64)
@pytest.mark.parametrize("level", [0, 255])
def test_cmyk_jpegs_keep_their_polarity(level):
    image = Image.new("RGB", SHAPE, (level, level, level)).convert("CMYK")
    pixels = read(encoded(image, "JPEG", quality=95)).pixels
    assert np.abs(pixels.astype(int) - level).max() <= 2  # JPEG rounds


@pytest.mark.bad_input(65)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = Image.new("L", SHAPE, 0)
    upright.paste(255, (0, 0, 14, 7))  # upper left, wider than high
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read(encoded(stored, exif=exif)).pixels, np.asarray(upright))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_a_large_jpeg_that_is_decoded_in_part(orientation):
    upright = Image.new("L", (800, 800), 0)
    upright.paste(255, (0, 0, 400, 200))
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    # Two tags: the orientation, and a resolution that is text and no number, as some programs write it.
    tags = struct.pack("<HHII", 0x0112, 3, 1, orientation) + struct.pack("<HHI4s", 0x011A, 2, 4, b"odd\0")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + struct.pack("<I", 0)
    stored = upright if turn is None else upright.transpose(turn)
    pixels = read(encoded(stored, "JPEG", exif=exif, quality=95)).pixels
    assert pixels[3, 3] > 240
    assert pixels[3, 24] < 15
    assert pixels[24, 3] < 15


@pytest.mark.bad_input(65)
def test_a_broken_exif_block_is_ignored():
    jpeg = encoded(
        Image.new("L", SHAPE, 60), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 60_000
    )
    assert np.abs(read(jpeg).pixels.astype(int) - 60).max() <= 2


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("shape", [(28, 28), (64, 64, 3)], ids=["grey", "colour"])
def test_a_jpeg_is_fitted_like_the_same_picture_as_png(seed, shape):
    jpeg, png = jpeg_and_png(seed, longest=500)
    difference = read(jpeg, shape).pixels.astype(int) - read(png, shape).pixels
    # 300 pictures of up to 3,000 pixels a side do not differ at all; 2 is the promise. A JPEG decoded at a fraction
    # of its size, as Pillow offers it, differed by up to 39, and by 9 with the borders that it names.
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("size", [(231, 231), (650, 470), (225, 449)])
def test_a_jpeg_whose_sides_no_fraction_divides_is_fitted_like_its_png(size):
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    stripes = Image.fromarray(((columns // 3 + rows // 5) % 2 * 255).astype(np.uint8))
    jpeg = encoded(stripes, "JPEG", quality=95)
    png = encoded(Image.fromarray(np.asarray(Image.open(io.BytesIO(jpeg)))))
    assert np.abs(read(jpeg).pixels.astype(int) - read(png).pixels).max() <= 2


@pytest.mark.parametrize("shape", [SHAPE, (28, 28, 3)], ids=["grey", "colour"])
def test_a_lossless_jpeg_is_read_to_the_level(shape):
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(read(lossless_jpeg(pixels), shape).pixels, pixels)


def test_a_large_lossless_jpeg_is_fitted_like_the_same_picture_as_png():
    levels = np.random.default_rng(3).integers(0, 256, (301, 257), dtype=np.uint8)
    assert np.array_equal(read(lossless_jpeg(levels)).pixels, read(png_bytes(levels)).pixels)


@pytest.mark.parametrize("transparent", [None, 0])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_gif_is_white_where_its_first_frame_is_not(transparent, interlaced):
    # The palette's first colour, which is the background's too, is black; the frame's levels are 0 and 90.
    frame = Image.fromarray(np.tile(np.array([0, 1], np.uint8), (8, 4))).convert("P")
    frame.putpalette([0, 0, 0, 90, 90, 90])
    gif = gif_in_part(SHAPE, frame, (6, 11), transparent=transparent, interlaced=interlaced)
    expected = np.full(SHAPE, 255, np.uint8)
    expected[11:19, 6:14] = np.tile(np.array([0 if transparent is None else 255, 90], np.uint8), (8, 4))
    for shape in (SHAPE, (*SHAPE, 3)):
        upload = read(gif, shape)
        assert np.array_equal(
            upload.pixels, expected if len(shape) == 2 else expected[..., None].repeat(3, 2)
        )
        assert "the border is light" in upload.notes[0]


def test_a_webp_is_white_where_its_first_frame_is_not():
    webp = webp_in_part(SHAPE, Image.new("RGB", (8, 4), (40, 40, 40)), (6, 10))
    expected = np.full(SHAPE, 255, np.uint8)
    expected[10:14, 6:14] = 40
    assert np.array_equal(read(webp).pixels, expected)


def test_an_animated_pngs_default_image_is_used_wherever_its_frames_lie():
    pixels = np.random.default_rng(4).integers(0, 256, SHAPE, dtype=np.uint8)
    control = png_chunk(b"acTL", struct.pack(">II", 2, 0))
    control += png_chunk(
        b"fcTL", struct.pack(">IIIIIHHBB", 0, 8, 8, 3, 3, 1, 1, 0, 0)
    )  # a part of the canvas
    png = png_bytes(pixels)
    upload = read(png[:33] + control + png[33:])
    assert np.array_equal(upload.pixels, pixels)
    assert upload.notes[0] == "only the first frame is used, the other frames are ignored"


def metadata_of(kind, size):
    """A picture of (28, 28) whose level is 60, with some megabytes of every kind of metadata of its format."""
    image, text = Image.new("L", SHAPE, 60), bytes(range(1, 127)) * (size // 126)
    if kind == "PNG":
        png = encoded(image)
        packed = zlib.compress(np.random.default_rng(0).integers(32, 127, size, np.uint8).tobytes())
        for name, content in (
            (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
            (b"zTXt", b"workflow\0\0" + packed),
            (b"tEXt", b"prompt\0" + text),
            (b"iCCP", b"profile\0\0" + packed),
            (b"eXIf", b"MM\0*\0\0\0\x08\0\0" + text),
            (b"zTXt", b"odd\0\7not deflate"),
        ):
            png = with_chunk(png, name, content)
        return png
    if kind == "JPEG":
        jpeg = encoded(image, "JPEG", quality=95)
        for start in range(0, size, 65_000):
            part = text[start : start + 65_000]
            for marker, head in (
                (0xE1, b"http://ns.adobe.com/xmp/extension/\0"),
                (0xE2, b"ICC_PROFILE\0\1\2"),
            ):
                jpeg = with_segment(jpeg, marker, head + part)
            jpeg = with_segment(with_segment(jpeg, 0xE1, b"Exif\0\0" + part), 0xFE, part)
            jpeg = with_segment(jpeg, 0xE2, b"MPF\0II*\0\x08\0\0\0" + part)
        return jpeg
    if kind == "WEBP":
        options = {"exif": b"Exif\0\0" + text, "xmp": text, "icc_profile": text}
        return encoded(image.convert("RGB"), kind, lossless=True, **options)
    return encoded(image, kind, comment=text)


@pytest.mark.bad_input(65, 66)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [20_000, 2_500_000])
def test_metadata_of_any_size_is_no_reason_to_refuse_a_picture(kind, size):
    pixels = read(metadata_of(kind, size)).pixels
    assert np.abs(pixels.astype(int) - 60).max() <= (1 if kind == "JPEG" else 0)  # JPEG rounds


def test_an_orientation_beside_exif_does_not_count():
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8))
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    for options in ({"xmp": xmp}, {"xmp": xmp, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}):
        webp = encoded(image.convert("RGB"), "WEBP", lossless=True, **options)
        assert np.array_equal(read(webp).pixels, np.asarray(image))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_offered_format_is_read(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = read(encoded(Image.new("RGB", SHAPE, (120, 120, 120)), kind, **options)).pixels
    assert np.abs(pixels.astype(int) - 120).max() <= 2  # JPEG rounds


@pytest.mark.bad_input(61)
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_only_the_first_frame_is_used_and_a_note_says_so(kind):
    frames = [Image.new("RGB", SHAPE, (level, level, level)) for level in (10, 200, 90)]
    options = {"lossless": True} if kind == "WEBP" else {}
    upload = read(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert set(upload.pixels.ravel().tolist()) == {10}
    assert any("frames are ignored" in note for note in upload.notes)


def white_page(ink=0):
    image = Image.new("L", SHAPE, 255)
    image.paste(ink, (10, 10, 18, 18))
    return encoded(image)


def test_invert_yes_turns_dark_on_light_into_light_on_dark():
    pixels = read(white_page(), invert="yes").pixels
    assert (pixels[0, 0], pixels[14, 14]) == (0, 255)


def test_invert_auto_looks_at_the_border():
    assert read(white_page(), invert="auto").pixels[0, 0] == 0
    dark = read(white_page(), invert="yes").pixels
    assert np.array_equal(read(png_bytes(dark), invert="auto").pixels, dark)


DARK_HINT = "the border is dark, the model expects light: inverted? use invert=auto"
LIGHT_HINT = "the border is light, the model expects dark: inverted? use invert=auto"


@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("polarity", "invert", "light", "dark"),
    [
        ("dark", "no", (False, LIGHT_HINT), (False, None)),
        ("dark", "auto", (True, "inverted"), (False, None)),
        ("light", "no", (False, None), (False, DARK_HINT)),
        ("light", "auto", (False, None), (True, "inverted")),
        (None, "no", (False, None), (False, None)),
        (None, "auto", (False, None), (False, None)),
        ("dark", "yes", (True, "inverted"), (True, "inverted")),
        ("light", "yes", (True, "inverted"), (True, "inverted")),
        (None, "yes", (True, "inverted"), (True, "inverted")),
    ],
)
def test_auto_and_the_hint_follow_the_models_own_ground(shape, polarity, invert, light, dark):
    page = np.full(SHAPE, 250, np.uint8)
    page[10:18, 10:18] = 20
    for picture, (inverted, note) in ((page, light), (255 - page, dark)):
        upload = read_uploads([("file", png_bytes(picture))], shape, invert, LIMITS, polarity)[0]
        expected = 255 - picture if inverted else picture
        assert np.array_equal(upload.pixels if len(shape) == 2 else upload.pixels[..., 1], expected)
        assert upload.notes == ((note,) if note else ())


@pytest.mark.bad_input(68)
def test_a_light_border_left_as_it_is_earns_a_hint():
    upload = read(white_page())
    assert upload.pixels[0, 0] == 255
    assert "invert=auto" in upload.notes[0]


def test_a_dark_border_earns_no_note():
    assert read(png_bytes(np.zeros(SHAPE, np.uint8))).notes == ()


@pytest.mark.bad_input(69)
@pytest.mark.parametrize(
    ("size", "note"),
    [
        ((56, 56), "scaled from 56 x 56: scores hold for 28 x 28"),
        ((14, 14), "scaled from 14 x 14: scores hold for 28 x 28"),
        ((40, 20), "scaled and padded from 40 x 20: scores hold for 28 x 28"),
        ((10, 28), "padded from 10 x 28: scores hold for 28 x 28"),
    ],
)
def test_a_picture_of_another_size_is_noted_with_the_size_that_scores_hold_for(size, note):
    picture = Image.linear_gradient("L").resize(size)
    picture.paste(0, (0, 0, size[0], 1))
    assert read(encoded(picture)).notes == (note,)


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("times", [2, 3, 20])
def test_a_picture_of_repeated_pixels_becomes_what_it_was_and_is_not_noted(channels, times):
    pixels = np.random.default_rng(times).integers(0, 256, (*SHAPE, *channels), dtype=np.uint8)
    pixels[[0, -1]] = pixels[:, [0, -1]] = 0
    larger = pixels.repeat(times, axis=0).repeat(times, axis=1)
    upload = read(png_bytes(larger), shape=(*SHAPE, *channels))
    assert np.array_equal(upload.pixels, pixels)
    assert upload.notes == ()
    larger[-1, -1] ^= 1  # one pixel is not like those around it
    assert read(png_bytes(larger), shape=(*SHAPE, *channels)).notes[0].startswith("scaled from ")


@pytest.mark.bad_input(51)
def test_an_empty_file_is_named_as_such():
    assert refusal(b"").code == "empty_file"


@pytest.mark.bad_input(51, 52)
@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"hello",
        b"<!doctype html><p>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"II*\0\x08\0\0\0",
        b"8BPS\0\x01",
        b"SIMPLE  =                    T",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\x01\0\x01\0",
        b"\0\0\0\x1cftypavif",
        b"DDS |\0\0\0",
    ],
)
def test_what_is_not_one_of_the_five_formats_is_refused_with_their_names(data):
    fault = refusal(data, UnsupportedUpload)
    assert fault.code == "not_an_image"
    assert "PNG, JPEG, WebP, GIF or BMP" in fault.expected


@pytest.mark.bad_input(55)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_named_as_such(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    assert refusal(data[: int(len(data) * share)]).code == "image_truncated"


@pytest.mark.bad_input(56)
def test_a_flipped_byte_inside_a_png_is_named_as_corrupt():
    data = bytearray(png_bytes(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)))
    data[200] ^= 0xFF
    assert refusal(bytes(data)).code == "image_corrupt"


@pytest.mark.bad_input(57)
@pytest.mark.parametrize("size", [(9000, 9000), (14_000, 14_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_its_header(size):
    fault = refusal(png_of_size(*size))
    assert fault.code == "too_many_pixels"
    assert "VITRINE_MAX_UPLOAD_PIXELS" in fault.expected


@pytest.mark.bad_input(58)
@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)])
def test_a_side_beyond_the_limit_is_refused(size):
    assert refusal(png_of_size(*size)).code == "side_too_long"


@pytest.mark.bad_input(58)
def test_a_picture_narrower_than_one_to_fifty_is_refused():
    assert refusal(png_of_size(510, 10)).code == "too_narrow"


@pytest.mark.bad_input(59)
@pytest.mark.parametrize("size", [(0, 0), (0, 5)])
def test_a_picture_without_pixels_is_refused(size):
    assert refusal(png_of_size(*size)).code in ("no_pixels", "image_corrupt")


@pytest.mark.bad_input(60)
def test_a_compressed_text_bomb_in_a_png_is_never_inflated(monkeypatch):
    pixels = np.random.default_rng(6).integers(0, 256, SHAPE, dtype=np.uint8)
    packed = zlib.compress(b"a" * 50_000_000)
    bombs = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"profile\0\0"}
    monkeypatch.setattr(zlib, "decompressobj", None)  # what Pillow inflates metadata with
    for name, head in bombs.items():
        assert np.array_equal(read(with_chunk(png_bytes(pixels), name, head + packed)).pixels, pixels)


@pytest.mark.bad_input(67)
def test_a_jpeg_with_thousands_of_scans_is_refused_before_it_is_decoded():
    data = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    header = data[scan : scan + 10]
    assert refusal(data[:scan] + header * 3000 + data[scan:]).code == "too_many_scans"


def test_bytes_behind_a_jpeg_that_look_like_scans_do_not_count():
    film = np.random.default_rng(0).bytes(9_000_000)  # as phones append to their moving pictures
    assert film.count(b"\xff\xda") > 100
    read(encoded(Image.new("L", (64, 64)), "JPEG") + film)


def test_all_pictures_of_an_upload_share_one_budget_of_pixels():
    half = png_of_size(4000, 4000)
    with pytest.raises(UploadError) as caught:
        read_uploads([("file[0]", half), ("file[1]", half)], SHAPE, "no", LIMITS)
    fault = caught.value.faults[0]
    assert (fault.parameter, fault.code) == ("file[1]", "too_many_pixels")


def test_a_jpeg_of_several_pictures_gives_its_first():
    first, second = (Image.new("L", (200, 200), level) for level in (30, 220))
    upload = read(encoded(first, "MPO", save_all=True, append_images=[second]))
    assert np.abs(upload.pixels.astype(int) - 30).max() <= 2
    assert any("frames are ignored" in note for note in upload.notes)


def test_a_progressive_jpeg_is_read():
    data = encoded(Image.new("RGB", (64, 64), (50, 50, 50)), "JPEG", progressive=True)
    assert np.abs(read(data).pixels.astype(int) - 50).max() <= 2


@pytest.mark.bad_input(56)
@given(st.binary(max_size=300), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]))
def test_any_bytes_behind_a_formats_beginning_give_an_image_or_a_refusal(rest, kind):
    data = encoded(Image.new("L", (9, 9), 3), kind)[:40] + rest
    try:
        assert read(data).pixels.shape == SHAPE
    except UploadError:
        assert sniff(data) == kind


def test_a_palette_png_without_its_palette_is_broken():
    file = encoded(Image.new("P", (8, 8)))
    start = file.index(b"PLTE") - 4
    length = int.from_bytes(file[start : start + 4], "big") + 12
    with pytest.raises(UploadError) as caught:
        read(file[:start] + file[start + length :])
    assert caught.value.faults[0].code == "image_corrupt"
