"""Which runtime decodes each model fastest, with all cores of this machine?

    .venv/bin/python -m benchmarks.runtimes                           a quarter of an hour
    .venv/bin/python -m benchmarks.runtimes --models fashion --runtimes litert openvino --rounds 1

LiteRT and TensorFlow as the service runs them; OpenVINO and TensorFlow as the naive service runs it, each if
`make benchmark-peers` has installed it. Every runtime decodes in two ways: one computation with a thread for
every core, and a computation of one thread on every core. Each is a process of its own, started afresh in
every round; they take turns, and every other round goes backwards. Medians over the rounds; the better way
counts. OpenVINO takes seconds to compile what draws, so it does that for one number of rows.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app import store
from app.cores import available_cores
from app.settings import Settings
from benchmarks import processes
from benchmarks.processes import PROJECT
from benchmarks.tables import NAN, Row, chosen, log, machine, markdown, median, ratio, turned, values

ENVIRONMENTS = PROJECT / "benchmarks" / ".environments"
PYTHONS = {
    "litert": Path(sys.executable),
    "tensorflow": Path(sys.executable),
    "openvino": ENVIRONMENTS / "openvino" / "bin" / "python",
    "naive": ENVIRONMENTS / "naive" / "bin" / "python",
}
DRAWN = {"litert": None, "tensorflow": None, "openvino": (21,), "naive": ()}  # numbers of rows; None: all
COUNTS = (1, 7, 21, 100)
RENDERS = ("mean", "draw")
TOLERANCE = 2e-3  # of a level in [0, 1], on an image's mean


class Way(NamedTuple):
    """How the cores are used: so many computations at the same time, of so many threads each."""

    at_once: int
    threads: int

    def __str__(self) -> str:
        """As the table names it."""
        return f"{self.at_once}x{self.threads}"


def main() -> None:
    """Measure, write the raw figures, print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", help="names; every model of the store if not given")
    parser.add_argument("--runtimes", nargs="*", default=installed(), choices=PYTHONS)
    parser.add_argument("--counts", nargs="*", type=int, default=COUNTS, help="rows of a computation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each loop")
    parser.add_argument("--json", action="store_true", help="print the raw figures, not the tables")
    parser.add_argument("--out", type=Path, help="file for the raw figures")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    if absent := sorted(set(arguments.runtimes) - set(installed())):
        sys.exit(f"not installed: {', '.join(absent)}; make benchmark-peers installs them")
    found = store.scan(Settings().model_store)
    versions = [found.find(name) for name in arguments.models or found.versions]
    ways = ways_of(available_cores())
    rows: list[Row] = []
    for number in range(arguments.rounds):
        for version in versions:
            for runtime, way in turned([(r, w) for r in arguments.runtimes for w in ways], number):
                at = {"round": number, "model": version.reference, "runtime": runtime, "way": str(way)}
                rows += rows_of(at, decoding(runtime, version.folder, way, arguments))
                log(f"round {number + 1} of {arguments.rounds}: {version.reference}, {runtime}, {way}")
    require_same_images(rows)
    protocol = {"rounds": arguments.rounds, "seconds": arguments.seconds, "way": "computations x threads"}
    report = json.dumps({"protocol": protocol, "machine": machine(), "rows": rows}, indent=1)
    if arguments.out:
        arguments.out.write_text(report + "\n")
    print(report if arguments.json else "\n\n".join(map(markdown, (rates(rows), costs(rows)))))


def installed() -> list[str]:
    """Return the runtimes that this machine has."""
    return [name for name, python in PYTHONS.items() if python.exists()]


def ways_of(cores: int) -> list[Way]:
    """Return the ways of using so many cores; of one core there is one."""
    return list(dict.fromkeys((Way(1, cores), Way(cores, 1))))


