"""Many uploads of 25 megapixels at once: what memory do the service and its decoders take, and do they keep it?

``python -m tests.large_uploads --out uploads.json`` starts a service of its own with its default settings, and
sends it twenty pictures of each kind at the same moment. It ends with 1 if an answer is neither the picture nor
a refusal with ``Retry-After``, or if memory rises or stays higher than it may.
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
from PIL import Image

from tests.reliability import command_of, tell
from tests.serving import serving
from tests.soak import REFUSALS, processes_of

UPLOADS = 20
SIDE = 5000
SAMPLE_SECONDS = 0.01
START_SECONDS = 20.0  # without a request, after which a service that has started is at rest
KINDS = (
    "PNG",
    "PNG with transparency",
    "PNG of 16 bits",
    "JPEG",
    "progressive JPEG",
    "WebP with transparency",
)


class Bounds(NamedTuple):
    """What is right.

    Args:
        most_mb: of memory above rest, of all processes together.
        kept_mb: above rest, once all is over.
        quiet_seconds: without a request, until all is over. By then an idle service has given back what it
            can, and its decoders have ended.
    """

    most_mb: int = 600
    kept_mb: int = 32
    quiet_seconds: float = 75.0


BOUNDS = Bounds()


@dataclasses.dataclass
class Found:
    """What was seen.

    Args:
        statuses: of all answers.
        highest: by kind, the most bytes above rest.
        wrong: what should not be, a line each.
        slowest: seconds of the slowest answer.
    """

    statuses: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    highest: dict[str, int] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)
    slowest: float = 0.0


def picture(kind: str, side: int) -> tuple[bytes, str]:
    """Return a square picture with much in it, and its media type."""
    levels = np.random.default_rng(0).integers(0, 256, (side // 10, side // 10, 4), np.uint8)
    clear = Image.fromarray(levels).resize((side, side), Image.Resampling.NEAREST)
    image = clear if kind.endswith("transparency") else clear.convert("RGB")
    options: dict[str, int | bool] = {"compress_level": 1}
    if kind == "PNG of 16 bits":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif kind.endswith("JPEG"):
        options = {"quality": 85, "progressive": kind.startswith("progressive")}
    elif kind.startswith("WebP"):
        options = {"method": 0}
    file_format = next(each for each in ("PNG", "JPEG", "WebP") if each in kind)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue(), f"image/{file_format.lower()}"


@contextlib.contextmanager
def highest_of(pid: int) -> Iterator[list[int]]:
    """Watch the memory of a process and of those that it started; the list has the most bytes, in sum."""
    most, ended = [processes_of(pid)[0]], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], processes_of(pid)[0])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        ended.set()
        watching.join()


def send(url: str, kind: str, body: bytes, media_type: str, uploads: int, found: Found) -> None:
    """Send a picture so many times at the same moment, on as many connections, and judge the answers."""
    together = threading.Barrier(uploads, timeout=60)  # of connecting: whoever waits longer is not coming
    counting = threading.Lock()
    pictures = set()

    def ask(_: int) -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            together.wait()
            started = time.monotonic()
            try:
                answer = client.post("/reconstruct", content=body, headers={"Content-Type": media_type})
            except httpx.HTTPError as error:
                found.wrong.append(f"{kind}: {type(error).__name__}: {error}"[:200])
                return
        with counting:
            found.slowest = max(found.slowest, time.monotonic() - started)
            found.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            pictures.add(answer.content)
        elif answer.status_code not in REFUSALS or not answer.headers.get("retry-after", "").isdecimal():
            found.wrong.append(f"{kind}: {answer.status_code}: {answer.text}"[:200])

    with ThreadPoolExecutor(uploads) as clients:
        list(clients.map(ask, range(uploads)))
    if len(pictures) != 1:
        found.wrong.append(f"{kind}: {len(pictures)} pictures of one upload")


def run(
    folder: Path,
    uploads: int = UPLOADS,
    side: int = SIDE,
    kinds: tuple[str, ...] = KINDS,
    workers: int = 1,
    bounds: Bounds = BOUNDS,
) -> tuple[Found, dict[str, int | float | str]]:
    """Start a service in an empty `folder`, and send it pictures of each kind, so many at once.

    Args:
        folder: for the log.
        uploads: of each kind, at the same moment.
        side: of each picture, in pixels.
        kinds: some of ``KINDS``.
        workers: processes that serve.
        bounds: what else is wrong.
    """
    found = Found()
    with serving(folder, workers=workers, VITRINE_DEFAULT_MODEL="") as server:
        pid = server.process.pid
        with httpx.Client(base_url=server.url, timeout=60) as client:
            client.get("/reconstruct").raise_for_status()  # the encoder is loaded with its first image
        time.sleep(min(START_SECONDS, bounds.quiet_seconds))
        rest = processes_of(pid)[0]
        for kind in kinds:
            body, media_type = picture(kind, side)
            with highest_of(pid) as most:
                send(server.url, kind, body, media_type, uploads, found)
            found.highest[kind] = most[0] - rest
            if most[0] - rest > bounds.most_mb * 10**6:
                found.wrong.append(f"{kind}: memory rises by {(most[0] - rest) // 10**6} MB")
        time.sleep(bounds.quiet_seconds)
        kept = processes_of(pid)[0] - rest
        if kept > bounds.kept_mb * 10**6:
            found.wrong.append(f"{kept // 10**6} MB are kept")
        if server.process.poll() is not None:
            found.wrong.append(f"the service ended with {server.process.returncode}")
    return found, figures(found, uploads, side, rest, kept)


def figures(found: Found, uploads: int, side: int, rest: int, kept: int) -> dict[str, int | float | str]:
    """Return what is to be known of it, by name; `rest` and `kept` in bytes."""
    told: dict[str, int | float | str] = {
        f"{kind}: most memory above rest, MB": round(most / 1e6) for kind, most in found.highest.items()
    }
    return told | {
        "uploads at once": uploads,
        "pixels of each": side * side,
        "answers by status": ", ".join(f"{status}: {n}" for status, n in sorted(found.statuses.items())),
        "slowest answer, s": round(found.slowest, 1),
        "memory at rest, MB": round(rest / 1e6),
        "memory afterwards above rest, MB": round(kept / 1e6),
        "wrong": len(found.wrong),
    }


def main() -> None:
    """Do it with as many as are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=UPLOADS, help="at the same moment")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, told = run(Path(folder), asked.uploads)
    sys.exit(tell(told, found.wrong, command_of("tests.large_uploads", asked), asked.out))


if __name__ == "__main__":
    main()
