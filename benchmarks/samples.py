"""Requests a second and latency of ``GET /samples?n=21``, Vitrine beside the naive service.

    python benchmarks/samples.py                 about three minutes; needs wrk
    python benchmarks/samples.py --rounds 1 --seconds 2

Each server runs in a process of its own, one worker, on 127.0.0.1. Rounds are interleaved, so that a noisy
moment of the machine meets both, and the median over rounds is reported. Only ratios travel between machines.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
CONNECTIONS = (1, 16, 64)
SERVERS = {
    "naive": [sys.executable, "-m", "uvicorn", "benchmarks.naive:app", "--port", "{port}"],
    "vitrine": [str(Path(sys.executable).with_name("vitrine")), "serve", "--port", "{port}"],
}


class Result(NamedTuple):
    """What one burst of wrk found."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measure, print a table, write the raw figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=PROJECT / "benchmarks" / "samples.json")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")

    results: dict[tuple[str, int], list[Result]] = {}
    with contextlib.ExitStack() as running:
        urls = {name: running.enter_context(server(name)) for name in SERVERS}
        for url in urls.values():
            wrk(url, connections=16, seconds=2)  # warm
        for number in range(arguments.rounds):
            for connections in CONNECTIONS:
                for name, url in urls.items():
                    found = wrk(url, connections, arguments.seconds)
                    results.setdefault((name, connections), []).append(found)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)

    medians = {
        key: Result(*(statistics.median(values) for values in zip(*found, strict=True)))
        for key, found in results.items()
    }
    print(table(medians))
    rows = [
        {"server": name, "connections": connections, "rounds": [r._asdict() for r in found]}
        for (name, connections), found in results.items()
    ]
    report = {"machine": machine(), "seconds": arguments.seconds, "results": rows}
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


@contextlib.contextmanager
def server(name: str) -> Iterator[str]:
    """Run one of the servers and yield the address that is measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [word.format(port=port) for word in SERVERS[name]]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "VITRINE_WORKERS": "1"}
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, env=environment)
    url = f"http://127.0.0.1:{port}/samples?n=21"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url).read()
                break
            if process.poll() is not None:
                sys.exit(f"{name} did not start")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wrk(url: str, connections: int, seconds: int) -> Result:
    """Load `url` and return what wrk says; any answer that is not 2xx ends the measurement."""
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0])
    latency = {
        share: float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        for share, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)
    }
    return Result(rate, latency["50"], latency["99"])


def table(medians: dict[tuple[str, int], Result]) -> str:
    """Return the medians as a Markdown table, with the ratio to the naive service."""
    lines = [
        "| connections | server | requests/s | ratio | p50, ms | p99, ms |",
        "|---|---|---|---|---|---|",
    ]
    for connections in CONNECTIONS:
        base = medians["naive", connections].requests_per_second
        for name in SERVERS:
            found = medians[name, connections]
            lines.append(
                f"| {connections} | {name} | {found.requests_per_second:.0f} "
                f"| {found.requests_per_second / base:.2f} | {found.p50_ms:.2f} | {found.p99_ms:.2f} |"
            )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"processor": names[0] if names else platform.machine(), "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
