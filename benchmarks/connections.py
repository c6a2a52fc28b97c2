"""Clients that hold connections, against a server of the usual limits: what it costs the others.

    .venv/bin/python -m benchmarks.connections                   two and a half minutes
    .venv/bin/python -m benchmarks.connections --silent 500 --dribbling 500 --pipelined 200000
    .venv/bin/python -m benchmarks.connections --uploads 100 --header-mb 128

Each kind by itself, while a second process asks for health fifty times a second. Prints JSON: how many were
closed and when, the server's memory at the peak, and how long health took.
"""

import argparse
import contextlib
import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.processes import HOST, Server

HOST_LINE = b"Host: localhost\r\n"
HEALTH_SECONDS = 3.0  # of asking on behind the last of each kind


def connect(server: Server) -> socket.socket:
    """Return a connection to a server."""
    return socket.create_connection((HOST, server.port), timeout=10)


def closed_of(connections: list[socket.socket], seconds: float, dribble: bytes = b"") -> list[float]:
    """Return after how many seconds each connection was closed, of those that were.

    Args:
        connections: that are waited for.
        seconds: how long.
        dribble: what each sends once a second meanwhile.
    """
    started, open_ones, ends = time.monotonic(), set(connections), []
    while open_ones and time.monotonic() < started + seconds:
        waiting = select.poll()
        numbers = {each.fileno(): each for each in open_ones}
        for number in numbers:
            waiting.register(number, select.POLLIN)
        for number, _ in waiting.poll(1000):
            each = numbers[number]
            with contextlib.suppress(OSError):
                if each.recv(65536):
                    continue
            ends.append(time.monotonic() - started)
            open_ones.discard(each)
        for each in open_ones if dribble else ():
            with contextlib.suppress(OSError):
                each.send(dribble)
        time.sleep(0.2)
    return ends


def held(server: Server, count: int, sent: bytes, seconds: float, dribble: bytes = b"") -> dict[str, Any]:
    """Hold so many connections on which something was sent, and return when they were closed."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(count)]
        for each in connections:
            with contextlib.suppress(OSError):  # it was refused meanwhile
                each.sendall(sent)
        ends = closed_of(connections, seconds, dribble)
    return {"connections": count, "closed": len(ends), "last_after_seconds": round(max(ends, default=0.0), 1)}


def pipelined(server: Server, count: int) -> dict[str, Any]:
    """Send requests together and read no answer, and return how many were taken."""
    one, sent = b"GET /version HTTP/1.1\r\n" + HOST_LINE + b"\r\n", 0
    with connect(server) as connection:
        connection.settimeout(2)
        with contextlib.suppress(OSError):
            while sent < count * len(one):
                sent += connection.send(one * 500)
        ends = closed_of([connection], 1)
    return {"requests": count, "taken": sent // len(one), "closed": len(ends)}


def header(server: Server, megabytes: int) -> dict[str, Any]:
    """Send one header of so many megabytes, and return how far that went and what came."""
    sent, received = 0, b""
    with connect(server) as connection, contextlib.suppress(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST_LINE + b"X: ")
        while sent < megabytes:
            connection.sendall(b"a" * 1_048_576)
            sent += 1
            if select.select([connection], [], [], 0)[0] and not received:
                received = connection.recv(100)
    return {"megabytes": megabytes, "sent": sent, "answer": received[:12].decode("latin-1")}


def beside(server: Server, task: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something while health is asked for, and return what came of both and the memory at the peak."""
    command = [sys.executable, "-m", "benchmarks.connections", "--probe", str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        probe.stdout.readline()  # it has begun
        found = task()
        time.sleep(HEALTH_SECONDS)
        health = json.loads(probe.communicate("\n")[0])
    status = [Path(f"/proc/{number}/status").read_text() for number in server.processes()]
    peak, now = (
        max(int(line[1]) for text in status if (line := re.search(rf"{name}:\s+(\d+)", text))) // 1024
        for name in ("VmHWM", "VmRSS")
    )
    return found | {"health_ms": health, "peak_mb": peak, "memory_mb": now}


def probe(port: int) -> dict[str, float]:
    """Ask for health until a line comes, and return how many milliseconds it took."""
    took: list[float] = []
    print("asking", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        started = time.perf_counter()
        with socket.create_connection((HOST, port), timeout=30) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nConnection: close\r\n" + HOST_LINE + b"\r\n")
            if not connection.recv(100).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("health was not answered")
        took.append(1000 * (time.perf_counter() - started))
    took.sort()
    return {"p50": round(took[len(took) // 2], 1), "p99": round(took[int(len(took) * 0.99)], 1)}


def main() -> None:
    """Try each kind, and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--silent", type=int, default=500)
    parser.add_argument("--dribbling", type=int, default=500)
    parser.add_argument("--pipelined", type=int, default=200_000, help="requests on one connection")
    parser.add_argument("--uploads", type=int, default=100, help="of 10 MB, which stop one byte short")
    parser.add_argument("--header-mb", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=40, help="for which each kind is waited for")
    parser.add_argument("--probe", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.probe:
        print(json.dumps(probe(given.probe)))
        return
    start = b"GET /samples HTTP/1.1\r\n" + HOST_LINE + b"X: "
    upload = (
        b"POST /reconstruct HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 10000000\r\n" + HOST_LINE
    )
    processes.end_at_sigterm()
    with processes.running(processes.vitrine()) as server:
        found = {
            "header": beside(server, lambda: header(server, given.header_mb)),
            "pipelined": beside(server, lambda: pipelined(server, given.pipelined)),
            "silent": beside(server, lambda: held(server, given.silent, b"", given.seconds)),
            "dribbling": beside(server, lambda: held(server, given.dribbling, start, given.seconds, b"a")),
            "uploads": beside(
                server,
                lambda: held(server, given.uploads, upload + b"\r\n" + bytes(9_999_999), given.seconds),
            ),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
