"""Speed, start and memory of Vitrine beside the services that one would use instead.

    .venv/bin/python -m benchmarks.serving                   everything; an hour and more; needs wrk
    .venv/bin/python -m benchmarks.serving --rounds 1 --seconds 2 --servers vitrine naive --only throughput
    .venv/bin/python -m benchmarks.serving --servers vitrine --only models    every model beside its bare loop
    .venv/bin/python -m benchmarks.serving --model fashion --out default.json    with Vitrine's default model

`make benchmark-peers` installs the others. In every round each server is started afresh, alone:
the time to its first picture is taken, its memory, then requests a second at each number of connections, and
its memory again. The order turns round from one round to the next, so that a noisy moment of the machine
meets all of them; medians over the rounds are reported. Only ratios travel between machines. What a picture
costs differs from model to model, so each is also set against its own bare loop, the two taking turns.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from PIL import Image

from app import store
from app.settings import Settings
from benchmarks import client, processes
from benchmarks.load import command, require_wrk, wrk
from benchmarks.processes import PROGRAMS, PROJECT, Program, Server

SERVERS = ("vitrine", "vitrine-tensorflow", "naive", "litserve", "bentoml", "ray-serve")
CONNECTIONS = (1, 16, 64, 256)
SECTIONS = ("startup", "memory", "throughput", "alone", "livez", "models", "bare")
IMAGES = 21
SEED = 5  # of the picture that all draw for comparison
COUNTS = (1, 21, 100, 400)
ALONE_CONNECTIONS = 16  # of 400 images each, these all fit into the queue
RUNTIMES = ("litert", "tensorflow")
WORKERS = (1, 2)
RENDERS = ("mean", "draw")
WARM_SECONDS = 3
LIVEZ_CONNECTIONS = 64

Row = dict[str, Any]


def main() -> None:
    """Measure, write the raw figures, print tables, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", nargs="*", default=SERVERS, choices=PROGRAMS)
    parser.add_argument("--model", default=processes.MODEL, help="what all draw with; a name of the store")
    parser.add_argument("--connections", nargs="*", type=int, default=CONNECTIONS)
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


def turned(values: Iterable[Any], number: int) -> list[Any]:
    """Return the values, backwards in every other round."""
    return list(values)[:: -1 if number % 2 else 1]


