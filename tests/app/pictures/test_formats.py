"""Every format, read by somebody else's reader."""

import base64
import csv
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from app.pictures import formats, grids
from app.pictures.formats import FORMATS, Drawing, point_of
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe, SeededProvenance
from tests.fakes import pixels_of

RECIPE = Recipe(
    "fake@1", "ab" * 32, "/samples", {"label": "a & <b>", "n": 5}, "/samples?model=fake@1-abababababab"
)
PACKET = RECIPE.provenance.xmp.decode()
CODES = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
STILL, ANIMATED, SINGLE = ("png", "webp"), ("gif", "apng"), ("npy", "npz", "json", "zip", "csv")


def images_of(colours=(), count=5, levels=256):
    return np.random.default_rng(1).integers(0, levels, (count, 8, 6, *colours), dtype=np.uint8)


def drawing_of(name, images=None, codes=None, columns=3, **style):
    images = images_of() if images is None else images
    return Drawing(images, columns, GridStyle(columns, format=name, **style), RECIPE, codes=codes)


def encoded(name, *arguments, **style):
    return FORMATS[name].encode(drawing_of(name, *arguments, **style))


def shown(image, zoom=1, ink="dark"):
    """One image as it is drawn."""
    return (255 - image if ink == "dark" else image).repeat(zoom, axis=0).repeat(zoom, axis=1)


@pytest.mark.parametrize("name", FORMATS)
def test_the_table_says_what_each_format_is(name):
    offered = FORMATS[name]
    assert offered.animated is (name in ANIMATED)
    assert offered.has_codes is (name in ("npz", "json", "zip", "csv"))
    assert offered.cost >= 1


def test_png_is_what_is_drawn_unless_something_else_is_asked_for():
    assert next(iter(FORMATS)) == GridStyle().format == "png"


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize(("zoom", "ink"), [(1, "dark"), (2, "light")])
def test_a_still_picture_has_the_pixels_of_the_grid(name, colours, zoom, ink):
    images = images_of(colours)
    content = encoded(name, images, zoom=zoom, ink=ink, blank=7)
    with Image.open(io.BytesIO(content)) as image:
        assert image.get_format_mimetype() == FORMATS[name].media_type
        pixels = np.asarray(image.convert("RGB" if colours else "L"))
    assert np.array_equal(pixels, grids.grid(images, 3, zoom, ink, 7))


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_a_large_webp_has_the_pixels_of_the_grid_though_it_is_made_of_strips(colours, monkeypatch):
    monkeypatch.setattr(formats, "STRIP_PIXELS", 100)
    images = images_of(colours)
    with Image.open(io.BytesIO(encoded("webp", images, zoom=2, ink="light", blank=7))) as image:
        pixels = np.asarray(image.convert("RGB" if colours else "L"))
    assert np.array_equal(pixels, grids.grid(images, 3, 2, "light", 7))


@pytest.mark.parametrize("name", STILL)
def test_a_still_picture_of_one_image_is_that_image(name):
    images = images_of(count=1)
    with Image.open(io.BytesIO(encoded(name, images))) as image:
        assert np.array_equal(np.asarray(image.convert("L")), 255 - images[0])


def frames_of(content):
    """Frames of an animation as RGB, their milliseconds, and what it says of its repetitions."""
    with Image.open(io.BytesIO(content)) as image:
        frames, took = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
            took.append(image.info.get("duration"))
        return frames, took, image.info.get("loop")


def as_rgb(pixels):
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)


@pytest.mark.parametrize("name", ANIMATED)
@pytest.mark.parametrize(("zoom", "ink"), [(1, "dark"), (2, "light")])
def test_an_animation_shows_an_image_a_frame_to_the_level(name, zoom, ink):
    images = images_of()
    frames, _, _ = frames_of(encoded(name, images, zoom=zoom, ink=ink))
    assert len(frames) == 5
    for frame, image in zip(frames, images, strict=True):
        assert np.array_equal(frame, as_rgb(shown(image, zoom, ink)))


def test_an_animated_png_keeps_every_colour():
    images = images_of((3,))
    frames, _, _ = frames_of(encoded("apng", images))
    assert all(np.array_equal(frame, 255 - image) for frame, image in zip(frames, images, strict=True))


def test_a_gif_keeps_every_colour_of_a_frame_that_has_no_more_than_256():
    images = images_of((3,))  # of 48 pixels each
    frames, _, _ = frames_of(encoded("gif", images))
    assert len(frames) == 5
    for frame, image in zip(frames, images, strict=True):
        # The palette's own search rounds: a level or two of a colour, never another colour.
        assert np.abs(frame.astype(int) - (255 - image)).max() <= 4


