"""A picture file -> the part of it that a decoder needs, by format; bytes only, no Pillow.

Metadata never reaches a decoder, but for that of a WebP, whose decoder inflates none. No size of it is a
reason to refuse a picture, and nothing of it is inflated. Only EXIF stays, for its orientation.
"""

import contextlib
import re
import struct
from collections.abc import Callable, Iterator

from isal.isal_zlib import crc32

# A file's chunks, segments or blocks up to the end of its first picture. Cameras and editors write hundreds.
MAX_PIECES = 100_000
# Runs of a run-length coded BMP, which Pillow decodes in Python, at 2 to 6 microseconds each.
MAX_RUNS = 250_000
# Tables in front of a JPEG's first scan. The standard knows 16 of them, 3 KB together.
MAX_TABLE_BYTES = 65_536


class CutOffError(Exception):
    """A file stops before the end that its format marks."""


class TooManyPiecesError(Exception):
    """A file has more pieces than a picture needs; each would cost the decoder time. Says how many."""


def without_metadata(kind: str, data: bytes) -> tuple[bytes, bool]:
    """Return what a decoder needs of a file, and whether frames were left out.

    Raises:
        CutOffError: the file stops before the end of the picture.
        TooManyPiecesError: it has more pieces than a decoder should be given.
        ValueError: it is broken.
    """
    return _STRIP[kind](data)


def announced_pixels(data: bytes) -> int:
    """Return how many pixels the beginning of a file announces, or 0: of a JPEG, it does not tell."""

    def number(start: int, stop: int) -> int:
        return int.from_bytes(data[start:stop], "little")

    if data[:4] == b"\x89PNG":
        return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    if data[:4] == b"GIF8":
        canvas = number(6, 8), number(8, 10)
        with contextlib.suppress(IndexError, ValueError, TooManyPiecesError, struct.error):
            canvas = _grown(canvas, data, _next_image(data, _after_palette(data, 10, 13))[0])
        return canvas[0] * canvas[1]
    if data[:2] == b"BM":  # of the two heights that a number may mean, the one from above is negative
        return number(18, 22) * min(number(22, 26), 2**32 - number(22, 26))
    if data[12:16] == b"VP8X":
        return (number(24, 27) + 1) * (number(27, 30) + 1)
    if data[12:16] == b"VP8L":
        packed = number(21, 25)
        return ((packed & 0x3FFF) + 1) * ((packed >> 14 & 0x3FFF) + 1)
    if data[12:16] == b"VP8 ":
        return (number(26, 28) & 0x3FFF) * (number(28, 30) & 0x3FFF)
    return 0


_CHUNK, _CHECKSUM = struct.Struct(">I4s"), struct.Struct(">I")


def _png(data: bytes) -> tuple[bytes, bool]:
    """Keep critical chunks, transparency and EXIF.

    Checksums of critical chunks must be right, and the last one, IEND, complete. Any other chunk with a wrong
    checksum is passed over, as browsers do. APNG's frames go, which leaves its default image.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = [data[:8]]
    start, animated = 8, False
    for _ in range(MAX_PIECES):
        if start + 12 > len(data):
            raise CutOffError
        length, name = _CHUNK.unpack_from(data, start)
        end = start + 12 + length
        if end > len(data):
            raise CutOffError
        critical = not name[0] & 0x20
        if critical or name in (b"tRNS", b"eXIf"):
            if crc32(view[start + 4 : end - 4]) == _CHECKSUM.unpack_from(data, end - 4)[0]:
                kept.append(view[start:end])
            elif critical:
                raise ValueError(f"wrong checksum of {name!r}")
        elif name == b"acTL":
            animated = data[start + 8 : start + 12] > b"\0\0\0\1"
        if name == b"IEND":
            return b"".join(kept), animated
        start = end
    raise TooManyPiecesError(f"over {MAX_PIECES} chunks")


# A marker. Bytes of 0xFF before it are lawful filling, and decoders pass over anything else too.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_START_OF_SCAN = 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
_APPLICATIONS = {*range(0xE0, 0xF0), 0xFE}  # and comments
_TABLE = 0xC4
_UNUSUAL_FRAMES = {
    **dict.fromkeys((*range(0xC5, 0xC8), *range(0xCD, 0xD0)), "hierarchical coding"),
    0xCB: "lossless arithmetic coding",
    0xF7: "JPEG-LS",
}
# What decoders read of these. The first of each kind is enough, and may have 64 KB.
_READ = re.compile(rb"\xff(?:\xe0..JFIF\0|\xe1..Exif\0|\xee..Adobe)", re.DOTALL)
_MORE_PICTURES = re.compile(rb"\xff\xe2..MPF\0", re.DOTALL)  # behind this one
_GAIN_MAP = b' hdrgm:Version="'  # says that they are no pictures, but make this one brighter (Ultra HDR)


def _jpeg(data: bytes) -> tuple[bytes, bool]:
    """Keep tables, headers and scans, and of application segments those that say how to read the pixels."""
    tables, read, more, gain_map = [data[:2]], dict[int, bytes](), False, False
    for code, start, end in _segments(data):
        if code not in _APPLICATIONS:
            tables.append(data[start:end])
        elif _READ.match(data, start):
            read.setdefault(code, data[start:end])
        else:
            more |= _MORE_PICTURES.match(data, start) is not None
            gain_map |= data.find(_GAIN_MAP, start, end) >= 0
    if sum(map(len, tables[:-1])) > MAX_TABLE_BYTES:
        raise TooManyPiecesError(f"over {MAX_TABLE_BYTES} bytes of tables")
    return b"".join((tables[0], *read.values(), *tables[1:])), more and not gain_map


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each segment's kind, start and end; the last one is all that stands from the first scan on."""
    position = 2
    for _ in range(MAX_PIECES):
        marker = _MARKER.search(data, position)
        if marker is None:
            raise CutOffError
        start, position = marker.span()
        code = data[start + 1]
        if code == _START_OF_SCAN:
            yield code, start, len(data)
            return
        if code in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        position += max(length, 2)
        if position > len(data):
            raise CutOffError
        if length < 2:
            raise ValueError("a segment without a length")
        yield code, start, position
    raise TooManyPiecesError(f"over {MAX_PIECES} segments")


