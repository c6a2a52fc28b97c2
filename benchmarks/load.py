"""Closed-loop load by wrk: every connection asks again as soon as it is answered."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import HOST, Server

REPORT = Path(__file__).with_name("report.lua")


class Traffic(NamedTuple):
    """What is asked for: pictures of `n` images, over so many connections at once."""

    n: int
    connections: int

    @classmethod
    def parse(cls, text: str) -> "Traffic":
        """Read ``21x16``: images x connections.

        Raises:
            ValueError: it is not two numbers of 1 or more.
        """
        n, connections = map(int, text.split("x"))
        if min(n, connections) < 1:
            raise ValueError(text)
        return cls(n, connections)

    def __str__(self) -> str:
        """As it is read."""
        return f"{self.n}x{self.connections}"


class Load(NamedTuple):
    """What one burst found.

    Args:
        rate: answers a second with status 2xx or 3xx.
        p50_ms: half of all answers took no longer, refusals included.
        p99_ms: as did 99 % of them.
        max_ms: the slowest.
        refused: answers with status 400 or more.
        broken: connections that failed or were silent for two seconds.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    broken: int


def require_wrk() -> None:
    """End the program if wrk is missing."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")


def command(server: Server, connections: int, seconds: float, n: int, render: str | None = None) -> list[str]:
    """Return the words that load `server`, asking for pictures of `n` images."""
    url = f"http://{HOST}:{server.port}{server.target(n, render=render)}"
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(REPORT), url]
    body = server.body(n)
    return [*words, "--", server.program.method, *([] if body is None else [body])]


def wrk(server: Server, connections: int, seconds: float, n: int = 21, render: str | None = None) -> Load:
    """Load a server for so many whole seconds, and return what wrk says."""
    words = command(server, connections, seconds, n, render)
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return parsed(done.stdout)


def wrk_upload(server: Server, connections: int, seconds: float, file: Path, model: str) -> Load:
    """Load a server with uploads of one file, and return what wrk says."""
    url = f"http://{HOST}:{server.port}/reconstruct?model={model}"
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(REPORT), url]
    words += ["--", "POST", f"@{file}", f"image/{file.suffix[1:]}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return parsed(done.stdout)


def parsed(text: str) -> Load:
    """Return the figures in wrk's output."""
    found = json.loads(text[text.rindex("{") :])
    good = found["requests"] - found["refused"]
    latencies = (found["p50_ms"], found["p99_ms"], found["max_ms"])
    return Load(good / found["seconds"], *latencies, found["refused"], found["broken"])
