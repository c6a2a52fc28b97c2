"""Images that are sent: files, bytes, pictures of Pillow, arrays. Neither Pillow nor NumPy is needed here."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

ImageLike = Any  # what `content_of` takes; arrays and Pillow's pictures have no type of the standard library

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # PNG's word for grey, RGB and RGBA, by channels
_WHITE_IF_TRUE = bytes([0]) + b"\xff" * 255
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@runtime_checkable
class _Readable(Protocol):
    def read(self) -> Any: ...


def content_of(image: ImageLike) -> bytes:
    """Return the bytes of a file that holds an image.

    Args:
        image: the path of a file, its bytes, an open binary file, a picture of Pillow's, or an array of
            levels from 0 to 255, uint8: (H, W) grey, (H, W, 3) colour or (H, W, 4) with transparency. An
            array of bool is white where it is true.

    Raises:
        OSError: the file cannot be read.
        TypeError: it is none of these.
        ValueError: an array of another type or shape.
    """
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray):
        return bytes(image)
    if hasattr(image, "save") and hasattr(image, "mode"):
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()
    if isinstance(image, _Readable):
        content = image.read()
        if not isinstance(content, bytes):
            raise TypeError('a file of text: open it with "rb"')
        return content
    try:
        levels = memoryview(image)
    except TypeError:
        expected = "a path, bytes, a binary file, a picture of Pillow's or an array of uint8"
        raise TypeError(f"an image is {expected}, not {type(image).__name__}") from None
    return _png_of(levels)


def _png_of(levels: memoryview) -> bytes:
    """Return a PNG of an array's levels."""
    shape = levels.shape or ()
    channels = shape[2] if len(shape) == 3 else 1
    is_image = len(shape) in (2, 3) and channels in _COLOUR_TYPES and 0 not in shape
    if levels.format not in ("B", "?") or not is_image:
        received = f"{levels.format!r} of {shape}"
        raise ValueError(f"an array of an image is uint8 of (H, W), (H, W, 3) or (H, W, 4), not {received}")
    height, width = shape[:2]
    content, row = levels.tobytes(), width * channels
    if levels.format == "?":
        content = content.translate(_WHITE_IF_TRUE)
    filtered = b"".join(b"\0" + content[start : start + row] for start in range(0, len(content), row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
