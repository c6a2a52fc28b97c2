"""Does an address always mean the same bytes? A hundred thousand of every model, each asked for twice.

    .venv/bin/python -m benchmarks.permanence                       both runtimes; an hour or more
    .venv/bin/python -m benchmarks.permanence --count 2000 --runtimes litert

First in a crowd: bursts with one to sixty-four connections at once, some of which are closed in the middle of
a request, so that pictures are computed beside others, in parts, and beside work that is dropped. Then each
alone, one at a time, by another process. The addresses are dealt out among every combination of one and two
workers, worker threads and inference threads: what is asked in a crowd of one combination is asked alone of
the next, so none is compared with itself, and all are compared with each other. The servers keep no finished
pictures, so every answer is computed. Exits with 1 if any two answers to one address differ.
"""

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import uvloop

from app import store
from app.settings import Settings
from benchmarks import addresses, processes
from benchmarks.client import Connection
from benchmarks.tables import log, markdown

CONNECTIONS = 64
BURST = 2000  # requests in a burst, at most
LEAVES_WITHIN_SECONDS = 0.03
TRIES = 5
PATIENCE_SECONDS = 30
MOST, FALLS = 400, 2.0  # images in a picture, and how rare large ones are; see benchmarks.addresses


class Arrangement(NamedTuple):
    """How many processes and threads a server computes with."""

    workers: int
    worker_threads: int
    inference_threads: int

    def program(self, runtime: str) -> processes.Program:
        """Return how such a server is started, without any memory of finished pictures."""
        counts = {f"VITRINE_{name.upper()}": str(value) for name, value in self._asdict().items()}
        return processes.vitrine(VITRINE_RUNTIME=runtime, VITRINE_CACHE_BYTES="0", **counts)

    def __str__(self) -> str:
        """As the tables name it."""
        return " x ".join(map(str, self))


ARRANGEMENTS = tuple(Arrangement(*counts) for counts in itertools.product((1, 2), repeat=3))


class Found(NamedTuple):
    """What one way of asking gave.

    Args:
        digests: of each address' bytes, in the addresses' order; None where no try gave a picture.
        seconds: in all.
        left: requests that were cancelled.
        refused: answers other than 200, and connections that broke, each followed by another try.
    """

    digests: list[bytes | None]
    seconds: float
    left: int
    refused: int


class Part(NamedTuple):
    """Addresses that were asked for in a crowd of one arrangement, and alone of another."""

    targets: list[str]
    crowded: Arrangement
    single: Arrangement
    crowd: Found
    alone: Found

    def differing(self) -> list[str]:
        """Return the addresses whose bytes differ or never came."""
        pairs = zip(self.targets, self.crowd.digests, self.alone.digests, strict=True)
        return [target for target, one, other in pairs if one is None or one != other]


