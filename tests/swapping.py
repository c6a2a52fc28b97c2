"""The serving version changes again and again under load: does a request fail, wait, or get another's bytes?

``python -m tests.swapping --swaps 100 --rate 200`` starts a service of its own with two versions of one model,
and changes in turn which of them is stable. ``--swaps 500 --rate 20`` is for what memory grows by. It ends with
1 if an answer was not 200, or if its bytes are not those of the version that its headers name.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from app import labels
from app.labels import Labels
from tests.fakes import seal
from tests.reliability import command_of, tell
from tests.serving import Server, serving
from tests.soak import processes_of

STORE = Path(__file__).parents[1] / "model_store"
MODELS = STORE / "fashion-dense" / "7", STORE / "fashion-map" / "5"
NAME = "swapped"
SEEDS = range(20)
CONNECTIONS = 8
SETTLED = 10  # swaps after which memory is taken as the beginning: allocators have their pools by then
SWAP_SECONDS = 60.0  # that a swap may take on a machine that does much else


@dataclasses.dataclass
class Found:
    """What the clients met.

    Args:
        expected: by version, seed -> body and entity tag.
        answers: of the load, when each was asked for and how long it took, in seconds.
        wrong: what no answer should be, a line each.
        latest: the version that answered last, by its reference.
    """

    expected: dict[str, dict[int, tuple[bytes, str]]] = dataclasses.field(default_factory=dict)
    answers: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    latest: str = ""


def two_versions(store: Path) -> None:
    """Make a store with one model of two versions, which have other weights."""
    for number, source in enumerate(MODELS, 1):
        folder = shutil.copytree(source, store / NAME / str(number))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest.pop("signature", None)
        seal(folder, manifest | {"name": NAME})
    labels.write(store / NAME, Labels(stable=1))


def learn(url: str, found: Found) -> None:
    """Ask for each picture by its version: what the bare name has to give while that version serves."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in (1, 2):
            reference = f"{NAME}@{number}"
            answers = {
                seed: client.get(f"/samples?model={reference}&n=3&seed={seed}").raise_for_status()
                for seed in SEEDS
            }
            found.expected[reference] = {
                seed: (answer.content, answer.headers["etag"]) for seed, answer in answers.items()
            }
    assert found.expected[f"{NAME}@1"] != found.expected[f"{NAME}@2"]


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seed: int
) -> tuple[int, dict[str, str], bytes]:
    writer.write(f"GET /samples?model={NAME}&n=3&seed={seed} HTTP/1.1\r\nHost: vitrine\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


def _judge(found: Found, seed: int, status: int, headers: dict[str, str], body: bytes) -> None:
    """Note what is wrong with an answer."""
    model = headers.get("x-model", "")
    if status != 200:
        found.wrong.append(f"seed {seed}: {status}: {body[:200]!r}")
    elif model not in found.expected:
        found.wrong.append(f"seed {seed}: of {model!r}")
    elif (body, headers.get("etag")) != found.expected[model][seed]:
        found.wrong.append(f"seed {seed}: not the bytes or not the ETag of {model}")
    elif f"model={model}-" not in headers.get("content-location", ""):
        found.wrong.append(f"seed {seed}: {model} at {headers.get('content-location')}")
    found.latest = model


async def _client(url: str, number: int, rate: float, found: Found, stop: asyncio.Event) -> None:
    """Ask at even times on one connection; what is late is asked at once, and its wait counts as latency."""
    address, step = urlsplit(url), CONNECTIONS / rate
    due = time.monotonic() + number / rate
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    turn = number
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        turn += 1
        seed = SEEDS[turn % len(SEEDS)]
        try:
            answer = await asyncio.wait_for(_ask(reader, writer, seed), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            found.wrong.append(f"seed {seed}: {type(error).__name__}")
            writer.close()
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
        else:
            found.answers.append((due, time.monotonic() - due))
            _judge(found, seed, *answer)
        due += step
    writer.close()


async def _swap(server: Server, store: Path, number: int, found: Found) -> tuple[float, float]:
    """Have the other version serve; return when that was asked for, and when it answered first."""
    asked = time.monotonic()
    labels.write(store / NAME, labels.read(store / NAME).promoted(number))
    server.process.send_signal(signal.SIGHUP)
    while found.latest != f"{NAME}@{number}":
        await asyncio.sleep(0.005)
        assert time.monotonic() < asked + SWAP_SECONDS, f"version {number} does not serve; {found.wrong[:5]}"
    return asked, time.monotonic()


async def _drive(
    server: Server, store: Path, swaps: int, rate: float, steady_seconds: float, found: Found
) -> tuple[list[tuple[float, float]], list[int]]:
    """Return the spans of the swaps, and the resident bytes after each."""
    stop = asyncio.Event()
    clients = [
        asyncio.create_task(_client(server.url, number, rate, found, stop)) for number in range(CONNECTIONS)
    ]
    spans, memory = [], []
    try:
        await asyncio.sleep(steady_seconds)
        for turn in range(swaps):
            spans.append(await _swap(server, store, 2 - turn % 2, found))
            await asyncio.sleep(
                0.1
            )  # of the former version, the last request is answered and its memory back
            memory.append(processes_of(server.process.pid)[0])
        await asyncio.sleep(0.2)
    finally:
        stop.set()
        await asyncio.gather(*clients)
    return spans, memory


def run(
    folder: Path, swaps: int, rate: float, steady_seconds: float = 10.0
) -> tuple[Found, dict[str, float | int]]:
    """Start a service in an empty `folder`, and change which version serves so many times.

    Args:
        folder: for the store and the log.
        swaps: to the other version, and back, and so on.
        rate: requests per second.
        steady_seconds: of load before the first swap.
    """
    store, found = folder / "store", Found()
    two_versions(store)
    settings = {"VITRINE_MODEL_STORE": str(store), "VITRINE_DEFAULT_MODEL": NAME, "VITRINE_CACHE_BYTES": "0"}
    with serving(folder, **settings) as server:
        learn(server.url, found)
        began = time.monotonic()
        spans, memory = asyncio.run(_drive(server, store, swaps, rate, steady_seconds, found))
        with contextlib.suppress(httpx.HTTPError):
            told = httpx.get(f"{server.url}/metrics").text
        counted = next(
            (
                line.split()[1]
                for line in told.splitlines()
                if line.startswith('vitrine_swaps_total{result="swapped"')
            ),
            "0",
        )
    return found, figures(found, began + steady_seconds, spans, memory) | {
        "swaps by /metrics": int(float(counted))
    }


def figures(
    found: Found, steady_until: float, spans: list[tuple[float, float]], memory: list[int]
) -> dict[str, float | int]:
    """Return the figures by name; times in milliseconds, memory in MB."""
    steady = [took for asked, took in found.answers if asked < steady_until]
    during = [took for asked, took in found.answers if any(first <= asked <= last for first, last in spans)]
    kept = memory[min(SETTLED, len(memory) // 2) :]
    part = max(1, len(kept) // 10)
    return {
        "requests": len(found.answers),
        "wrong or failed": len(found.wrong),
        "p99 before the swaps, ms": _p99(steady),
        "p99 during the swaps, ms": _p99(during),
        "requests during the swaps": len(during),
        "swaps": len(spans),
        "median of a swap, ms": round(1000 * float(np.median([last - first for first, last in spans]))),
        "memory after the first swaps, MB": round(float(np.mean(kept[:part])) / 1e6),
        "memory at the end, MB": round(float(np.mean(kept[-part:])) / 1e6),
    }


def _p99(seconds: list[float]) -> float:
    return round(1000 * float(np.percentile(seconds, 99)), 1) if seconds else 0.0


def main() -> None:
    """Do it as often as is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200, help="requests per second")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, told = run(Path(folder), asked.swaps, asked.rate)
    sys.exit(tell(told, found.wrong, command_of("tests.swapping", asked), asked.out))


if __name__ == "__main__":
    main()