def beside(name: str, number: int, arguments: argparse.Namespace) -> list[Row]:
    """Start one server, load it at each number of connections, and return what was found."""
    row: Row = {"server": name, "round": number}
    rows = []
    with processes.running(processes.drawing_with(PROGRAMS[name], arguments.model)) as server:
        rows.append(
            row | {"kind": "startup", "seconds": server.first_picture_seconds, "pixels": pixels(server)}
        )
        started_mib = server.pss_mib()
        if {"memory", "throughput"} & set(arguments.only):
            warm(server)
            connections = arguments.connections if "throughput" in arguments.only else [64]
            for count in connections:
                found = wrk(server, count, arguments.seconds, IMAGES)
                rows.append(row | {"kind": "throughput", "connections": count} | found._asdict())
            loaded = {"started_mib": started_mib, "loaded_mib": server.pss_mib()}
            rows.append(row | {"kind": "memory", "processes": len(server.processes())} | loaded)
    log(f"round {number + 1} of {arguments.rounds}: {name}")
    return rows


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
    counts = sorted({IMAGES, *arguments.counts})
    return [
        {"kind": "bare", "round": number} | found
        for runtime in RUNTIMES
        for number in range(arguments.rounds)
        for found in loop(runtime, arguments.model, ["mean"], counts, arguments.seconds)
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
            used, started = server.processor_seconds(), time.perf_counter()
            found = wrk(server, ALONE_CONNECTIONS, arguments.seconds, IMAGES, render)
            cores = (server.processor_seconds() - used) / (time.perf_counter() - started)
            row = {"kind": "models", "model": model, "render": render, "n": IMAGES, "round": number}
            rows.append(row | {"cores": cores} | found._asdict())
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


def median(rows: list[Row], value: str, **chosen: Any) -> float:
    """Return the median of a value over the rows that have what is chosen; not a number if there are none."""
    found = [row[value] for row in rows if all(row.get(key) == wanted for key, wanted in chosen.items())]
    return statistics.median(found) if found else float("nan")


def values(rows: list[Row], kind: str, key: str) -> list[Any]:
    """Return what a key's values are among the rows of a kind, in the order in which they come first."""
    return list(dict.fromkeys(row[key] for row in rows if row["kind"] == kind))


def tables(rows: list[Row]) -> list[str]:
    """Return the medians as Markdown tables: one for each kind that was measured."""
    makers: dict[str, Callable[[list[Row]], list[list[str]]]] = {
        "throughput": throughput_table,
        "startup": resources_table,
        "alone": alone_table,
        "livez": livez_table,
        "models": models_table,
    }
    kinds = {row["kind"] for row in rows}
    return [markdown(make(rows)) for kind, make in makers.items() if kind in kinds]


def throughput_table(rows: list[Row]) -> list[list[str]]:
    """Requests a second, beside the naive service and beside the loop without one."""
    limit = {
        runtime: median(rows, "pictures_per_second", kind="bare", runtime=runtime, n=IMAGES)
        for runtime in RUNTIMES
    }
    lines = [
        ["connections", "server", "requests/s", "of naive", "of bare loop", "p50, ms", "p99, ms", "failed"]
    ]
    for connections in sorted(values(rows, "throughput", "connections")):
        at = {"kind": "throughput", "connections": connections}
        base = median(rows, "rate", server="naive", **at)
        for name in values(rows, "throughput", "server"):
            rate = median(rows, "rate", server=name, **at)
            found = [row for row in rows if row.get("server") == name and row.items() >= at.items()]
            bound = limit["litert" if name == "vitrine" else "tensorflow"]
            lines.append(
                [
                    str(connections),
                    name,
                    f"{rate:.0f}",
                    f"{rate / base:.2f}",
                    f"{rate / bound:.2f}",
                    f"{median(found, 'p50_ms'):.2f}",
                    f"{median(found, 'p99_ms'):.2f}",
                    str(sum(row["refused"] + row["broken"] for row in found)),
                ]
            )
    return lines


def resources_table(rows: list[Row]) -> list[list[str]]:
    """Seconds to the first picture, and memory."""
    lines = [["server", "first picture, s", "PSS at start, MiB", "under load, MiB", "processes"]]
    for name in values(rows, "startup", "server"):
        weighed = {"kind": "memory", "server": name}
        lines.append(
            [
                name,
                f"{median(rows, 'seconds', kind='startup', server=name):.2f}",
                f"{median(rows, 'started_mib', **weighed):.0f}",
                f"{median(rows, 'loaded_mib', **weighed):.0f}",
                f"{median(rows, 'processes', **weighed):.0f}",
            ]
        )
    return lines


def alone_table(rows: list[Row]) -> list[list[str]]:
    """Vitrine by itself: sizes of pictures, runtimes, workers."""
    header = [
        "runtime",
        "workers",
        "n",
        "requests/s",
        "images/s",
        "of bare loop",
        "p50, ms",
        "p99, ms",
        "failed",
    ]
    lines = [header]
    for runtime in RUNTIMES:
        for workers in WORKERS:
            for n in values(rows, "alone", "n"):
                at = {"kind": "alone", "runtime": runtime, "workers": workers, "n": n}
                found = [row for row in rows if row.items() >= at.items()]
                rate = median(found, "rate")
                bound = median(rows, "pictures_per_second", kind="bare", runtime=runtime, n=n)
                lines.append(
                    [
                        runtime,
                        str(workers),
                        str(n),
                        f"{rate:.1f}",
                        f"{n * rate:.0f}",
                        f"{rate / bound:.2f}",
                        f"{median(found, 'p50_ms'):.2f}",
                        f"{median(found, 'p99_ms'):.2f}",
                        str(sum(row["refused"] + row["broken"] for row in found)),
                    ]
                )
    return lines


def livez_table(rows: list[Row]) -> list[list[str]]:
    """How soon /livez is answered: over all rounds together."""
    lines = [["runtime", "under load of", "probes", "p50, ms", "p99, ms", "max, ms", "failed"]]
    found = [row for row in rows if row["kind"] == "livez"]
    for runtime in RUNTIMES:
        for connections, n in dict.fromkeys((row["connections"], row["n"]) for row in found):
            at = {"runtime": runtime, "connections": connections, "n": n}
            those = [row for row in found if row.items() >= at.items()]
            seconds = [value for row in those for value in row["seconds"]]
            load = f"{connections} connections, n = {n}" if connections else "nothing"
            shown = [f"{value:.2f}" for value in client.percentiles(seconds).values()]
            lines.append([runtime, load, str(len(seconds)), *shown, str(sum(row["failed"] for row in those))])
    return lines


def models_table(rows: list[Row]) -> list[list[str]]:
    """Every model of the store, beside its own loop without a service."""
    header = [
        "model",
        "render",
        "requests/s",
        "images/s",
        "bare pictures/s",
        "of bare loop",
        "cores",
        "p50, ms",
        "p99, ms",
        "failed",
    ]
    lines = [header]
    for model in values(rows, "models", "model"):
        for render in RENDERS:
            at = {"kind": "models", "model": model, "render": render}
            found = [row for row in rows if row.items() >= at.items()]
            rate = median(found, "rate")
            bound = median(rows, "pictures_per_second", kind="models-bare", model=model, render=render)
            lines.append(
                [
                    model,
                    render,
                    f"{rate:.1f}",
                    f"{IMAGES * rate:.0f}",
                    f"{bound:.1f}",
                    f"{rate / bound:.2f}",
                    f"{median(found, 'cores'):.2f}",
                    f"{median(found, 'p50_ms'):.2f}",
                    f"{median(found, 'p99_ms'):.2f}",
                    str(sum(row["refused"] + row["broken"] for row in found)),
                ]
            )
    return lines


def markdown(lines: list[list[str]]) -> str:
    """Return a table; a header and rows; what was not measured is a dash."""
    cells = [["-" if cell == "nan" else cell for cell in line] for line in lines]
    header, *body = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([header, "|---" * len(lines[0]) + "|", *body])


def plot(rows: list[Row], path: Path) -> None:
    """Draw requests a second, and the slowest hundredth, of every server by the number of connections."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    connections = sorted(values(rows, "throughput", "connections"))
    for name in values(rows, "throughput", "server"):
        for axis, value in zip(axes, ("rate", "p99_ms"), strict=True):
            shown = [
                median(rows, value, kind="throughput", server=name, connections=count)
                for count in connections
            ]
            axis.plot(connections, shown, marker="o", label=name)
    for axis, title in zip(axes, ("requests/s", "p99, ms"), strict=True):
        axis.set(title=f"GET /samples?n={IMAGES}: {title}", xlabel="connections", xscale="log")
        axis.set_xticks(connections, [str(count) for count in connections], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    axes[1].set_yscale("log")
    axes[1].legend(loc="upper left")
    figure.savefig(path, dpi=120, metadata={"Software": None})


def protocol(arguments: argparse.Namespace) -> Row:
    """Return how it was measured."""
    return {
        "model": arguments.model,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "warm_seconds": WARM_SECONDS,
        "images": IMAGES,
        "alone_connections": ALONE_CONNECTIONS,
        "load": "wrk, one thread, closed loop, keep-alive, on the servers' own machine",
        "server": "one at a time, started for every round, one worker but where another number stands",
        "models": "by LiteRT, one worker thread; the bare loop right before the server or after",
    }


def machine() -> Row:
    """Return what the figures depend on."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def log(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
