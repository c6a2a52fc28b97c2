"""Does an address mean the same bytes whichever way the service is deployed?

    .venv/bin/python -m benchmarks.deployments --addresses 10000 --out deployments.json
    .venv/bin/python -m benchmarks.deployments --addresses 500 --only "two workers" nginx

One process, two workers, nginx in front of one process, Ray Serve with two replicas (where ray is installed),
and the container (where podman has its image) are asked for the same addresses: means and draws, walks,
several models and formats, mostly small. The first one's bytes are what the others are held to. What the
machine does not have is named and left out. No finished picture is kept. Exits with 1 if any bytes differ or
an address gave no picture.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import uvloop

from benchmarks import addresses, caches, permanence, processes
from benchmarks.client import Connection
from benchmarks.processes import HOST
from benchmarks.tables import Row, log, machine, markdown

CONNECTIONS = 8
MODELS = ("fashion", "fashion-dense")
FORMATS = ("", "", "", ".webp", ".npy", ".json")  # of samples; PNG more often
WALKS, MOST, FALLS = 0.1, 21, 2.0  # share of walks; images in a picture, and how rare large ones are
IMAGE = "localhost/vitrine-test"
CONTAINER_SECONDS = 90


def mixed(models: list[str], count: int, generator: np.random.Generator) -> list[str]:
    """Return so many addresses of these models, NAME@VERSION: samples of every format, and walks."""
    classes = {model: addresses.classes(model) for model in models}
    drawn = addresses.targets(count, classes, generator, others=0.5, most=MOST, falls=FALLS)
    endings = generator.integers(len(FORMATS), size=count)
    walks = generator.random(count) < WALKS
    return [
        walk(models, generator) if chosen else target.replace("/samples", f"/samples{FORMATS[ending]}", 1)
        for target, ending, chosen in zip(drawn, endings, walks, strict=True)
    ]


def walk(models: list[str], generator: np.random.Generator) -> str:
    """Return the address of a walk along one axis, from the code of a seed."""
    model = models[int(generator.integers(len(models)))]
    steps, axis, seed = (int(generator.integers(*bounds)) for bounds in ((3, 8), (0, 8), (0, 2**31)))
    return f"/interpolate?model={model}&axis={axis}&steps={steps}&seed={seed}"


@contextlib.contextmanager
def plain(**settings: str) -> Iterator[int]:
    """Run the service with these settings; yields its port."""
    with processes.running(processes.vitrine(VITRINE_CACHE_BYTES="0", **settings)) as server:
        yield server.port


@contextlib.contextmanager
def behind_nginx() -> Iterator[int]:
    """Run nginx in front of the service; yields nginx's port."""
    with plain() as service, caches.running("nginx", service, workers=1) as port:
        yield port


@contextlib.contextmanager
def ray_serve() -> Iterator[int]:
    """Run two replicas behind Ray Serve's proxy; yields the proxy's port."""
    command = [sys.executable, "-m", "benchmarks.ray_replicas", "{port}", "--replicas", "2"]
    settings = {"VITRINE_CACHE_BYTES": "0", "VITRINE_DEFAULT_MODEL": processes.MODEL}
    with processes.running(processes.Program(command, environment=settings, render="mean")) as server:
        yield server.port


