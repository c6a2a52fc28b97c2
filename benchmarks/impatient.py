"""Clients that ask again at once when refused: does Vitrine keep its pace, answer health, and recover?

    .venv/bin/python -m benchmarks.impatient                 a minute; needs wrk
    .venv/bin/python -m benchmarks.impatient --seconds 30 --times 1 2 4
    .venv/bin/python -m benchmarks.impatient --fresh         each request by a connection of its own

Capacity is measured first, in a closed loop. Then pictures are asked for at `times` that rate, on time. Who
is refused asks again at once, for up to two seconds: more comes than was planned. Beside that, a process of
its own asks `/livez` fifty times a second. Where server and clients share cores, goodput loses what the
clients take.
"""

import argparse
import asyncio
import collections
import json
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from benchmarks import health, processes
from benchmarks.client import Pool, percentiles
from benchmarks.load import require_wrk, wrk
from benchmarks.overload import NORMAL, PROBES, recovery
from benchmarks.processes import Server

CONNECTIONS = 16  # of the closed loop
PATIENCE_SECONDS = 2.0  # how long one client asks again and again


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100, help="images in a picture")
    parser.add_argument("--times", type=float, nargs="+", default=[1, 2, 4], help="the loads, in capacities")
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--closed-seconds", type=int, default=5, help="of measuring capacity")
    parser.add_argument("--fresh", action="store_true", help="a connection for every request")
    parser.add_argument("--workers", type=int, default=1, help="the server's setting")
    parser.add_argument("--model", default=processes.MODEL, help="what draws")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    require_wrk()
    environment = {"VITRINE_DEFAULT_MODEL": arguments.model, "VITRINE_WORKERS": str(arguments.workers)}
    with processes.running(processes.vitrine(**environment)) as server:
        wrk(server, CONNECTIONS, 2, arguments.n)
        capacity = wrk(server, CONNECTIONS, arguments.closed_seconds, arguments.n).rate
        found: dict[str, Any] = {"capacity_per_second": round(capacity, 1)}
        for times in arguments.times:
            server.wait_until_idle()
            rate = times * capacity
            found[f"{times:g} times"] = uvloop.run(load(server, arguments, rate)) | {
                "planned_per_second": round(rate, 1)
            }
    goods = [each["goodput_per_second"] for each in found.values() if isinstance(each, dict)]
    found["goodput_of_best"] = (
        [round(each / max(goods), 3) for each in goods] if max(goods, default=0) else []
    )
    print(json.dumps(found, indent=1))


async def load(server: Server, arguments: argparse.Namespace, rate: float) -> dict[str, object]:
    """Ask at a rate, refused or not, and return what came of it."""
    pool, idle = Pool(server.port), Pool(server.port)
    target, statuses = server.target(arguments.n), collections.Counter[str]()
    before = [(await idle.get(target)).seconds for _ in range(PROBES)]
    refused_seconds: list[float] = []
    started = time.perf_counter()
    ends = started + arguments.seconds

    async def one() -> None:
        patient_until = min(time.perf_counter() + PATIENCE_SECONDS, ends)
        own = Pool(server.port) if arguments.fresh else pool
        while time.perf_counter() < patient_until:
            try:
                answer = await own.get(target)
            except OSError:
                statuses["broken"] += 1
                return
            if arguments.fresh:
                own.close()
            statuses[str(answer.status)] += time.perf_counter() <= ends
            if answer.status not in (429, 503):
                return
            refused_seconds.append(answer.seconds)

    with health.asked(server.port, arguments.seconds) as livez:
        asking = await send(one, rate, started, arguments.seconds)
        recovered = await recovery(idle, target, NORMAL * statistics.median(before))
        await asyncio.gather(*asking)
    pool.close()
    idle.close()
    return {
        "goodput_per_second": round(statuses["200"] / arguments.seconds, 1),
        "statuses": dict(sorted(statuses.items())),
        "refusal": percentiles(refused_seconds),
        "livez": livez,
        "idle_picture": percentiles(before),
        "recovered_after_seconds": None if recovered is None else round(recovered, 2),
    }


async def send(
    one: Callable[[], Coroutine[Any, Any, None]], rate: float, started: float, seconds: float
) -> list["asyncio.Task[None]"]:
    """Begin requests on time, and return their tasks when the last has begun."""
    tasks = []
    for number in range(int(seconds * rate)):
        ahead = started + number / rate - time.perf_counter()
        if ahead > 0.001 or number % 64 == 0:
            await asyncio.sleep(max(0.0, ahead))
        if time.perf_counter() > started + seconds:
            break
        tasks.append(asyncio.create_task(one()))
    await asyncio.sleep(max(0.0, started + seconds - time.perf_counter()))
    return tasks


if __name__ == "__main__":
    main()
