"""Does a server grow? A million pictures from one, and its memory every so often.

    .venv/bin/python -m benchmarks.memory                      a million pictures; an hour or more
    .venv/bin/python -m benchmarks.memory --pictures 20000 --every 2000

Pictures are of all kinds, asked for over sixteen connections, some of which are closed in the middle of a
request. Printed is the PSS of the server's processes; last, that of the idle server, and the growth over the
second half.
"""

import argparse
import asyncio
import contextlib
import time

import numpy as np
import uvloop

from benchmarks import addresses, processes
from benchmarks.client import Connection

LEAVES = 0.01
LEAVES_WITHIN_SECONDS = 0.03
PATIENCE_SECONDS = 30
IDLE_SECONDS = 25  # by then the server has given back what it will


def main() -> None:
    """Fetch, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=20_000, help="pictures between two rows")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--others", type=float, default=0.02, help="share of models other than the default")
    parser.add_argument("--runtime", default="auto", choices=("auto", "litert", "tensorflow"))
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    generator = np.random.default_rng(1)
    found: list[tuple[int, float]] = []
    print("| pictures | PSS, MiB | pictures/s | failed |\n|---|---|---|---|")
    with processes.running(processes.vitrine(VITRINE_RUNTIME=arguments.runtime)) as server:
        models = addresses.served(server)
        print(f"| 0 | {server.pss_mib():.1f} | | |", flush=True)
        for done in range(0, arguments.pictures, arguments.every):
            count = min(arguments.every, arguments.pictures - done)
            targets = addresses.targets(count, models, generator, arguments.others)
            started = time.perf_counter()
            failed = uvloop.run(fetch(server.port, targets, arguments.connections, generator))
            rate = count / (time.perf_counter() - started)
            found.append((done + count, server.pss_mib()))
            print(f"| {done + count} | {found[-1][1]:.1f} | {rate:.0f} | {failed} |", flush=True)
        time.sleep(IDLE_SECONDS)
        print(f"| after {IDLE_SECONDS} s without a request | {server.pss_mib():.1f} | | |", flush=True)
    print(f"\n{growth(found):.2f} MiB for every 100,000 pictures of the second half")


async def fetch(port: int, targets: list[str], connections: int, generator: np.random.Generator) -> int:
    """Ask for every target, and return how many requests were answered by anything but a picture.

    Args:
        port: where the server listens.
        targets: what is asked for; used up.
        connections: as many at the same time.
        generator: draws who leaves and when.
    """
    failed = 0

    async def work() -> None:
        nonlocal failed
        connection = Connection()
        while targets:
            target = targets.pop()
            if generator.random() < LEAVES:
                with contextlib.suppress(TimeoutError, OSError):
                    patience = generator.random() * LEAVES_WITHIN_SECONDS
                    await asyncio.wait_for(connection.get(port, target), patience)
                connection.close()
                continue
            try:
                answer = await asyncio.wait_for(connection.get(port, target), PATIENCE_SECONDS)
                failed += answer.status != 200
            except OSError:  # TimeoutError is one
                failed += 1
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return failed


def growth(found: list[tuple[int, float]]) -> float:
    """Return the slope over the second half, in MiB for every 100,000 pictures; 0 if it is too short."""
    half = found[len(found) // 2 :]
    if len(half) < 2:
        return 0.0
    pictures, mib = np.array(half).T
    return float(np.polyfit(pictures, mib, 1)[0]) * 100_000


if __name__ == "__main__":
    main()