@contextlib.contextmanager
def container() -> Iterator[int]:
    """Run the image; yields the port of this machine that it listens on.

    Raises:
        RuntimeError: it answers nothing within CONTAINER_SECONDS.
    """
    port, name = processes.free_port(), f"vitrine-{uuid.uuid4().hex[:8]}"
    podman = ["podman", "--runtime", "runc"]
    words = ["run", "--detach", "--name", name, "--network", "host", "--read-only", "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
    for setting in (f"HOST={HOST}", f"PORT={port}", "CACHE_BYTES=0"):
        words += ["--env", f"VITRINE_{setting}"]
    try:
        subprocess.run([*podman, *words, IMAGE], check=True, capture_output=True)
        deadline = time.monotonic() + CONTAINER_SECONDS
        while not ready(port):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{IMAGE} answered nothing within {CONTAINER_SECONDS} s")
            time.sleep(0.5)
        yield port
    finally:
        subprocess.run([*podman, "rm", "--force", name], check=False, capture_output=True)


def ready(port: int) -> bool:
    """Say whether a service is ready."""
    with contextlib.suppress(OSError):
        return caches.ask(port, "/readyz")[0].startswith(b'{"status":"ready"')
    return False


Deployment = Callable[[], contextlib.AbstractContextManager[int]]
DEPLOYMENTS: dict[str, Deployment] = {
    "one process": plain,
    "two workers": lambda: plain(VITRINE_WORKERS="2"),
    "nginx": behind_nginx,
    "ray serve": ray_serve,
    "container": container,
}


def missing(name: str) -> str:
    """Return what this machine lacks for a deployment; empty if nothing."""
    if name == "nginx" and shutil.which("nginx", path=caches.SBIN) is None:
        return "nginx is not installed"
    if name == "ray serve" and importlib.util.find_spec("ray") is None:
        return "ray is not installed"
    if name == "container":
        if shutil.which("podman") is None:
            return "podman is not installed"
        if subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode:
            return f"podman has no image {IMAGE}"
    return ""


async def asked(port: int, targets: list[str]) -> list[bytes | None]:
    """Return the digest of each address' bytes, None where no try gave a picture; several at a time."""
    digests: list[bytes | None] = [None] * len(targets)
    numbers = iter(range(len(targets)))

    async def work() -> None:
        connection = Connection()
        for number in numbers:
            digests[number], _ = await permanence.digest(connection, port, targets[number])
        connection.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return digests


def compared(found: dict[str, list[bytes | None]], targets: list[str]) -> list[Row]:
    """Return for each deployment the addresses without a picture, and those that differ from the first."""
    first = next(iter(found.values()))
    rows = []
    for name, digests in found.items():
        absent = sum(digest is None for digest in digests)
        pairs = zip(targets, first, digests, strict=True)
        differing = [target for target, one, other in pairs if one and other and one != other]
        rows.append({"deployment": name, "addresses": len(targets), "absent": absent, "differing": differing})
    return rows


def main() -> None:
    """Ask every deployment, compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--addresses", type=int, default=10_000)
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="names; their newest versions")
    parser.add_argument("--only", nargs="+", choices=DEPLOYMENTS, default=list(DEPLOYMENTS))
    parser.add_argument("--seed", type=int, default=1, help="of the addresses")
    parser.add_argument("--out", type=Path, help="a JSON file of what was found")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    store = permanence.store.scan(permanence.Settings().model_store)
    models = [store.find(name).reference for name in arguments.models]
    targets = mixed(models, arguments.addresses, np.random.default_rng(arguments.seed))
    found: dict[str, list[bytes | None]] = {}
    left_out = {}
    for name in dict.fromkeys(["one process", *arguments.only]):
        if reason := missing(name):
            left_out[name] = reason
            log(f"{name}: left out: {reason}")
            continue
        started = time.perf_counter()
        with DEPLOYMENTS[name]() as port:
            found[name] = uvloop.run(asked(port, targets))
        log(f"{name}: {len(targets)} addresses, {time.perf_counter() - started:.0f} s with its start")
    rows = compared(found, targets)
    if arguments.out:
        result = {"machine": machine(), "models": models, "left_out": left_out, "rows": rows}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    lines = [[row["deployment"], row["addresses"], row["absent"], len(row["differing"])] for row in rows]
    header = ["deployment", "addresses", "no picture", "differ"]
    print(markdown([header, *([str(cell) for cell in line] for line in lines)]))
    for target in [target for row in rows for target in row["differing"]][:10]:
        print(f"  differs: {target}")
    sys.exit(1 if any(row["absent"] or row["differing"] for row in rows) else 0)


if __name__ == "__main__":
    main()
