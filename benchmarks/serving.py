"""Speed, start and memory of Vitrine beside the services that one would use instead.

    .venv/bin/python -m benchmarks.serving                   everything; an hour and more; needs wrk
    .venv/bin/python -m benchmarks.serving --rounds 1 --seconds 2 --servers vitrine naive --only throughput
    .venv/bin/python -m benchmarks.serving --servers vitrine --only models    every model beside its bare loop
    .venv/bin/python -m benchmarks.serving --model fashion --out default.json    with Vitrine's default model
    .venv/bin/python -m benchmarks.serving --loads 1x1 21x1 100x1 21x16 --render mean draw    by size, draws

`make benchmark-peers` installs the others. In every round each server is started afresh, alone:
the time to its first picture is taken, its memory, then requests a second under each load, and its memory
again. The order turns round from one round to the next, so that a noisy moment of the machine
meets all of them; medians over the rounds are reported, and of ratios the least and the most of a round. Only
ratios travel between machines. What a picture costs differs from model to model, so each is also set against
its own bare loop, the two taking turns. No request has a seed: every answer is drawn for it, by all servers.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import uvloop
from PIL import Image

from app import store
from app.settings import Settings
from benchmarks import client, processes
from benchmarks.load import Traffic, command, require_wrk, wrk
from benchmarks.processes import PROGRAMS, PROJECT, RUNTIMES, Program, Server
from benchmarks.serving_tables import RENDERS, is_vitrine, plot, tables
from benchmarks.tables import Row, log, machine, turned

SERVERS = ("vitrine", "vitrine-tensorflow", "naive", "litserve", "bentoml", "ray-serve")
SECTIONS = ("startup", "memory", "throughput", "alone", "livez", "models", "bare")
IMAGES = 21
LOADS = tuple(Traffic(IMAGES, connections) for connections in (1, 16, 64, 256))
WEIGHED = (Traffic(IMAGES, 64),)  # what a server is loaded with if its memory alone is wanted
MODELS_CONNECTIONS = (1, 16)
SEED = 5  # of the picture that all draw for comparison
COUNTS = (1, 21, 100, 400)
ALONE_CONNECTIONS = 16  # of 400 images each, these all fit into the queue
WORKERS = (1, 2)
WARM_SECONDS = 3
LIVEZ_CONNECTIONS = 64


def main() -> None:
    """Measure, write the raw figures, print tables, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", nargs="*", default=SERVERS, choices=PROGRAMS)
    parser.add_argument("--model", default=processes.MODEL, help="what all draw with; a name of the store")
    parser.add_argument(
        "--peers-model",
        help="what the others draw with, if another: a name, or a folder of versions, as of an older commit",
    )
    parser.add_argument("--loads", nargs="*", type=Traffic.parse, default=LOADS, help="images x connections")
    parser.add_argument(
        "--render",
        nargs="*",
        default=["mean"],
        choices=RENDERS,
        help="of Vitrine; the others know means only",
    )
    parser.add_argument("--counts", nargs="*", type=int, default=COUNTS, help="images, of Vitrine alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each burst")
    parser.add_argument("--only", nargs="*", default=SECTIONS, choices=SECTIONS)
    parser.add_argument("--out", type=Path, default=PROJECT / "benchmarks" / "serving.json")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    require_wrk()
    absent = [name for name in arguments.servers if processes.missing(name)]
    if absent:
        sys.exit(f"not installed: {', '.join(absent)}; make benchmark-peers installs them")

    rows: list[Row] = []
    for number in range(arguments.rounds):
        for name in turned(arguments.servers, number):
            if {"startup", "memory", "throughput"} & set(arguments.only):
                rows += beside(name, number, arguments)
        require_same_pictures(rows)
        if "alone" in arguments.only:
            for runtime, workers in turned([(r, w) for r in RUNTIMES for w in WORKERS], number):
                rows += alone(runtime, workers, number, arguments)
        if "livez" in arguments.only:
            rows += livez(number, arguments)
        if "models" in arguments.only:
            rows += models(number, arguments)
    if "bare" in arguments.only:
        rows += bare(arguments)
    report = {"protocol": protocol(arguments), "machine": machine(), "rows": rows}
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print("\n\n".join(tables(rows)))
    if any(row["kind"] == "throughput" for row in rows):
        plot(rows, arguments.out.with_suffix(".png"))


