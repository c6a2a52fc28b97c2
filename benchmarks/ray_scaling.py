"""What do Ray Serve and a second replica give, on one machine?

    .venv/bin/python -m benchmarks.ray_scaling --out ray_scaling.json    ten minutes; needs ray and wrk
    unshare --net --map-root-user sh -c \
        'ip link set lo up; .venv/bin/python -m benchmarks.ray_scaling --haproxy'

Draws of the default model by a plain process, by one replica and by two, one after the other in each round:
programs that run beside each other would share the cores. A replica has one core's worker thread. The load,
HAProxy or Serve's proxy and Ray's own processes want the same cores as the replicas do.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.load import Traffic, require_wrk, wrk
from benchmarks.processes import Program
from benchmarks.tables import Row, chosen, log, machine, markdown, median, ratio, turned
from tests.reliability import command_of, commit

SERVERS = ("plain", "1 replica", "2 replicas")
LOADS = ("1x1", "21x1", "21x16", "100x16", "400x4")
WARM_SECONDS = 2
SETTINGS = {"VITRINE_CACHE_BYTES": "0", "VITRINE_DEFAULT_MODEL": "fashion"}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", action="store_true", help="in place of Serve's proxy")
    parser.add_argument("--loads", nargs="+", type=Traffic.parse, default=[*map(Traffic.parse, LOADS)])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    require_wrk()
    rows = [row for number in range(arguments.rounds) for row in measured(number, arguments)]
    sys.stdout.write(markdown(table(rows)) + "\n")
    if arguments.out:
        command = command_of("benchmarks.ray_scaling", arguments)
        told = {"command": command, "hardware": machine(), "commit": commit(), "rows": rows}
        arguments.out.write_text(json.dumps(told, indent=1) + "\n")


def program(server: str, haproxy: bool) -> Program:
    """Return how one of SERVERS is started; its pictures are draws, and none is kept."""
    if server == "plain":
        return processes.vitrine(**SETTINGS)._replace(render="draw")
    command = [sys.executable, "-m", "benchmarks.ray_replicas", "{port}", "--replicas", server[0]]
    return Program(command + ["--haproxy"] * haproxy, environment=SETTINGS, render="draw")


def measured(number: int, arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure all servers once, backwards in every other round."""
    for name in turned(SERVERS, number):
        log(f"round {number + 1}: {name}")
        with processes.running(program(name, arguments.haproxy)) as server:
            for traffic in arguments.loads:
                wrk(server, traffic.connections, WARM_SECONDS, traffic.n)
                load = wrk(server, traffic.connections, arguments.seconds, traffic.n)
                yield {"round": number, "server": name, "load": str(traffic), **load._asdict()}


def table(rows: list[Row]) -> list[list[str]]:
    """Return requests a second by load and server, and what a second replica gives: medians over rounds."""
    header = ["n x connections", *SERVERS, "2 of 1", "p50 of 1, ms", "p50 of 2, ms", "failed"]
    lines = [header]
    for load in dict.fromkeys(row["load"] for row in rows):
        one, two = (chosen(rows, load=load, server=name) for name in SERVERS[1:])
        failed = sum(row["refused"] + row["broken"] for row in chosen(rows, load=load))
        rates = [f"{median(rows, 'rate', load=load, server=name):.0f}" for name in SERVERS]
        halves = [f"{median(found, 'p50_ms'):.1f}" for found in (one, two)]
        lines.append([load, *rates, ratio(two, one, "rate"), *halves, str(failed)])
    return lines


if __name__ == "__main__":
    main()
