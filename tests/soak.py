"""Mixed traffic for minutes or hours, with clients that crash: does memory grow, does anything leak or break?

``python -m tests.soak --minutes 60 --out soak.json`` starts a service of its own, and writes what it found for
``python -m tests.reliability --record soak soak.json``. It ends with 1 if an answer was a server error that is
no refusal, or if a client who did nothing wrong lost a connection.
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import random
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from tests import counted
from tests.fakes import png_bytes
from tests.reliability import command_of, tell
from tests.serving import serving

MODEL = "fashion"
CLIENTS, CRASHING = 6, 4
CACHE_BYTES = 4_194_304  # full within a minute, so that it is no growth
PAUSE = 0.01  # seconds between two requests of a client
WARM_UP = 0.25  # of the time, before memory is measured
REMEMBERED = (
    1024  # queries that an endpoint keeps as it read them (app/http/endpoint.py): filled before all else
)
SERIES_SECONDS = 60.0
REFUSALS = (503, 429)  # with Retry-After: said in time, and no fault
UPLOAD = png_bytes(np.random.default_rng(0).integers(0, 256, (300, 200), np.uint8))
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    + UPLOAD
    + b"\r\n--b--\r\n"
)
HEAD = b"POST /reconstruct HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"


@dataclasses.dataclass
class Found:
    """What was seen."""

    statuses: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    crashes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    unexpected: list[str] = dataclasses.field(default_factory=list)  # of well-behaved clients
    seconds: list[tuple[float, float]] = dataclasses.field(
        default_factory=list
    )  # when, and what /samples took
    samples: list[tuple[float, int, int, int]] = dataclasses.field(default_factory=list)  # see processes_of


def processes_of(pid: int) -> tuple[int, int, int]:
    """Return resident bytes, open files and threads of a process and of those that it started, in sum."""
    memory = files = threads = 0
    for process in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            status = Path(f"/proc/{process}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines())
            if "VmRSS" not in fields:  # it has ended, and nobody has waited for it yet
                continue
            memory += int(fields["VmRSS"].split()[0]) * 1024
            threads += int(fields["Threads"])
            files += sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
    return memory, files, threads


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_children(child)]
    return found


def at_rest(pid: int, before: tuple[int, int, int], seconds: float) -> tuple[int, int, int]:
    """Return what `processes_of` says once files and threads are as few as before; what it says after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        after = processes_of(pid)
        rests = all(now <= then for now, then in zip(after[1:], before[1:], strict=True))
        if rests or time.monotonic() > until:
            return after
        time.sleep(0.2)


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the growth per second by least squares; 0 of fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    return float(np.polyfit(*np.array(samples, float).T, 1)[0])


# Clients that do nothing wrong, or something that is refused.


async def _well_behaved(url: str, number: int, until: float, found: Found) -> None:
    rng = random.Random(number)  # noqa: S311  it keeps no secret
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        while time.monotonic() < until:
            name, ask = rng.choice(REQUESTS)
            started = time.monotonic()
            try:
                answer = await ask(client, rng)
            except httpx.HTTPError as error:
                found.unexpected.append(f"{name}: {type(error).__name__}: {error}"[:200])
                continue
            found.statuses[answer.status_code] += 1
            if name == "samples" and answer.status_code == 200:
                found.seconds.append((started, time.monotonic() - started))
            refused = answer.status_code in REFUSALS and "retry-after" in answer.headers
            if answer.status_code >= 500 and not refused:
                found.unexpected.append(f"{name}: {answer.status_code}: {answer.text}"[:200])
            await asyncio.sleep(PAUSE)


def _get(
    path: Callable[[random.Random], str],
) -> Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response]]:
    return lambda client, rng: client.get(path(rng))


async def _upload(client: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    files = [("file", ("a.png", UPLOAD, "image/png"))] * rng.randint(1, 4)
    return await client.post("/reconstruct", files=files)


async def _broken_upload(client: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    cut = UPLOAD[: rng.randint(0, len(UPLOAD) - 1)]
    return await client.post("/reconstruct", files={"file": ("a.png", cut, "image/png")})


REQUESTS: list[tuple[str, Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response]]]] = [
    *[("samples", _get(lambda rng: "/samples?n=21"))] * 4,
    ("seeded", _get(lambda rng: f"/samples?n={rng.randint(1, 100)}&seed={rng.randint(0, 200)}")),
    ("large", _get(lambda rng: "/samples?n=400")),
    ("walk", _get(lambda rng: f"/interpolate?steps={rng.randint(2, 64)}&seed={rng.getrandbits(40)}")),
    ("examples", _get(lambda rng: f"/reconstruct?n={rng.randint(1, 8)}")),
    ("numbers", _get(lambda rng: f"/samples.npy?n={rng.randint(1, 50)}")),
    ("upload", _upload),
    ("broken upload", _broken_upload),
    (
        "refused",
        _get(lambda rng: rng.choice(["/samples?n=0", "/samples?n=1&n=2", "/nothing", "/samples?model=none"])),
    ),
    ("page", _get(lambda rng: rng.choice(["/", "/models", "/manual", "/docs", "/openapi.json"]))),
    ("status", _get(lambda rng: rng.choice(["/livez", "/version", "/metrics"]))),
]


# Clients that crash: each opens a connection, does its worst, and is gone.


async def _crashing(url: str, number: int, until: float, found: Found) -> None:
    rng = random.Random(1000 + number)  # noqa: S311
    address = urlsplit(url)
    while time.monotonic() < until:
        name = rng.choice(CRASHES)
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError as error:
            found.unexpected.append(f"connect: {error}")
            await asyncio.sleep(0.1)
            continue
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _crash(name, rng, reader, writer)
        found.crashes[name] += 1
        _end(writer, reset=rng.random() < 0.7)
        await asyncio.sleep(2 * PAUSE)