@pytest.mark.parametrize(
    ("loop", "order"), [("forever", range(5)), ("once", range(5)), ("bounce", [0, 1, 2, 3, 4, 3, 2, 1])]
)
@pytest.mark.parametrize("name", ANIMATED)
def test_an_animation_goes_on_as_it_is_asked_to(name, loop, order):
    images = images_of()
    frames, _, repeated = frames_of(encoded(name, images, loop=loop))
    assert [
        next(k for k in range(5) if np.array_equal(frame, as_rgb(255 - images[k]))) for frame in frames
    ] == [*order]
    endless = 0  # in both formats; a GIF that is shown once says nothing of it
    assert repeated == ({"gif": None, "apng": 1}[name] if loop == "once" else endless)


@pytest.mark.parametrize(("count", "frames"), [(1, 1), (2, 2), (3, 4)])
def test_there_and_back_shows_the_ends_once(count, frames):
    assert len(frames_of(encoded("apng", images_of(count=count), loop="bounce"))[0]) == frames


@pytest.mark.parametrize(
    ("fps", "milliseconds"), [(1, 1000), (3, 330), (10, 100), (25, 40), (30, 30), (50, 20)]
)
def test_a_gif_counts_in_hundredths_of_a_second(fps, milliseconds):
    assert frames_of(encoded("gif", fps=fps))[1] == [milliseconds] * 5


@pytest.mark.parametrize("fps", [1, 3, 10, 30, 50])
def test_an_animated_png_takes_just_the_time_that_is_asked_for(fps):
    assert frames_of(encoded("apng", fps=fps))[1] == pytest.approx([1000 / fps] * 5)


@pytest.mark.parametrize("name", ANIMATED)
def test_frames_that_look_alike_last_as_long_as_they_would_apart(name):
    images = images_of()[[0, 1, 1, 1, 2]]
    frames, took, _ = frames_of(encoded(name, images))
    assert sum(took) == 500
    assert np.array_equal(frames[-1], as_rgb(255 - images[-1]))


@pytest.mark.parametrize("name", ANIMATED)
@pytest.mark.parametrize("loop", ["forever", "once", "bounce"])
def test_an_animation_of_one_image_shows_that_image(name, loop):
    images = images_of(count=1)
    frames, _, _ = frames_of(encoded(name, images, loop=loop))
    assert len(frames) == 1
    assert np.array_equal(frames[0], as_rgb(255 - images[0]))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("name", "key"),
    [("png", "XML:com.adobe.xmp"), ("apng", "XML:com.adobe.xmp"), ("webp", "xmp")],
)
def test_pillow_finds_the_packet(name, key, count):
    with Image.open(io.BytesIO(encoded(name, images_of(count=count)))) as image:
        found = image.info[key]
        assert (found if isinstance(found, str) else found.decode()) == PACKET


@pytest.mark.parametrize("name", ["png", "apng", "gif"])
def test_the_comment_names_the_address_for_readers_that_know_no_xmp(name):
    with Image.open(io.BytesIO(encoded(name))) as image:
        found = image.info["comment" if name == "gif" else "Comment"]
    assert (found if isinstance(found, str) else found.decode()) == RECIPE.provenance.comment.decode()


def gif_blocks(content):
    """(Introducer or application, data) of every block of a GIF (GIF89a, 26 July 1990), in its order."""
    assert content[:6] == b"GIF89a"
    start = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    found = []
    while content[start] != 0x3B:
        if content[start] == 0x21 and content[start + 1] == 0xFF:
            assert content[start + 2] == 11
            name, start = content[start + 3 : start + 14], start + 14
        elif content[start] == 0x21:
            name, start = content[start + 1], start + 2
        else:
            assert content[start] == 0x2C
            palette = 3 << (content[start + 9] & 7) + 1 if content[start + 9] & 0x80 else 0
            name, start = 0x2C, start + 10 + palette + 1
        blocks = b""
        while content[start]:
            blocks += content[start : start + 1 + content[start]]
            start += 1 + content[start]
        found.append((name, blocks))
        start += 1
    assert start == len(content) - 1
    return found


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_the_packet_of_a_gif_stands_in_its_application_block_as_adobe_defines_it(colours):
    """XMP specification, part 3, section 1.1.2: the packet as it is, then a trailer for readers of blocks."""
    blocks = gif_blocks(encoded("gif", images_of(colours)))
    (data,) = [data for name, data in blocks if name == b"XMP DataXMP"]
    # A reader that takes the packet's bytes for sizes of blocks lands in the trailer, and at its end.
    assert data == PACKET.encode() + b"\x01" + bytes(range(255, -1, -1))
    assert [each for each, _ in blocks].count(0x2C) == 5


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_drawing_gives_the_same_bytes(name, colours):
    once, again = (encoded(name, images_of(colours), CODES) for _ in range(2))
    assert once == again
    assert once != encoded(name, images_of(colours)[::-1], CODES[::-1])


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_numpy_reads_the_images_as_the_data_has_them_whatever_the_ink(colours):
    images = images_of(colours)
    for ink in ("dark", "light"):
        found = np.load(io.BytesIO(encoded("npy", images, ink=ink, zoom=3)), allow_pickle=False)
        assert found.dtype == np.uint8
        assert np.array_equal(found, images)