def beside(name: str, number: int, arguments: argparse.Namespace) -> list[Row]:
    """Start one server, give it each load, and return what was found."""
    row: Row = {"server": name, "round": number}
    rows = []
    with processes.running(processes.drawing_with(PROGRAMS[name], model_of(name, arguments))) as server:
        rows.append(
            row | {"kind": "startup", "seconds": server.first_picture_seconds, "pixels": pixels(server)}
        )
        started_mib = server.pss_mib()
        if {"memory", "throughput"} & set(arguments.only):
            warm(server)
            loads = arguments.loads if "throughput" in arguments.only else WEIGHED
            for load, render in bursts(loads, renders_of(name, arguments.render), number):
                found = wrk(server, load.connections, arguments.seconds, load.n, render)
                asked = {"kind": "throughput", "render": render or "mean"} | load._asdict()
                rows.append(row | asked | found._asdict())
            loaded = {"started_mib": started_mib, "loaded_mib": server.pss_mib()}
            rows.append(row | {"kind": "memory", "processes": len(server.processes())} | loaded)
    log(f"round {number + 1} of {arguments.rounds}: {name}")
    return rows


def model_of(name: str, arguments: argparse.Namespace) -> str:
    """Return what a server draws with: a name of the store, or of the peers an absolute path."""
    if is_vitrine(name) or arguments.peers_model is None:
        return str(arguments.model)
    folder = Path(arguments.peers_model)
    return str(folder.resolve()) if folder.is_dir() else str(folder)


def renders_of(name: str, renders: Sequence[str]) -> Sequence[str | None]:
    """Return what a server is asked for: the peers draw means, and have no word for it."""
    return renders if is_vitrine(name) else (None,)


def bursts(
    loads: Iterable[Traffic], renders: Iterable[str | None], number: int
) -> Iterator[tuple[Traffic, str | None]]:
    """Yield what a server is loaded with in a round: the renders of a load follow each other directly."""
    for load in loads:
        for render in turned(renders, number):
            yield load, render


def pixels(server: Server) -> str:
    """Return a digest of one seed's pixels: the same for all that draw the same picture.

    Raises:
        RuntimeError: the answer is no picture.
    """
    status, body = server.picture(IMAGES, SEED)
    if status != 200:
        raise RuntimeError(f"expected 200. Received: {status}, {body[:200]!r}")
    with Image.open(io.BytesIO(body)) as picture:
        return hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()[:16]


def require_same_pictures(rows: list[Row]) -> None:
    """End the program if the peers, whose codes for a seed are not Vitrine's, do not draw alike."""
    drawn = {row["server"]: row["pixels"] for row in rows if row["kind"] == "startup"}
    peers = {name: found for name, found in drawn.items() if not name.startswith("vitrine")}
    if len(set(peers.values())) > 1:
        sys.exit(f"the services do not draw the same picture: {peers}")


def alone(runtime: str, workers: int, number: int, arguments: argparse.Namespace) -> list[Row]:
    """Load Vitrine by one runtime, with so many workers, at each size of picture."""
    rows = []
    with processes.running(vitrine(runtime, workers, arguments.model)) as server:
        warm(server)
        for n in arguments.counts:
            found = wrk(server, ALONE_CONNECTIONS, arguments.seconds, n)
            row = {"kind": "alone", "runtime": runtime, "workers": workers, "n": n, "round": number}
            rows.append(row | found._asdict())
    log(f"round {number + 1} of {arguments.rounds}: {runtime}, {workers} workers")
    return rows


def livez(number: int, arguments: argparse.Namespace) -> list[Row]:
    """Ask Vitrine whether it is alive, idle and while it is saturated."""
    rows = []
    for runtime in RUNTIMES:
        with processes.running(vitrine(runtime, 1, arguments.model)) as server:
            warm(server)
            server.wait_until_idle()
            for connections, n in ((0, 0), (LIVEZ_CONNECTIONS, IMAGES), (ALONE_CONNECTIONS, max(COUNTS))):
                load = None
                if connections:
                    words = command(server, connections, arguments.seconds + 3, n)
                    load = subprocess.Popen(words, stdout=subprocess.DEVNULL)
                    uvloop.run(client.probe(server.port, "/livez", 1))  # until the load is steady
                found = uvloop.run(client.probe(server.port, "/livez", arguments.seconds))
                if load is not None:
                    load.wait(arguments.seconds + 60)
                row = {
                    "kind": "livez",
                    "runtime": runtime,
                    "round": number,
                    "connections": connections,
                    "n": n,
                }
                rows.append(row | found._asdict())
    log(f"round {number + 1} of {arguments.rounds}: /livez")
    return rows