def decoding(runtime: str, folder: Path, way: Way, arguments: argparse.Namespace) -> Row:
    """Run the loops of one runtime in a process of its own, and return what it found.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    drawn = arguments.counts if DRAWN[runtime] is None else DRAWN[runtime]
    words = [
        str(PYTHONS[runtime]),
        "-m",
        "benchmarks.decoding",
        "--runtime",
        runtime,
        "--folder",
        str(folder),
    ]
    words += ["--threads", str(way.threads), "--at-once", str(way.at_once)]
    words += ["--seconds", str(arguments.seconds), "--means", *map(str, arguments.counts)]
    words += ["--draws", *map(str, drawn)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"} | processes.SILENT
    done = subprocess.run(
        words, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}:\n{done.stderr[-2000:]}")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(at: Row, found: Row) -> list[Row]:
    """Return a process' findings as rows: one of what it took to open, one for each loop."""
    loops = found.pop("loops")
    return [at | {"kind": "opened"} | found, *(at | {"kind": "loop"} | each for each in loops)]


def require_same_images(rows: list[Row]) -> None:
    """End the program if the runtimes do not decode the same codes to the same images."""
    for model in values(rows, "opened", "model"):
        opened = chosen(rows, kind="opened", model=model)
        for row in opened:
            if not np.allclose(row["image_means"], opened[0]["image_means"], rtol=0, atol=TOLERANCE):
                sys.exit(f"{model}: {row['runtime']} and {opened[0]['runtime']} decode to different images")


def best(rows: list[Row]) -> list[Row]:
    """Return the rows of the way whose median is highest."""
    by_way = [chosen(rows, way=way) for way in dict.fromkeys(row["way"] for row in rows)]
    return max(by_way, key=lambda found: median(found, "images_per_second"), default=[])


def rates(rows: list[Row]) -> list[list[str]]:
    """Images a second of each runtime in its better way, and which is fastest."""
    runtimes = values(rows, "loop", "runtime")
    lines = [["model", "render", "n", *runtimes, "fastest", "of litert"]]
    for model in values(rows, "loop", "model"):
        for render in RENDERS:
            for n in sorted({row["n"] for row in chosen(rows, kind="loop", render=render)}):
                at = {"kind": "loop", "model": model, "render": render, "n": n}
                found = {name: best(chosen(rows, runtime=name, **at)) for name in runtimes}
                lines.append([model, render, str(n), *map(rate, found.values()), *fastest(found)])
    return lines


def rate(found: list[Row]) -> str:
    """Return the images a second of one runtime in one way, and the way."""
    return f"{median(found, 'images_per_second'):.0f} ({found[0]['way']})" if found else str(NAN)


def fastest(found: dict[str, list[Row]]) -> list[str]:
    """Return the runtime of the highest median, and its rate beside LiteRT's."""
    medians = {name: median(rows, "images_per_second") for name, rows in found.items() if rows}
    name = max(medians, key=medians.__getitem__)
    beside = "1.00" if name == "litert" else ratio(found[name], found.get("litert", []), "images_per_second")
    return [name, beside]


def costs(rows: list[Row]) -> list[list[str]]:
    """What it takes to have a runtime, with one computation at a time."""
    shown = {
        "import, s": "import_seconds",
        "open, s": "open_seconds",
        "first images, s": "first_seconds",
        "memory when open, MiB": "opened_mib",
        "after the loops, MiB": "loaded_mib",
        "package, MiB": "package_mib",
    }
    lines = [["model", "runtime", *shown, "first draw, s"]]
    single = [row for row in rows if row["way"].startswith("1x")]
    for model in values(rows, "opened", "model"):
        for runtime in values(rows, "opened", "runtime"):
            at = {"model": model, "runtime": runtime}
            figures = [amount(name, median(single, key, kind="opened", **at)) for name, key in shown.items()]
            drawn = chosen(single, kind="loop", render="draw", **at)
            first = chosen(drawn, n=drawn[0]["n"]) if drawn else []  # a process draws in this order
            lines.append([model, runtime, *figures, f"{median(first, 'first_call_seconds'):.2f}"])
    return lines


def amount(name: str, value: float) -> str:
    """Return a number as its column has it: seconds with hundredths, MiB without."""
    return f"{value:.0f}" if name.endswith("MiB") else f"{value:.2f}"


if __name__ == "__main__":
    main()
