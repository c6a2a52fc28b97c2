"""Upload decoding and form reading under inputs that nobody would send on purpose, or only on purpose.

``python -m tests.broken_uploads pictures forms --minutes 20`` has atheris look for inputs by what code they
reach (the extra ``fuzz``), and ends with 1 if one is neither read nor refused, or takes too long.
``tests/test_broken_uploads.py`` tries a few thousand that a seed gives.
"""

import argparse
import asyncio
import contextlib
import gc
import io
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from starlette.requests import Request

from app.decoding.reading import LARGE_PIXELS
from app.errors import InvalidParameter
from app.http.bodies import SentPoints, read_points
from app.http.uploads import parse_form
from app.pictures import uploads
from app.pictures.containers import announced_pixels
from app.pictures.files import encoding_of, open_file
from app.pictures.marks import frames_of, read_mark
from app.settings import Settings
from tests.picture_files import encoded, lossless_jpeg, with_chunk, with_segment
from tests.reliability import tell

LIMITS = Settings(max_upload_pixels=250_000, max_upload_side=1000)
MOST_SECONDS = 2.0  # that one input may take
SHAPES = ((28, 28), (32, 32, 3))
MOST_MB = 1024  # of memory, for a process that tries many
GUIDED_BY = (
    "app.pictures",
    "app.http.uploads",
    "app.http.bodies",
    "app.explore.points",
    "PIL.",
    "python_multipart",
)  # whose code leads atheris
FORM = "multipart/form-data; boundary=edge"
BLOWN_UP = (0, 0x7F, 0x80, 0xFF)  # what a byte of a length or a size becomes


def pictures() -> list[bytes]:
    """Return small pictures of every format, in many of its varieties."""
    noise = np.random.default_rng(1).integers(0, 256, (9, 11, 4), np.uint8)
    colour = Image.fromarray(noise[..., :3])
    grey, clear = colour.convert("L"), Image.fromarray(noise)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 500, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = [encoded(colour.convert(mode)) for mode in ("1", "L", "P", "RGB", "I;16")]
    found += [encoded(grey.convert("LA")), encoded(clear), encoded(colour, pnginfo=text)]
    found += [encoded(colour.convert("P"), transparency=3), encoded(grey, bits=4)]
    found += [
        with_chunk(encoded(colour), b"gAMA", b"\0\0\xb1\x8f"),
        with_chunk(encoded(colour), b"iCCP", b"x\0\0x"),
    ]
    found += [
        encoded(colour, "JPEG", exif=exif),
        encoded(grey, "JPEG"),
        encoded(colour.convert("CMYK"), "JPEG"),
    ]
    found += [encoded(colour, "JPEG", progressive=True), lossless_jpeg(noise[..., 0])]
    found += [with_segment(encoded(colour, "JPEG"), 0xE1, b"Exif\0\0" + bytes(40))]
    found += [encoded(colour, "WEBP"), encoded(clear, "WEBP", lossless=True)]
    found += [
        encoded(colour, "BMP"),
        encoded(colour.convert("P"), "BMP"),
        encoded(colour.convert("1"), "BMP"),
    ]
    frames = {"save_all": True, "append_images": [grey.convert("P")] * 2}
    found += [encoded(colour.convert("P"), "GIF"), encoded(colour.convert("P"), "GIF", **frames)]
    found += [encoded(colour, "PNG", **frames), encoded(colour, "WEBP", **frames)]
    return found


def forms() -> list[bytes]:
    """Return bodies of forms, well made and nearly so."""
    picture = pictures()[0]

    def part(head: bytes, content: bytes) -> bytes:
        return b"--edge\r\n" + head + b"\r\n\r\n" + content + b"\r\n"

    file = b'Content-Disposition: form-data; name="file"; filename="x.png"'
    kind = b"\r\nContent-Type: image/png"
    return [
        part(file + kind, picture) + b"--edge--\r\n",
        part(file, picture) + part(b'Content-Disposition: form-data; name="invert"', b"auto") + b"--edge--",
        part(b"Content-Disposition: form-data; name=file; filename*=UTF-8''x%20y", picture) + b"--edge--\r\n",
        part(file, b"") + part(file + kind, picture) + b"--edge--\r\n",
        b"before\r\n" + part(file + kind, b"--edg\r\n--edge") + b"--edge--\r\nbehind",
        part(file + b"\r\nContent-Transfer-Encoding: base64", b"aGVsbG8=") + b"--edge--\r\n",
        part(file, picture)[:-9],
    ]


