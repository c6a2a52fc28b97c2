"""A picture file -> what it says of how it was made, and its pixels as anybody sees them."""

import contextlib
import io
import json
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.sax.saxutils import unescape

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.errors import UnsupportedUpload, UploadError
from app.pictures.containers import gif_of_frames
from app.pictures.encode import XMP_KEYWORD
from app.pictures.files import decoding, sniff
from app.pictures.provenance import RECIPE_NAMESPACE

MAX_PACKET_BYTES = 524_288
MAX_FRAMES = 4096  # as many as the service writes
MAX_PIXELS = 16_777_216  # of all frames together

_SOURCE_TYPE = re.compile(rb"DigitalSourceType(?:\s*=\s*[\"']|\s*>\s*)([^\"'<>\s]{1,200})")
_RECIPE = re.compile(rb"<vitrine:recipe>([^<]{1,262144})</vitrine:recipe>")
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_GIF_XMP = b"!\xff\x0bXMP DataXMP"


class Mark(NamedTuple):
    """What a file claims.

    Args:
        source_type: IPTC's digital source type, an address; None: it names none.
        recipe: how a picture of ours is made; None: it holds none that can be read.
    """

    source_type: str | None
    recipe: dict[str, Any] | None

    @property
    def is_generated(self) -> bool:
        """Whether it says that a model generated the picture, or a part of it."""
        return "AlgorithmicMedia" in (self.source_type or "")


def read_mark(data: bytes) -> Mark:
    """Return what a PNG, APNG, WebP, GIF or JPEG says in its XMP packet; nothing of it is proof."""
    packet = next(_packets(data), b"")[:MAX_PACKET_BYTES]
    source_type = _SOURCE_TYPE.search(packet)
    recipe = None
    if RECIPE_NAMESPACE.encode() in packet and (found := _RECIPE.search(packet)):
        try:
            content = json.loads(unescape(found[1].decode()))
            # What no answer could carry: numbers that are not finite, halves of characters.
            json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            content = None
        recipe = content if isinstance(content, dict) else None
    return Mark(source_type[1].decode("ascii", "replace") if source_type else None, recipe)


def _packets(data: bytes) -> Iterator[bytes]:
    """Yield the XMP packets of a file."""
    kind = sniff(data)
    if kind == "PNG":
        yield from _png_packets(data)
    elif kind == "WEBP":
        for name, start, size in _pieces(data, 12, "<4sI", even=True):
            if name == b"XMP ":
                yield data[start : start + size]
    elif kind == "GIF" and (start := data.find(_GIF_XMP)) >= 0:
        yield data[start + len(_GIF_XMP) : start + len(_GIF_XMP) + MAX_PACKET_BYTES]
    elif kind == "JPEG" and (start := data.find(_JPEG_XMP)) >= 0:
        yield data[start + len(_JPEG_XMP) : start + len(_JPEG_XMP) + MAX_PACKET_BYTES]


def _png_packets(data: bytes) -> Iterator[bytes]:
    for start, size in _png_chunks(data, b"iTXt"):
        keyword, end, content = data[start : start + size].partition(b"\0")
        if keyword == XMP_KEYWORD and end and content[:1] == b"\0":  # not compressed
            yield content[2:].split(b"\0", 2)[-1]


def _png_chunks(data: bytes, wanted: bytes) -> Iterator[tuple[int, int]]:
    position = 8
    while position + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if name == wanted:
            yield position + 8, size
        position += 12 + size


def _pieces(data: bytes, position: int, form: str, *, even: bool) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the start and the size of each chunk of a RIFF file."""
    while position + 8 <= len(data):
        name, size = struct.unpack_from(form, data, position)
        yield name, position + 8, size
        position += 8 + size + (size % 2 if even else 0)


Frames = npt.NDArray[np.uint8]


def frames_of(data: bytes, parameter: str) -> Frames:
    """Return the frames of a picture file, (N, H, W, 4) levels with opacity, as they are shown.

    Args:
        data: a PNG, APNG, WebP, GIF, JPEG or BMP.
        parameter: what errors call it.

    Raises:
        UnsupportedUpload: it is none of these.
        UploadError: it is broken, or has more frames or pixels than are looked at.
    """
    kind = sniff(data)
    if kind is None:
        expected, remedy = "a PNG, WebP, GIF, JPEG or BMP", "Send a picture."
        raise UnsupportedUpload.of(parameter, expected, "another kind of file", remedy, "unsupported_format")
    with contextlib.ExitStack() as stack:
        stack.enter_context(decoding(data, kind, parameter))
        needed = gif_of_frames(data) if kind == "GIF" else data
        image = stack.enter_context(Image.open(io.BytesIO(needed), formats=[kind]))
        count, size = getattr(image, "n_frames", 1), image.width * image.height
        if count > MAX_FRAMES or count * size > MAX_PIXELS:
            expected = f"at most {MAX_FRAMES} frames and {MAX_PIXELS} pixels in all"
            received, remedy = f"{count} frames of {size} pixels", "Send a smaller picture."
            raise UploadError.of(parameter, expected, received, remedy, "too_many_pixels")
        frames: Frames = np.empty((count, image.height, image.width, 4), np.uint8)
        for number in range(count):
            image.seek(number)
            frames[number] = np.asarray(image.convert("RGBA"))
        return frames
