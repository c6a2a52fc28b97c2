"""A process of its own that asks a server for its health, again and again: how long does that take?

python -m benchmarks.health PORT --seconds 10
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import uvloop

from benchmarks.client import PROBES_PER_SECOND, Pool, percentiles


def main() -> None:
    """Ask, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    print(json.dumps(uvloop.run(health(arguments.port, arguments.seconds))))


async def health(port: int, seconds: float) -> dict[str, object]:
    """Ask for health, and return how long it took and how often it failed."""
    pool, ends, took, failed = Pool(port), time.perf_counter() + seconds, [], 0
    while time.perf_counter() < ends:
        try:
            answer = await pool.get("/livez")
        except OSError:
            failed += 1
        else:
            took.append(answer.seconds)
            failed += answer.status != 200
        await asyncio.sleep(1 / PROBES_PER_SECOND)
    pool.close()
    return {"seconds": percentiles(took), "failed": failed}


@contextlib.contextmanager
def asked(port: int, seconds: float) -> Iterator[dict[str, object]]:
    """Have a server asked for its health meanwhile; what was found is in the yielded dict at the end."""
    found: dict[str, object] = {}
    words = [sys.executable, "-m", "benchmarks.health", str(port), "--seconds", str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as probing:
        yield found
        found |= json.loads(probing.communicate()[0])


if __name__ == "__main__":
    main()
