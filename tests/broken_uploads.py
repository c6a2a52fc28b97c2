"""Upload decoding and form reading under inputs that nobody would send on purpose, or only on purpose.

``python -m tests.broken_uploads pictures --minutes 20`` has atheris look for inputs by what code they reach
(the extra ``fuzz``); ``tests/test_broken_uploads.py`` tries a few thousand that a seed gives.
"""

import argparse
import gc
import json
import os
import random
import resource
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from app.errors import InvalidParameter
from app.http.uploads import parse_form
from app.pictures import uploads
from app.settings import Settings
from tests.picture_files import encoded, lossless_jpeg, with_chunk, with_segment
from tests.reliability import commit, machine

LIMITS = Settings(max_upload_pixels=250_000, max_upload_side=1000)
MOST_SECONDS = 2.0  # that one input may take
SHAPES = ((28, 28), (32, 32, 3))
GUIDED_BY = ("app.pictures", "app.http.uploads", "PIL.", "python_multipart")  # whose code leads atheris
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


def try_picture(data: bytes) -> None:
    """Decode a picture as an upload is; refusing it is right, and nothing else may come out."""
    for shape in SHAPES:
        try:
            (found,) = uploads.read_uploads([("file", data)], shape, "auto", LIMITS)
        except InvalidParameter:
            continue
        assert found.pixels.shape == shape
        assert np.isfinite(found.pixels).all()


def try_form(data: bytes) -> None:
    """Read a form as a request's body is."""
    try:
        parts = parse_form(data, FORM, 4)
    except InvalidParameter:
        return
    assert sum(len(part.content) for part in parts) <= len(data)


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "pictures": (try_picture, pictures),
    "forms": (try_form, forms),
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


def main() -> None:
    """Have atheris try inputs for some minutes, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument(
        "--out", type=Path, help="file of JSON with the number of executions and the peak memory"
    )
    arguments = parser.parse_args()
    import atheris

    attempt, corpus = TARGETS[arguments.target]
    folder = Path(f".pytest_cache/corpus-{arguments.target}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus()):
        (folder / f"seed-{number}").write_bytes(data)
    told: dict[str, Any] = {"executions": 0, "longest_seconds": 0.0}
    end: list[float] = []  # from the first input on: what comes before takes long

    def try_one(data: bytes) -> None:
        end[:] = end or [time.monotonic() + 60 * arguments.minutes]
        told["executions"] += 1
        told["longest_seconds"] = max(told["longest_seconds"], timed(attempt, data))
        if time.monotonic() > end[0]:
            told["peak_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            told.update(target=arguments.target, minutes=arguments.minutes, failures=0)
            written = json.dumps(told | {"machine": machine(), "commit": commit()}, indent=1) + "\n"
            sys.stdout.write(written)
            if arguments.out:
                arguments.out.write_text(written)
            sys.stdout.flush()
            os._exit(0)  # atheris would go on for its own time

    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and (each.__module__ or "").startswith(GUIDED_BY):
            atheris.instrument_func(each)
    atheris.Setup([sys.argv[0], "-timeout=20", "-rss_limit_mb=1024", str(folder)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
