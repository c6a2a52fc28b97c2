import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.picture_files import (
    encoded,
    gif_in_part,
    jpeg_and_png,
    lossless_jpeg,
    webp_in_part,
    with_chunk,
    with_wrong_checksum,
)
from training.data import pictures
from training.data.pictures import PictureError


@pytest.fixture
def save(tmp_path):
    def save(image, name="picture.png", **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.ppm"])
def test_a_picture_of_the_wanted_size_passes_through_untouched(save, name):
    levels = noise(8, 6, 3)
    np.testing.assert_array_equal(pictures.read_pixels(save(Image.fromarray(levels), name), 8, 6, 3), levels)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.avif", "a.gif"])
def test_formats_that_lose_something_lose_little(save, name):
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 64, axis=0)
    path = save(Image.fromarray(ramp), name)
    # Encoders at their usual quality keep a smooth ramp within a few levels.
    assert np.abs(pictures.read_pixels(path, 64, 64, 1).astype(int) - ramp).max() <= 12


def test_the_centre_is_cut_out_and_nothing_is_stretched(save):
    levels = np.zeros((10, 30), np.uint8)
    levels[:, 10:20] = 200
    cut = pictures.read_pixels(save(Image.fromarray(levels)), 10, 10, 1)
    np.testing.assert_array_equal(cut, np.full((10, 10), 200, np.uint8))


def test_a_picture_twice_as_large_is_averaged_not_sampled(save):
    board = np.indices((32, 32)).sum(axis=0) % 2 * 255  # every other pixel white
    small = pictures.read_pixels(save(Image.fromarray(board.astype(np.uint8))), 16, 16, 1)
    # Each small pixel covers as many white as black ones; Lanczos ripples by a few levels at the border.
    assert np.abs(small.astype(int) - 128).max() <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(save, orientation):
    upright = Image.fromarray(noise(4, 6, 3))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that a camera so held makes
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(stored, exif=exif)
    header = pictures.read_header(path)
    assert (header.height, header.width) == (4, 6)
    np.testing.assert_array_equal(pictures.read_pixels(path, 4, 6, 3), np.asarray(upright))