def bare(arguments: argparse.Namespace) -> list[Row]:
    """Run the loop without a service as often as there are rounds."""
    alone = arguments.counts if "alone" in arguments.only else ()
    counts = sorted({*alone, *(load.n for load in arguments.loads)})
    renders = sorted({"mean", *arguments.render})  # the peers and "alone" are set against means
    return [
        {"kind": "bare", "round": number} | found
        for runtime in RUNTIMES
        for number in range(arguments.rounds)
        for found in loop(runtime, arguments.model, renders, counts, arguments.seconds)
    ]


def loop(
    runtime: str, model: str, renders: Iterable[str], counts: Iterable[int], seconds: float
) -> list[Row]:
    """Run the loop without a service in a process of its own, and return what it found."""
    words = [sys.executable, "-m", "benchmarks.bare", "--json", "--runtime", runtime, "--models", model]
    words += ["--renders", *renders, "--counts", *map(str, counts), "--seconds", str(seconds)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    found: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return found


def models(number: int, arguments: argparse.Namespace) -> list[Row]:
    """Measure every model of the store served and in its loop, one right after the other."""
    rows = []
    found = store.scan(Settings().model_store)
    for name in turned(found.versions, number):
        for measure in turned((served, looped), number):
            rows += measure(found.find(name).reference, number, arguments)
    log(f"round {number + 1} of {arguments.rounds}: models")
    return rows


def served(model: str, number: int, arguments: argparse.Namespace) -> list[Row]:
    """Load Vitrine with one model by LiteRT, in one worker, one worker thread.

    Beside its worker thread it has an event loop, so the cores that it kept busy are noted with its rate.
    """
    rows = []
    one = {"VITRINE_WORKERS": "1", "VITRINE_WORKER_THREADS": "1", "VITRINE_INFERENCE_THREADS": "1"}
    program = processes.vitrine(VITRINE_RUNTIME="litert", VITRINE_DEFAULT_MODEL=model, **one)
    with processes.running(program) as server:
        for render in RENDERS:
            warm(server, render)
        loads = [Traffic(IMAGES, connections) for connections in MODELS_CONNECTIONS]
        for load, render in bursts(loads, RENDERS, number):
            used, started = server.processor_seconds(), time.perf_counter()
            found = wrk(server, load.connections, arguments.seconds, load.n, render)
            cores = (server.processor_seconds() - used) / (time.perf_counter() - started)
            row = {"kind": "models", "model": model, "render": render, "round": number}
            rows.append(row | load._asdict() | {"cores": cores} | found._asdict())
    return rows


def looped(model: str, number: int, arguments: argparse.Namespace) -> list[Row]:
    """Run one model's loop for the pictures that it is served for."""
    found = loop("litert", model, RENDERS, [IMAGES], arguments.seconds)
    return [{"kind": "models-bare", "round": number} | one for one in found]


def vitrine(runtime: str, workers: int, model: str) -> Program:
    """Return how Vitrine is started with a runtime, so many workers and a default model."""
    program = processes.vitrine(VITRINE_RUNTIME=runtime, VITRINE_WORKERS=str(workers))
    return processes.drawing_with(program, model)


def warm(server: Server, render: str | None = None) -> None:
    """Load a server before it is measured: what adapts, adapts; what is loaded late, is loaded."""
    wrk(server, 16, WARM_SECONDS, IMAGES, render)


def protocol(arguments: argparse.Namespace) -> Row:
    """Return how it was measured."""
    return {
        "model": arguments.model,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "warm_seconds": WARM_SECONDS,
        "loads": [str(load) for load in arguments.loads],
        "alone_connections": ALONE_CONNECTIONS,
        "load": "wrk, one thread, closed loop, keep-alive, on the servers' own machine",
        "server": "one at a time, started for every round, one worker but where another number stands",
        "models": "by LiteRT, one worker thread; the bare loop right before the server or after",
    }


if __name__ == "__main__":
    main()