def variety(kind: str, data: bytes) -> str | None:
    """Return what is unusual about a file's coding, or None; no common decoder knows any of these."""
    if kind == "PNG" and data[12:16] == b"CgBI":
        return "a PNG for iPhones (CgBI)"
    if kind == "JPEG":
        with contextlib.suppress(CutOffError, TooManyPiecesError, ValueError):
            for code, start, _ in _segments(data):
                if code in _UNUSUAL_FRAMES:
                    return _UNUSUAL_FRAMES[code]
                if 0xC0 <= code <= 0xCB and code != _TABLE and data[start + 5 : start + 7] == b"\0\0":
                    return "a height that follows the scan (DNL)"
    return None


_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_CONTROL = 0xF9


def _gif(data: bytes) -> tuple[bytes, bool]:
    """Keep the first frame, which must be complete; what follows it is not used, so may be cut off."""
    try:
        palette = _after_palette(data, 10, 13)
        start, control = _next_image(data, palette)
        end = _after_blocks(data, _after_palette(data, start + 9, start + 10) + 1)
    except IndexError:
        raise CutOffError from None
    animated = False
    with contextlib.suppress(IndexError, ValueError, TooManyPiecesError):
        animated = _next_image(data, end)[0] > 0
    return b"".join((data[:palette], control, data[start:end], b";")), animated


def gif_of_frames(data: bytes) -> bytes:
    """Return a GIF without all that is no frame, so that every decoder counts the same ones.

    Raises:
        CutOffError: it stops within a frame.
        TooManyPiecesError: it has more pieces than a decoder should be given.
        ValueError: it has no frame, or a later one reaches beyond the canvas, which a decoder would enlarge.
    """
    position = _after_palette(data, 10, 13)
    canvas, pieces = struct.unpack_from("<2H", data, 6), [data[:position]]
    for number in range(MAX_PIECES):
        try:
            start, control = _next_image(data, position)
        except (IndexError, ValueError):
            if not number:
                raise
            return b"".join((*pieces, b";"))
        try:
            grown = _grown(canvas, data, start)
            position = _after_blocks(data, _after_palette(data, start + 9, start + 10) + 1)
        except (IndexError, struct.error):
            raise CutOffError from None
        if number and grown != canvas:
            raise ValueError("a frame that reaches beyond the canvas")
        canvas = grown
        # Of another length it is read in different ways.
        pieces += [control if len(control) == 8 else b"", data[start:position]]
    raise TooManyPiecesError(f"over {MAX_PIECES} frames")


def _grown(canvas: tuple[int, int], data: bytes, start: int) -> tuple[int, int]:
    """Return the width and height of a canvas enlarged for the frame at `start`, as decoders do."""
    left, top, width, height = struct.unpack_from("<4H", data, start + 1)
    return max(canvas[0], left + width), max(canvas[1], top + height)


def _next_image(data: bytes, position: int) -> tuple[int, bytes]:
    """Return where the next image starts, and the extension before it that says what is transparent."""
    control = b""
    for _ in range(MAX_PIECES):
        start, mark = position, data[position]
        if mark == _IMAGE:
            return position, control
        if mark == _TRAILER:
            raise ValueError("no image before the end")
        position += 1  # decoders pass over what is no block
        if mark == _EXTENSION:
            position = _after_blocks(data, start + 2)
            if data[start + 1] == _CONTROL:
                control = data[start:position]
    raise TooManyPiecesError(f"over {MAX_PIECES} blocks")


def _after_palette(data: bytes, flags: int, position: int) -> int:
    """Return the place after a palette that starts at `position`, if the byte at `flags` announces one."""
    return position + (3 << (data[flags] & 7) + 1 if data[flags] & 0x80 else 0)


def _after_blocks(data: bytes, position: int) -> int:
    """Return the place after a GIF's data blocks, the empty one at their end included."""
    for _ in range(MAX_PIECES):
        size = data[position]
        position += size + 1
        if not size:
            return position
    raise TooManyPiecesError(f"over {MAX_PIECES} blocks")


def _webp(data: bytes) -> tuple[bytes, bool]:
    """Say of an animation that it has transparent pixels: where its first frame is not, it has."""
    if data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 0x02:
        return b"".join((data[:20], bytes([data[20] | 0x10]), data[21:])), False
    return data, False


def _bmp(data: bytes) -> tuple[bytes, bool]:
    """Count the runs of a run-length coded file; there is no metadata."""
    compression = int.from_bytes(data[30:34], "little")
    if int.from_bytes(data[14:18], "little") < 40 or compression not in (1, 2):
        return data, False
    position = int.from_bytes(data[10:14], "little")
    for _ in range(MAX_RUNS):
        run = data[position : position + 2]
        if len(run) < 2 or run == b"\0\1":  # the end
            return data, False
        position += 2
        if run[0] == 0 and run[1] >= 2:  # a step of two bytes, or as many pixels, to an even number of bytes
            size = 2 if run[1] == 2 else -(-run[1] // compression)
            position += size + size % 2
    raise TooManyPiecesError(f"over {MAX_RUNS} runs")


_STRIP: dict[str, Callable[[bytes], tuple[bytes, bool]]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "WEBP": _webp,
    "BMP": _bmp,
}