def test_transparent_parts_show_white(save):
    levels = np.zeros((2, 2, 4), np.uint8)
    levels[0, 0] = (10, 20, 30, 255)
    levels[0, 1] = (10, 20, 30, 0)
    shown = pictures.read_pixels(save(Image.fromarray(levels)), 2, 2, 3)
    assert shown[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.info["transparency"] = 1
    assert pictures.read_pixels(save(palette, "p.png", transparency=1), 1, 2, 1).tolist() == [[0, 255]]


def test_sixteen_bits_are_scaled_to_eight_not_clipped(save):
    deep = Image.fromarray(np.array([[0, 257, 128 * 257, 65_535]], np.uint16))
    assert pictures.read_pixels(save(deep), 1, 4, 1).tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_usual_mode_is_read_in_grey_and_in_colour(save, mode):
    image = Image.new("RGB", (5, 4), "white").convert(mode)
    path = save(image, "a.tiff" if mode in ("CMYK", "YCbCr") else "a.png")
    assert (pictures.read_pixels(path, 4, 5, 1) >= 254).all()
    assert pictures.read_pixels(path, 4, 5, 3).shape == (4, 5, 3)


def test_the_first_frame_stands_for_an_animation(save):
    frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
    path = save(frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert pictures.read_header(path).animated
    assert (pictures.read_pixels(path, 4, 4, 1) == 10).all()


def png_of_size(width, height):
    """A PNG whose header claims a size, with next to nothing behind it."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a PNG"),
        (b"no picture at all", "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),  # would start another program
        (png_of_size(10_001, 10_000), "too many pixels"),
        (png_of_size(60_000, 60_000), "too many pixels"),
        (png_of_size(50, 50), "broken or cut off"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path, content, reason):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(PictureError, match=reason) as caught:
        pictures.read_pixels(tmp_path / "bad", 8, 8, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif"])
def test_a_picture_that_is_cut_off_is_refused(save, name):
    path = save(Image.fromarray(noise(64, 64, 3)), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match="broken or cut off"):
        pictures.read_pixels(path, 8, 8, 3)


def test_fractions_of_an_unknown_range_are_refused(save):
    path = save(Image.fromarray(np.ones((4, 4), np.float32)), "a.tiff")
    with pytest.raises(PictureError, match="unknown range"):
        pictures.read_pixels(path, 4, 4, 1)


def test_arrays_are_fitted_as_files_are(save):
    levels = noise(20, 30, 3)
    from_file = pictures.read_pixels(save(Image.fromarray(levels)), 8, 8, 1)
    np.testing.assert_array_equal(pictures.fit_levels(levels, 8, 8, 1), from_file)


@pytest.fixture
def read(tmp_path):
    def read(data, height=8, width=8, channels=1):
        (tmp_path / "picture").write_bytes(data)
        return pictures.read_pixels(tmp_path / "picture", height, width, channels)

    return read


@pytest.mark.parametrize("seed", range(40))
def test_a_jpeg_gives_the_levels_of_the_same_picture_as_png(read, seed):
    jpeg, png = jpeg_and_png(seed, longest=500)
    for height, width, channels in ((28, 28, 1), (48, 64, 3)):
        difference = read(jpeg, height, width, channels).astype(int) - read(png, height, width, channels)
        assert np.abs(difference).max() <= 2  # the same decoder and the same fit; 2 is the promise


def test_a_lossless_jpeg_is_read_to_the_level(read):
    for levels in (noise(8, 8), noise(8, 8, 3)):
        shape = (8, 8, 1 if levels.ndim == 2 else 3)
        np.testing.assert_array_equal(read(lossless_jpeg(levels), *shape), levels)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"zTXt", b"workflow\0\0" + zlib.compress(noise(2_500_000).tobytes())),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(noise(2_500_000).tobytes())),
        (b"iCCP", b"profile\0\0" + zlib.compress(noise(1_500_000).tobytes())),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 50_000_000)),
        (b"tEXt", b"text\0" + b"a" * 70_000_000),
    ],
    ids=["text", "XMP", "profile", "bomb", "plain"],
)
def test_metadata_of_a_png_is_never_inflated_nor_a_reason_to_leave_it_out(read, monkeypatch, name, content):
    levels = noise(8, 8)
    monkeypatch.setattr(zlib, "decompressobj", None)  # what Pillow inflates metadata with
    np.testing.assert_array_equal(read(with_chunk(encoded(Image.fromarray(levels)), name, content)), levels)


@pytest.mark.parametrize("chunk", [b"IHDR", b"IDAT", b"IEND"])
def test_a_png_with_a_wrong_checksum_is_refused(read, chunk):
    with pytest.raises(PictureError, match="wrong checksum"):
        read(with_wrong_checksum(encoded(Image.fromarray(noise(8, 8))), chunk))


@pytest.mark.parametrize("missing", [1, 4, 8, 12, 13])
def test_a_png_that_is_cut_inside_its_last_bytes_is_refused(read, missing):
    with pytest.raises(PictureError, match="broken or cut off"):
        read(encoded(Image.fromarray(noise(8, 8)))[:-missing])


@pytest.mark.parametrize("transparent", [None, 0])
def test_what_a_first_frame_leaves_out_is_white(read, transparent):
    frame = Image.new("P", (4, 2), 1)
    frame.putpalette([0, 0, 0, 90, 90, 90])
    expected = np.full((8, 8), 255, np.uint8)
    expected[4:6, 2:6] = 90
    np.testing.assert_array_equal(read(gif_in_part((8, 8), frame, (2, 4), transparent=transparent)), expected)
    webp = webp_in_part((8, 8), Image.new("RGB", (4, 2), (90, 90, 90)), (2, 4))
    np.testing.assert_array_equal(read(webp), expected)


def test_an_animated_png_is_told_of_and_gives_its_default_image(save):
    first, second = Image.fromarray(noise(8, 8)), Image.fromarray(noise(8, 8, seed=1))
    path = save(first, save_all=True, append_images=[second])
    assert pictures.read_header(path).animated
    np.testing.assert_array_equal(pictures.read_pixels(path, 8, 8, 1), np.asarray(first))


def test_what_the_decoder_does_not_support_is_named(read):
    deep = bytearray(encoded(Image.fromarray(noise(8, 8)), "JPEG"))
    deep[deep.index(b"\xff\xc0") + 4] = 12
    bmp = bytearray(encoded(Image.fromarray(noise(8, 8, 3)), "BMP"))
    bmp[30] = 5
    for data, what in ((deep, "12-bit"), (bmp, r"BMP compression \(5\)")):
        with pytest.raises(PictureError, match=f"of a kind that is not decoded .*{what}"):
            read(bytes(data))


def test_a_bmps_reserved_words_may_hold_anything(read):
    levels = noise(8, 8)
    bmp = encoded(Image.fromarray(levels), "BMP")
    np.testing.assert_array_equal(read(bmp[:6] + b"\xff" * 4 + bmp[10:]), levels)