CRASHES = (
    "half an upload",
    "gone before the answer",
    "gone in the answer",
    "silent",
    "nonsense",
    "half a head",
)


async def _crash(
    name: str, rng: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if name == "half an upload":
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(MULTIPART))
        writer.write(MULTIPART[: rng.randint(0, len(MULTIPART) - 1)])
    elif name == "gone before the answer":
        writer.write(
            rng.choice([b"GET /samples?n=400", b"GET /interpolate"]) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        )
    elif name == "gone in the answer":
        writer.write(b"GET /samples?n=400 HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(reader.read(rng.randint(1, 2000)), 30)
    elif name == "nonsense":
        writer.write(rng.randbytes(rng.randint(1, 2000)))
    elif name == "half a head":
        writer.write(HEAD[: rng.randint(1, len(HEAD))])
    await writer.drain()
    await asyncio.sleep(rng.choice([0, 0.001, 0.02, 0.2]))


def _end(writer: asyncio.StreamWriter, reset: bool) -> None:
    """Close a connection, or have it reset."""
    if reset:
        stream = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort() if reset else writer.close()


async def _watch(pid: int, until: float, found: Found) -> None:
    while time.monotonic() < until:
        found.samples.append((time.monotonic(), *await asyncio.to_thread(processes_of, pid)))
        await asyncio.sleep(1)


async def fill(url: str) -> None:
    """Ask each endpoint that is asked for ever new addresses for as many as it remembers: a bound, no growth."""

    async def ask(number: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            for seed in range(number, REMEMBERED, CLIENTS):
                await client.get(f"/samples?n=1&seed={10_000 + seed}")
                await client.get(f"/interpolate?steps=2&seed={seed}")

    await asyncio.gather(*(ask(number) for number in range(CLIENTS)))


async def traffic(url: str, pid: int, seconds: float) -> Found:
    """Send traffic for so long."""
    found, until = Found(), time.monotonic() + seconds
    await asyncio.gather(
        *(_well_behaved(url, number, until, found) for number in range(CLIENTS)),
        *(_crashing(url, number, until, found) for number in range(CRASHING)),
        _watch(pid, until, found),
    )
    return found


def figures(
    found: Found, before: tuple[int, int, int], after: tuple[int, int, int], seconds: float
) -> dict[str, float | int | str]:
    """Return what is to be known of it, by name; `before` and `after`: of an idle service, see processes_of."""
    first = found.samples[0][0] + WARM_UP * seconds
    warm = [sample for sample in found.samples if sample[0] >= first]
    growth = slope([(when, memory) for when, memory, _, _ in warm]) * 3600 / 1e6
    took = [
        [s for when, s in found.seconds if low <= when < high]
        for low, high in _ends(first, found.samples[-1][0])
    ]
    p99 = [round(float(np.percentile(part, 99)) * 1e3, 1) if part else 0.0 for part in took]
    return {
        "minutes": round(seconds / 60, 1),
        "requests": sum(found.statuses.values()),
        "clients that crashed": sum(found.crashes.values()),
        "answers by status": ", ".join(
            f"{status}: {count}" for status, count in sorted(found.statuses.items())
        ),
        "unexpected server errors and lost connections": len(found.unexpected),
        "memory, MB per hour after warm-up": round(growth, 2),
        "memory, MB, first and last after warm-up": f"{warm[0][1] / 1e6:.0f}, {warm[-1][1] / 1e6:.0f}",
        "open files, idle before and after": f"{before[1]}, {after[1]}",
        "threads, idle before and after": f"{before[2]}, {after[2]}",
        "99th percentile of 21 samples, ms, first and last quarter": f"{p99[0]}, {p99[1]}",
    }


def _ends(first: float, last: float) -> tuple[tuple[float, float], tuple[float, float]]:
    quarter = (last - first) / 4
    return (first, first + quarter), (last - quarter, last)


def run(
    folder: Path, seconds: float, workers: int = 1, model: str = MODEL
) -> tuple[Found, dict[str, float | int | str]]:
    """Start a service in an empty `folder`, and send it traffic for so many seconds."""
    settings = {"VITRINE_DEFAULT_MODEL": model, "VITRINE_CACHE_BYTES": str(CACHE_BYTES)}
    program = counted.program(folder, folder / "series.jsonl", SERIES_SECONDS)
    with serving(folder, workers=workers, program=program, **settings) as server:
        asyncio.run(fill(server.url))
        asyncio.run(traffic(server.url, server.process.pid, min(10.0, seconds / 4)))  # all threads there are
        idle = min(20.0, seconds / 4)
        time.sleep(idle)
        before = processes_of(server.process.pid)
        found = asyncio.run(traffic(server.url, server.process.pid, seconds))
        after = at_rest(server.process.pid, before, idle)
        if server.process.poll() is not None:
            found.unexpected.append(f"the service ended with {server.process.returncode}")
    return found, figures(found, before, after, seconds)


def main() -> None:
    """Do it for as long as is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, told = run(Path(folder), asked.minutes * 60, asked.workers, asked.model)
        series = Path(folder, "series.jsonl")
        lines = [json.loads(line) for line in series.read_text().splitlines()] if series.exists() else []
    sys.exit(tell(told, found.unexpected, command_of("tests.soak", asked), asked.out, series=lines))


if __name__ == "__main__":
    main()
