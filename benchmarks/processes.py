"""Server processes: started, waited for, weighed, and ended with everything that they have started."""

import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

PROJECT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 180.0
STOP_SECONDS = 20.0
IDLE_SHARE = 0.1  # of one core: what a server that has nothing to do may still use
MODEL = "fashion-dense"  # which draws if a benchmark names no other
RUNTIMES = ("litert", "tensorflow")  # of Vitrine
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Program(NamedTuple):
    """How a server is started.

    Args:
        command: words; ``{port}`` is filled in.
        folder: where it is started.
        method: how pictures are asked for: GET, or POST where a framework knows nothing else.
        path: of the pictures.
        environment: variables beside our own.
        model: which pictures are asked for; None: a server's only one, or its default.
        render: what is asked for where a request names no other; None: the server has no word for it.
    """

    command: Sequence[str]
    folder: Path = PROJECT
    method: str = "GET"
    path: str = "/samples"
    environment: Mapping[str, str] = {}
    model: str | None = None
    render: str | None = None


class Server:
    """A running server.

    Args:
        process: the process that was started.
        program: how.
        port: where it listens.
        log: what it writes.
    """

    def __init__(self, process: subprocess.Popen[bytes], program: Program, port: int, log: Path) -> None:
        self.process = process
        self.program = program
        self.port = port
        self.log = log
        self.started = time.perf_counter()
        self.first_picture_seconds = 0.0

    def target(self, n: int = 21, seed: int | None = None, render: str | None = None) -> str:
        """Return path and query of a picture of `n` images; `render` is a word of Vitrine's alone."""
        if self.program.method == "POST":
            return self.program.path
        wanted = {"n": n, "seed": seed, "render": render or self.program.render, "model": self.program.model}
        return f"{self.program.path}?{urlencode({k: v for k, v in wanted.items() if v is not None})}"

    def body(self, n: int = 21, seed: int | None = None) -> str | None:
        """Return what a POST for such a picture carries."""
        wanted = {"n": n} if seed is None else {"n": n, "seed": seed}
        return json.dumps(wanted) if self.program.method == "POST" else None

    def picture(self, n: int = 21, seed: int | None = None, seconds: float = 60) -> tuple[int, bytes]:
        """Ask for one picture on a connection of its own, and return status and body.

        Raises:
            OSError: nothing answers.
            http.client.HTTPException: what answers does not speak HTTP yet.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=seconds)
        try:
            connection.request(
                self.program.method,
                self.target(n, seed),
                self.body(n, seed),
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait_for_picture(self) -> None:
        """Wait for the first picture, and keep how long it took from the process' start.

        Raises:
            RuntimeError: it ended, or was too slow; with the end of its log.
        """
        while time.perf_counter() - self.started < START_SECONDS:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, body = self.picture()
                if status == 200 and is_grid(body, 7, 3):
                    self.first_picture_seconds = time.perf_counter() - self.started
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        end = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(self.program.command)} gave no picture:\n{end}")

    def wait_until_idle(self, seconds: float = 60) -> None:
        """Wait until its processes do next to nothing: every worker has started, every queue is empty."""
        deadline = time.perf_counter() + seconds
        before, at = self.processor_seconds(), time.perf_counter()
        while time.perf_counter() < deadline:
            time.sleep(0.5)
            after, now = self.processor_seconds(), time.perf_counter()
            if after - before < IDLE_SHARE * (now - at):
                return
            before, at = after, now

    def processor_seconds(self) -> float:
        """Return the processor time that its processes have used."""
        ticks = sum(sum(map(int, fields[11:13])) for fields in self._stat().values())
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_mib(self) -> float:
        """Return the memory of all its processes, in MiB, pages divided among those who share them."""
        return pss_mib(self._stat())

    def processes(self) -> list[int]:
        """Return the process that was started, its descendants, and whoever else is in its session."""
        return list(self._stat())

    def _stat(self) -> dict[int, list[str]]:
        """Return the fields of /proc/PID/stat, from the state on, of each of its processes."""
        return family(self.process.pid)

    def stop(self) -> None:
        """Ask the server to end, and end whatever is left of it."""
        known = self._stat()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        known |= self._stat()
        for pid, fields in known.items():
            with contextlib.suppress(OSError):
                now = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if now[19] == fields[19]:  # its start: a number may have gone to another process since
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def family(root: int) -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat, from the state on, of a process and all that belong to it.

    These are its descendants, and whoever else is in its session, if it leads one.
    """
    everyone = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                # The name, in brackets, may hold anything.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    everyone[int(folder.name)] = fields
    members = {pid for pid, fields in everyone.items() if int(fields[3]) == root}
    members |= {root} & set(everyone)
    while True:
        more = {pid for pid, fields in everyone.items() if int(fields[1]) in members} - members
        if not more:
            return {pid: everyone[pid] for pid in sorted(members)}
        members |= more