def codes() -> list[bytes]:
    """Return bodies that hold points or codes: JSON, and arrays as ``numpy.save`` writes them."""
    found = [b'{"points": ["seed:42/3", "0.5*seed:1/2~0.5*z:0,1.5e0"]}', b'{"codes": [[0, 0.5], [-1e3, 2]]}']
    for array in (np.zeros((2, 3), "<f4"), np.zeros((1, 2), ">f8"), np.zeros((2, 2), "<f2", order="F")):
        stream = io.BytesIO()
        np.save(stream, array)
        found.append(stream.getvalue())
    return found


def headers() -> list[bytes]:
    """Return headers that say how a body or a part of it is to be read."""
    return [
        b"multipart/form-data; boundary=edge",
        b'multipart/form-data; charset=utf-8; boundary="an \\"edge\\""',
        b"multipart/form-data; boundary*=UTF-8''ed%67e",
        b"multipart/form-data; boundary*0=ed; boundary*1*=%67e",
        b'form-data; name="file"; filename="C:\\x.png"',
        b"form-data; name=file; filename*=iso-8859-1'en'%A3.png",
        b"form-data; name*0*=utf-8''fi; name*1=le",
    ]


def try_picture(data: bytes) -> None:
    """Decode a picture as an upload is; refusing it is right, and nothing else may come out."""
    for shape in SHAPES:
        try:
            (found,) = uploads.read_uploads([("file", data)], shape, "auto", LIMITS)
        except InvalidParameter:
            continue
        assert found.pixels.shape == shape
        assert found.pixels.dtype == np.uint8


def try_masks(data: bytes) -> None:
    """Read a picture for its transparency, as a mask, and frame by frame."""
    for read in (uploads.read_seen, uploads.read_masks):
        with contextlib.suppress(InvalidParameter):
            (found,) = read([("file", data)], (28, 28), LIMITS)
            assert found.shape == (28, 28)
            assert found.dtype == bool
    with contextlib.suppress(InvalidParameter):
        assert frames_of(data, "file").ndim == 4


def try_head(data: bytes) -> None:
    """Read what is in front of a picture's pixels, and what it says of how it was made."""
    encoding_of(data)
    read_mark(data)
    announced = announced_pixels(data)
    assert announced >= 0
    with contextlib.suppress(InvalidParameter):
        file = open_file(data, "file")
        assert len(file.data) <= len(data) + 1  # the end of a GIF that has none
        # What is announced decides which decoders are asked: a large picture must not pass for a small one.
        pixels = file.image.width * file.image.height
        assert file.kind == "JPEG" or announced >= min(pixels, LARGE_PIXELS + 1)


def try_form(data: bytes) -> None:
    """Read a form as a request's body is."""
    try:
        parts = parse_form(data, FORM, 4)
    except InvalidParameter:
        return
    assert sum(len(part.content) for part in parts) <= len(data)


def try_header(data: bytes) -> None:
    """Read a form by a header that may be anything, which its only part has too."""
    header = re.sub(rb"[\r\n\0]", b" ", data)
    body = b"--edge\r\nContent-Disposition: " + header + b"\r\n\r\nGIF89a\r\n--edge--\r\n"
    for content_type in (FORM, header.decode("latin-1")):
        with contextlib.suppress(InvalidParameter):
            assert len(parse_form(body, content_type, 4)) == 1


async def _sent(body: bytes, kind: str) -> SentPoints:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    scope = {"type": "http", "headers": [(b"content-type", kind.encode())]}
    return await read_points(Request(scope, receive), LIMITS)