def test_numpy_reads_images_codes_and_recipe():
    with np.load(io.BytesIO(encoded("npz", images_of(), CODES)), allow_pickle=False) as found:
        assert set(found.files) == {"images", "codes", "recipe"}
        assert np.array_equal(found["images"], images_of())
        assert found["codes"].dtype == np.float32
        assert np.array_equal(found["codes"], CODES)
        assert str(found["recipe"]) == RECIPE.as_json()


def test_what_was_decoded_from_no_codes_has_none():
    with np.load(io.BytesIO(encoded("npz")), allow_pickle=False) as found:
        assert set(found.files) == {"images", "recipe"}
    with zipfile.ZipFile(io.BytesIO(encoded("zip"))) as found:
        assert "codes.csv" not in found.namelist()
    assert "point" not in json.loads(encoded("json"))["images"][0]
    assert [*csv.reader(io.StringIO(encoded("csv").decode()))] == [["image"], *([str(k)] for k in range(5))]


def one_image(png, number):
    """Pixels of one image's own PNG, which names its number."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        assert f'"image": {number},' in image.info["XML:com.adobe.xmp"]
    return pixels_of(png)


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_a_zip_file_holds_a_png_of_every_image_its_codes_and_the_recipe(colours):
    images = images_of(colours)
    with zipfile.ZipFile(io.BytesIO(encoded("zip", images, CODES, zoom=2))) as found:
        assert found.testzip() is None
        assert found.namelist() == [*(f"{k:04}.png" for k in range(5)), "codes.csv", "recipe.json"]
        for number, image in enumerate(images):
            assert np.array_equal(one_image(found.read(f"{number:04}.png"), number), shown(image, 2))
        assert json.loads(found.read("recipe.json")) == json.loads(RECIPE.as_json())
        assert found.read("codes.csv") == encoded("csv", images, CODES)


def test_json_holds_a_picture_and_a_point_of_every_image_and_the_recipe():
    found = json.loads(encoded("json", images_of(), CODES, ink="light"))
    assert {name: found[name] for name in json.loads(RECIPE.as_json())} == json.loads(RECIPE.as_json())
    assert found["columns"] == 3
    for number, (each, image) in enumerate(zip(found["images"], images_of(), strict=True)):
        assert each["image"] == number
        kind, _, text = each["picture"].partition(",")
        assert kind == "data:image/png;base64"
        assert np.array_equal(one_image(base64.b64decode(text, validate=True), number), image)
        assert each["point"] == point_of(CODES[number])


def test_csv_has_a_line_for_every_code_which_reads_back_to_the_bit():
    table = [*csv.reader(io.StringIO(encoded("csv", images_of(), CODES).decode()))]
    assert table[0] == ["image", "z0", "z1", "z2"]
    assert [int(row[0]) for row in table[1:]] == [*range(5)]
    assert np.array_equal(np.array(table[1:])[:, 1:].astype(np.float32), CODES)


@given(arrays.arrays(np.float32, st.integers(1, 12), elements=st.floats(-8, 8, width=32)))
def test_the_name_of_a_code_has_the_digits_that_tell_it_from_its_neighbours(code):
    name, numbers = point_of(code).split(":")
    assert name == "z"
    assert np.array_equal(np.array(numbers.split(","), np.float32), code)
    assert not set(numbers) - set("0123456789.,-e")  # a query string holds it as it is


def test_a_provenance_that_is_there_already_is_taken():
    provenance = SeededProvenance(RECIPE).of(9)
    content = FORMATS["png"].encode(drawing_of("png")._replace(provenance=provenance))
    assert content == FORMATS["png"].encode(drawing_of("png")._replace(recipe=RECIPE.seeded(9)))
    assert struct.pack(">I", len(b"Comment\0" + provenance.comment)) in content