def pss_mib(pids: Iterable[int]) -> float:
    """Return the memory of processes, in MiB, pages divided among those who share them."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
    return kib / 1024


def is_grid(body: bytes, columns: int, rows: int, side: int = 28) -> bool:
    """Say whether `body` is a grey PNG of so many images, 8 bits a pixel."""
    header = struct.pack(">IIBB", columns * side, rows * side, 8, 0)
    return body.startswith(SIGNATURE) and body[16:26] == header


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(program: Program) -> Iterator[Server]:
    """Start a server on a free port of this machine, wait for its first picture, and stop it at the end."""
    port = free_port()
    command = [word.format(port=port) for word in program.command]
    environment = (
        os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"} | dict(program.environment)
    )
    with tempfile.TemporaryDirectory(prefix="vitrine-benchmark-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=program.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(process, program, port, log)
        try:
            server.wait_for_picture()
            server.wait_until_idle()
            yield server
        finally:
            server.stop()


def end_at_sigterm() -> None:
    """Let SIGTERM end this program as an exception does, so that its servers end with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def vitrine(**environment: str) -> Program:
    """Return how Vitrine is started, from this folder's code.

    Args:
        environment: settings beside the defaults, by the names of their variables.
    """
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "{port}"]
    settings = {"VITRINE_HOST": HOST, "VITRINE_DEFAULT_MODEL": MODEL} | environment
    return Program(
        command, environment=settings, render="mean"
    )  # as the peers draw, whatever the model's own is


PEERS = PROJECT / "benchmarks" / "peers"
SILENT = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}  # nothing is sent to their makers


def peer(name: str, *command: str, method: str = "GET", batching: bool = True) -> Program:
    """Return how another service is started, in its own environment.

    Args:
        name: of the environment; ``make benchmark-peers`` makes it.
        command: a program of that environment and its words.
        method: how pictures are asked for.
        batching: whether it may decode several requests together.
    """
    programs = PROJECT / "benchmarks" / ".environments" / name / "bin"
    return Program(
        [str(programs / command[0]), *command[1:]],
        PEERS,
        method,
        environment={"PEER_BATCHING": str(int(batching))} | SILENT,
    )


LITSERVE = ("python", "litserve_server.py", "{port}")
BENTOML = ("bentoml", "serve", "bentoml_service:Samples", "--host", HOST, "--port", "{port}")
RAY_SERVE = ("python", "ray_serve_app.py", "{port}")

PROGRAMS = {
    "vitrine": vitrine(),
    "vitrine-tensorflow": vitrine(VITRINE_RUNTIME="tensorflow"),
    "naive": peer("naive", "uvicorn", "naive:app", "--host", HOST, "--port", "{port}"),
    "litserve": peer("litserve", *LITSERVE, method="POST"),
    "litserve-single": peer("litserve", *LITSERVE, method="POST", batching=False),
    "bentoml": peer("bentoml", *BENTOML, batching=False),
    "bentoml-batching": peer("bentoml", *BENTOML),
    "ray-serve": peer("ray-serve", *RAY_SERVE),
    "ray-serve-single": peer("ray-serve", *RAY_SERVE, batching=False),
}


def drawing_with(program: Program, model: str) -> Program:
    """Return how a server, ours or a peer, is started with another model of the store.

    Args:
        program: how it is started.
        model: a name without its version: the newest draws.
    """
    environment = {**program.environment, "VITRINE_DEFAULT_MODEL": model, "PEER_MODEL": model}
    return program._replace(environment=environment)


def missing(name: str) -> bool:
    """Say whether a server is not installed."""
    return not Path(PROGRAMS[name].command[0]).exists()