def try_codes(data: bytes) -> None:
    """Read points and codes of a body."""
    for kind in ("application/json", "application/x-npy"):
        with contextlib.suppress(InvalidParameter):
            assert 1 <= len(asyncio.run(_sent(data, kind)).points) <= LIMITS.max_images


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "pictures": (try_picture, pictures),
    "masks": (try_masks, pictures),
    "heads": (try_head, pictures),
    "forms": (try_form, forms),
    "headers": (try_header, headers),
    "codes": (try_codes, codes),
}


def mutated(seed: int, corpus: list[bytes]) -> Iterator[bytes]:
    """Yield inputs without end: members of a corpus, cut, spliced, and with bytes changed."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data) or 1)
            match chance.randrange(6):
                case 0:
                    del data[place:]
                case 1:
                    data[place : place + 1] = bytes([chance.randrange(256)])
                case 2:
                    data[place : place + 4] = bytes([chance.choice(BLOWN_UP)]) * chance.randint(1, 4)
                case 3:
                    other = chance.choice(corpus)
                    data[place:] = other[chance.randrange(len(other)) :]
                case 4:
                    data[place:place] = data[place : place + chance.randint(1, 64)] * chance.randint(1, 4)
                case 5:
                    data[place] ^= 1 << chance.randrange(8) if data else 0
            if not data:
                break
        yield bytes(data)


def timed(attempt: Callable[[bytes], None], data: bytes) -> float:
    """Try one input and return its seconds of processor time; AssertionError if they are too many."""
    started = time.process_time()
    attempt(data)
    took = time.process_time() - started
    assert took < MOST_SECONDS, f"{took:.1f} s for {data!r:.200}"
    return took


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def led_by_code(target: str, minutes: float, out: Path | None) -> None:
    """Have atheris try inputs; ends the process, with 0 and the figures in `out` if nothing was found."""
    import atheris

    attempt, corpus = TARGETS[target]
    folder = Path(f".pytest_cache/corpus-{target}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus()):
        (folder / f"seed-{number}").write_bytes(data)
    tried, slowest = 0, 0.0
    end: list[float] = []  # from the first input on: what comes before takes long

    def try_one(data: bytes) -> None:
        nonlocal tried, slowest
        end[:] = end or [time.monotonic() + 60 * minutes]
        tried += 1
        slowest = max(slowest, timed(attempt, data))
        if time.monotonic() > end[0]:
            told = {"inputs": tried, "slowest, ms": round(slowest * 1e3), "memory, MB": peak_bytes() // 10**6}
            write({f"{target}: {name}": value for name, value in told.items()}, [target], minutes, out)
            os._exit(0)  # atheris would go on for its own time

    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and (each.__module__ or "").startswith(GUIDED_BY):
            atheris.instrument_func(each)
    options = ["-timeout=20", f"-rss_limit_mb={MOST_MB}", f"-artifact_prefix={folder.parent}/found-{target}-"]
    atheris.Setup([sys.argv[0], *options, str(folder)], try_one)
    atheris.Fuzz()


def write(figures: dict[str, int], targets: list[str], minutes: float, out: Path | None) -> None:
    """Tell the figures of a run that found nothing."""
    tell(figures, [], f"python -m tests.broken_uploads {' '.join(targets)} --minutes {minutes:g}", out)


def main() -> None:
    """Have atheris try inputs for some minutes each, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all of them")
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(TARGETS)}")
    asked.targets = asked.targets or list(TARGETS)
    if len(asked.targets) == 1:
        led_by_code(asked.targets[0], asked.minutes, asked.out)
    figures: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for target in asked.targets:  # each in a process of its own, which atheris ends
            out = Path(folder, target)
            command = [sys.executable, "-m", "tests.broken_uploads", target, "--minutes", str(asked.minutes)]
            if subprocess.run([*command, "--out", out], check=False).returncode:
                sys.exit(1)
            figures |= json.loads(out.read_text())["figures"]
    write(figures, asked.targets, asked.minutes, asked.out)


if __name__ == "__main__":
    main()
