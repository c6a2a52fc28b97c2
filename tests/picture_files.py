"""Picture files that no library writes, made by hand for tests, and pairs of files of one picture."""

import io
import struct
import zlib
from unittest import mock

import numpy as np
from PIL import Image, ImageFile, ImageOps


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png_chunk(name, content=b""):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(png, name, content):
    """A PNG with one more chunk behind its header."""
    return png[:33] + png_chunk(name, content) + png[33:]


def with_wrong_checksum(png, name):
    """A PNG in which one bit of a chunk's checksum is another."""
    at = png.index(name)
    end = at + 4 + int.from_bytes(png[at - 4 : at], "big") + 3
    return png[:end] + bytes([png[end] ^ 1]) + png[end + 1 :]


def with_segment(jpeg, marker, content=b""):
    """A JPEG with one more segment behind its first marker."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def lossless_jpeg(pixels):
    """An 8-bit lossless JPEG (ITU-T T.81, annex H) of (H, W) grey or (H, W, 3) RGB levels, predicted from the left."""
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width, count = planes.shape
    before = np.empty((height, width, count), int)
    before[:, 1:] = planes[:, :-1]
    before[1:, 0] = planes[:-1, 0]
    before[0, 0] = 128
    bits = []
    for difference in (planes - before).ravel().tolist():  # component by component of each pixel
        category = abs(difference).bit_length()  # 0..8, each with a code of 4 bits
        bits.append(f"{category:04b}")
        if category:
            bits.append(f"{difference if difference > 0 else difference + 2**category - 1:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    names = b"\1" if count == 1 else b"RGB"
    table = b"\0" + bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))
    frame = struct.pack(">BHHB", 8, height, width, count) + b"".join(bytes([name, 0x11, 0]) for name in names)
    start = bytes([count]) + b"".join(bytes([name, 0]) for name in names) + b"\1\0\0"
    segments = [(0xC3, frame), (0xC4, table), (0xDA, start)]
    head = b"".join(bytes([0xFF, code]) + struct.pack(">H", len(part) + 2) + part for code, part in segments)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def gif_in_part(canvas, frame, offset, *, transparent=None, interlaced=False):
    """A GIF of one frame, a palette image smaller than the canvas, whose background colour is black."""
    data = bytearray(encoded(frame, "GIF", interlace=int(interlaced), optimize=False))
    struct.pack_into("<HH", data, 6, *canvas)
    data[11] = 0
    palette = 13 + (3 << (data[10] & 7) + 1)
    image = data.index(b",", palette)
    struct.pack_into("<HH", data, image + 1, *offset)
    control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
    return bytes(data[:palette] + control + data[image:])


def webp_in_part(canvas, frame, offset):
    """A WebP animation of one opaque frame smaller than the canvas, that announces no transparency."""

    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    def three(number):
        return struct.pack("<I", number)[:3]

    picture = encoded(frame, "WEBP", lossless=True)[12:]
    where = three(offset[0] // 2) + three(offset[1] // 2) + three(frame.width - 1) + three(frame.height - 1)
    parts = [
        (b"VP8X", bytes([2, 0, 0, 0]) + three(canvas[0] - 1) + three(canvas[1] - 1)),
        (b"ANIM", b"\0\0\0\xff\0\0"),
        (b"ANMF", where + three(100) + b"\0" + picture),
    ]
    body = b"WEBP" + b"".join(chunk(*part) for part in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_and_png(seed, longest=3000):
    """A random JPEG of fine detail, and a PNG of the same picture: of its levels, decoded in full and upright.

    Sides are 9 to `longest` pixels, at most 50 to 1. Detail is noise, black specks on white, or waves that become
    finer and finer; colours, samplings, qualities, orientations and progressive files take turns.
    """
    random = np.random.default_rng(seed)
    width = int(random.integers(9, longest + 1))
    height = int(random.integers(max(9, -(-width // 50)), min(longest, 50 * width) + 1))
    mode = ("L", "RGB", "RGB", "CMYK")[seed % 4]
    kind = seed % 3
    size = (height, width) if mode == "L" else (height, width, len(mode))
    if kind == 0:
        levels = random.integers(0, 256, size, dtype=np.uint8)
    elif kind == 1:
        levels = np.where(random.random(size) < 0.1, 0, 255).astype(np.uint8)
    else:
        along, down = np.arange(width) ** 2 * 1.5 / width, 0.7 * np.arange(height)
        waves = (127 * np.sin(along[None] + down[:, None]) + 128).astype(np.uint8)
        levels = waves if mode == "L" else np.stack([waves] * len(mode), axis=-1)
    exif = Image.Exif()
    exif[0x0112] = int(random.integers(1, 9))
    options = {"quality": int(random.integers(40, 96)), "progressive": bool(random.integers(2)), "exif": exif}
    if mode == "RGB":
        options["subsampling"] = int(random.integers(3))
    image = (
        Image.fromarray(levels)
        if mode != "CMYK"
        else Image.frombytes(mode, (width, height), levels.tobytes())
    )
    with mock.patch.object(ImageFile, "MAXBLOCK", 4 * width * height + 65_536):  # noise needs more than usual
        jpeg = encoded(image, "JPEG", **options)
    whole = Image.open(io.BytesIO(jpeg))
    whole.load()
    upright = ImageOps.exif_transpose(whole)
    colours = upright.convert("RGB") if mode == "CMYK" else upright
    clean = Image.fromarray(np.asarray(colours))  # without EXIF
    return jpeg, encoded(clean, compress_level=1)
