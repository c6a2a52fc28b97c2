"""Does an address always mean the same bytes? A hundred thousand of them, asked for twice.

    .venv/bin/python -m benchmarks.permanence                       both runtimes; an hour or more
    .venv/bin/python -m benchmarks.permanence --count 2000 --runtimes litert

First in a crowd: bursts with one to sixty-four connections at once, some of which are closed in the middle of
a request, so that pictures are computed beside others, in parts, and beside work that is dropped. Then each
alone, one at a time, by another process. Exits with 1 if any two answers to one address differ.
"""

import argparse
import asyncio
import contextlib
import hashlib
import sys
import time
from typing import NamedTuple

import numpy as np
import uvloop

from benchmarks import addresses, processes
from benchmarks.client import Connection

CONNECTIONS = 64
BURST = 2000  # requests in a burst, at most
LEAVES_WITHIN_SECONDS = 0.03
TRIES = 5
PATIENCE_SECONDS = 30


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


def main() -> None:
    """Ask, compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="addresses")
    parser.add_argument("--runtimes", nargs="*", default=["litert", "tensorflow"])
    parser.add_argument("--others", type=float, default=0.05, help="share of models other than the default")
    parser.add_argument("--leave", type=float, default=0.05, help="share of requests that are cancelled")
    parser.add_argument("--seed", type=int, default=1, help="of the addresses and of the crowd")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    differing = 0
    for runtime in arguments.runtimes:
        program = processes.vitrine(VITRINE_RUNTIME=runtime)
        generator = np.random.default_rng(arguments.seed)
        with processes.running(program) as server:
            models = addresses.served(server)
            targets = addresses.targets(arguments.count, models, generator, arguments.others)
            crowd = uvloop.run(in_a_crowd(server.port, targets, generator, arguments.leave))
        with processes.running(program) as server:
            alone = uvloop.run(one_at_a_time(server.port, targets))
        differing += report(runtime, targets, crowd, alone)
    sys.exit(1 if differing else 0)


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
    """Say how far it is."""
    print(f"\r{min(done, of)} of {of}, {time.perf_counter() - started:.0f} s", end="", file=sys.stderr)


def report(runtime: str, targets: list[str], crowd: Found, alone: Found) -> int:
    """Print what was found, and return the number of addresses whose bytes differ or never came."""
    differing = [
        target
        for target, one, other in zip(targets, crowd.digests, alone.digests, strict=True)
        if one is None or one != other
    ]
    pictures = len(targets)
    print(file=sys.stderr)
    print(
        f"{runtime}: {pictures} addresses, {len(differing)} differ; "
        f"in a crowd {pictures / crowd.seconds:.0f} a second, {crowd.left} cancelled, "
        f"{crowd.refused} tries failed; "
        f"alone {pictures / alone.seconds:.0f} a second, {alone.refused} tries failed"
    )
    for target in differing[:10]:
        print(f"  differs: {target}")
    return len(differing)


if __name__ == "__main__":
    main()