def main() -> None:
    """Ask, compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="addresses of each model")
    parser.add_argument("--models", nargs="*", help="names; every model of the store if not given")
    parser.add_argument("--runtimes", nargs="*", default=processes.RUNTIMES, choices=processes.RUNTIMES)
    parser.add_argument("--leave", type=float, default=0.05, help="share of requests that are cancelled")
    parser.add_argument("--seed", type=int, default=1, help="of the addresses and of the crowd")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    found = store.scan(Settings().model_store)
    models = [found.find(name).reference for name in arguments.models or found.versions]
    differing = 0
    for runtime in arguments.runtimes:
        generator = np.random.default_rng(arguments.seed)
        targets = mixed(models, arguments.count, generator)
        parts = [
            compared(runtime, part, crowded, single, generator, arguments.leave)
            for part, crowded, single in dealt(targets)
        ]
        differing += report(runtime, parts)
    sys.exit(1 if differing else 0)


def mixed(models: list[str], count: int, generator: np.random.Generator) -> list[str]:
    """Return so many addresses of each model, NAME@VERSION, in an order in which they are mixed."""
    drawn: list[str] = []
    for model in models:
        classes = {model: addresses.classes(model)}
        drawn += addresses.targets(count, classes, generator, others=0, most=MOST, falls=FALLS)
    return [drawn[k] for k in generator.permutation(len(drawn))]


def dealt(targets: list[str]) -> Iterator[tuple[list[str], Arrangement, Arrangement]]:
    """Yield addresses with the arrangement that is asked in a crowd, and the one that is asked alone."""
    for number, crowded in enumerate(ARRANGEMENTS):
        single = ARRANGEMENTS[(number + 1) % len(ARRANGEMENTS)]
        yield targets[number :: len(ARRANGEMENTS)], crowded, single


def compared(
    runtime: str,
    targets: list[str],
    crowded: Arrangement,
    single: Arrangement,
    generator: np.random.Generator,
    leave: float,
) -> Part:
    """Ask for every target in a crowd of one server, then alone of another that is started afresh."""
    crowd = asked(runtime, crowded, lambda port: in_a_crowd(port, targets, generator, leave))
    alone = asked(runtime, single, lambda port: one_at_a_time(port, targets))
    part = Part(targets, crowded, single, crowd, alone)
    log(f"\r{runtime}: {len(targets)} addresses, {len(part.differing())} differ; {crowded}, {single}")
    return part


def asked(runtime: str, arrangement: Arrangement, ask: Callable[[int], Awaitable[Found]]) -> Found:
    """Ask a server of such an arrangement, which is started for it."""
    with processes.running(arrangement.program(runtime)) as server:
        return uvloop.run(ask(server.port))


async def in_a_crowd(port: int, targets: list[str], generator: np.random.Generator, leave: float) -> Found:
    """Ask for every target, in bursts, each with another number of connections.

    Args:
        port: where the server listens.
        targets: what is asked for.
        generator: draws the bursts, and who leaves and when.
        leave: share of requests that are cancelled, and asked for again.
    """
    digests: list[bytes | None] = [None] * len(targets)
    left = refused = 0

    async def work(pending: list[int], leaves: dict[int, float]) -> None:
        nonlocal left, refused
        connection = Connection()
        while pending:
            number = pending.pop()
            if number in leaves:
                with contextlib.suppress(TimeoutError, OSError):
                    await asyncio.wait_for(connection.get(port, targets[number]), leaves[number])
                left += 1
                connection.close()
            digests[number], failed = await digest(connection, port, targets[number])
            refused += failed
        connection.close()

    started = time.perf_counter()
    first = 0
    while first < len(targets):
        size = int(generator.integers(1, BURST, endpoint=True))
        connections = int(generator.integers(1, CONNECTIONS, endpoint=True))
        burst = list(range(first, min(first + size, len(targets))))
        leaves = {
            number: float(generator.random() * LEAVES_WITHIN_SECONDS)
            for number in burst
            if generator.random() < leave
        }
        await asyncio.gather(*(work(burst, leaves) for _ in range(connections)))
        first += size
        progress(first, len(targets), started)
    return Found(digests, time.perf_counter() - started, left, refused)


async def one_at_a_time(port: int, targets: list[str]) -> Found:
    """Ask for every target when the one before has been answered."""
    connection = Connection()
    digests: list[bytes | None] = []
    refused = 0
    started = time.perf_counter()
    for number, target in enumerate(targets):
        found, failed = await digest(connection, port, target)
        digests.append(found)
        refused += failed
        if number % BURST == 0:
            progress(number, len(targets), started)
    connection.close()
    return Found(digests, time.perf_counter() - started, 0, refused)


async def digest(connection: Connection, port: int, target: str) -> tuple[bytes | None, int]:
    """Return the digest of a target's bytes, or None, and how many tries failed before."""
    for failed in range(TRIES):
        with contextlib.suppress(OSError):  # TimeoutError is one
            answer = await asyncio.wait_for(connection.get(port, target), PATIENCE_SECONDS)
            if answer.status == 200:
                return hashlib.sha256(answer.body).digest(), failed
        await asyncio.sleep(0.2 * (failed + 1))
    return None, TRIES


def progress(done: int, of: int, started: float) -> None:
    """Say how far it is with one server."""
    seconds = time.perf_counter() - started
    print(f"\r{min(done, of)} of {of}, {seconds:.0f} s ", end="", file=sys.stderr, flush=True)


def report(runtime: str, parts: list[Part]) -> int:
    """Print what was found, and return the number of addresses whose bytes differ or never came."""
    differing = [target for part in parts for target in part.differing()]
    total = sum(len(part.targets) for part in parts)
    crowds, alone = [part.crowd for part in parts], [part.alone for part in parts]
    print(
        f"{runtime}: {total} addresses, {len(differing)} differ; "
        f"in a crowd {rate(total, crowds)} a second, {sum(each.left for each in crowds)} cancelled, "
        f"{sum(each.refused for each in crowds)} tries failed; "
        f"alone {rate(total, alone)} a second, {sum(each.refused for each in alone)} tries failed\n"
    )
    print(markdown([["model", "render", "addresses", "differ"], *by_kind(parts)]) + "\n")
    header = ["in a crowd, workers x worker threads x inference threads", "alone", "addresses", "differ"]
    rows = [
        [str(part.crowded), str(part.single), str(len(part.targets)), str(len(part.differing()))]
        for part in parts
    ]
    print(markdown([header, *rows]))
    for target in differing[:10]:
        print(f"  differs: {target}")
    return len(differing)


def rate(count: int, found: list[Found]) -> str:
    """Return the addresses a second of servers that were asked one after the other."""
    return f"{count / sum(each.seconds for each in found):.0f}"


def by_kind(parts: list[Part]) -> list[list[str]]:
    """Return model, render, addresses and how many of them differ."""
    counts: dict[tuple[str, str], list[int]] = {}
    for part in parts:
        for position, targets in enumerate((part.targets, part.differing())):
            for target in targets:
                query = parse_qs(urlsplit(target).query)
                counts.setdefault((query["model"][0], query["render"][0]), [0, 0])[position] += 1
    return [[*kind, *map(str, found)] for kind, found in sorted(counts.items())]


if __name__ == "__main__":
    main()
