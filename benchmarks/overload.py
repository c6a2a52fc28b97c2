"""Ten times what it can do: does Vitrine keep its pace, refuse the rest at once, and recover?

    .venv/bin/python -m benchmarks.overload                     a minute; needs wrk
    .venv/bin/python -m benchmarks.overload --seconds 10 --times 4 --model fashion --n 21 --ceiling

Capacity is measured first, in a closed loop. Then requests are sent at `times` that rate whatever becomes
of those before: an open loop, on time, over as many connections as it takes, from this process, not the
server's. Pictures are of 400 images, so that ten times the capacity is a rate that a client can really
send; the rate that it did send is reported, and how late it was. Beside it another process asks `/livez`.

Where server and client share cores, goodput loses to capacity what the client itself takes. `--ceiling`
measures how much: the server is asked for as much as it can do while the client sends the rest of the load
to an nginx that refuses all of it. No server on this machine has a better goodput under such a load.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import health, processes
from benchmarks.client import Answer, Pool, percentiles
from benchmarks.load import require_wrk, wrk
from benchmarks.processes import Server
from tests.nginx import running_nginx
from tests.reliability import command_of, commit, machine

CLOSED_CONNECTIONS = 16  # as many pictures of 400 images fit into the queue
PROBE_SECONDS = 0.05
PROBES = 10
NORMAL = 2.0  # a probe is normal again within so many times what the median took before
RECOVERY_SECONDS = 60.0
PATIENCE_SECONDS = 30.0
REFUSING = """
    server {{
        listen {host}:{port}; keepalive_requests 1000000;
        location / {{
            default_type application/problem+json; add_header Retry-After 2 always;
            return 503 "{{}}";
        }}
    }}
"""


class Sent(NamedTuple):
    """One request of the open loop.

    Args:
        late: seconds by which it was sent after it was due.
        answer: None if the connection failed, or nothing came in time.
        ended: seconds from the load's start to its answer.
    """

    late: float
    answer: Answer | None
    ended: float


class Outcome(NamedTuple):
    """What the server did under load and after.

    Args:
        sent: every request.
        recovered: seconds from the load's end until answers were as before; None if they never were.
        before: seconds of a picture on the idle server.
    """

    sent: list[Sent]
    recovered: float | None
    before: list[float]


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=400, help="images in a picture")
    parser.add_argument("--times", type=float, default=10, help="the load, in capacities")
    parser.add_argument("--seconds", type=float, default=30, help="of the load")
    parser.add_argument("--closed-seconds", type=int, default=5, help="of measuring capacity")
    parser.add_argument("--connections", type=int, default=4000, help="at most")
    parser.add_argument("--max-waiting-images", type=int, help="the server's setting")
    parser.add_argument("--deadline-seconds", type=float, help="the server's setting")
    parser.add_argument("--runtime", default="auto", choices=("auto", "litert", "tensorflow"))
    parser.add_argument("--model", default=processes.MODEL, help="what draws")
    parser.add_argument("--ceiling", action="store_true", help="measure what refusals leave; needs nginx")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    require_wrk()
    environment = {"VITRINE_RUNTIME": arguments.runtime, "VITRINE_DEFAULT_MODEL": arguments.model}
    if arguments.max_waiting_images is not None:
        environment["VITRINE_MAX_WAITING_IMAGES"] = str(arguments.max_waiting_images)
    if arguments.deadline_seconds is not None:
        environment["VITRINE_DEADLINE_SECONDS"] = str(arguments.deadline_seconds)
    with processes.running(processes.vitrine(**environment)) as server:
        wrk(server, CLOSED_CONNECTIONS, 2, arguments.n)
        capacity = wrk(server, CLOSED_CONNECTIONS, arguments.closed_seconds, arguments.n).rate
        server.wait_until_idle()
        with health.asked(server.port, arguments.seconds) as livez:
            outcome = uvloop.run(overload(server, arguments, capacity * arguments.times))
        mib = server.pss_mib()
        found = summary(outcome, capacity, arguments.times * capacity, arguments.seconds)
        found |= {"livez": livez, "pss_mib": round(mib)}
        if arguments.ceiling:
            server.wait_until_idle()
            with refusing() as port:
                left = uvloop.run(ceiling(server, arguments, capacity, port))
            found |= {"ceiling_of_capacity": round(left / capacity, 3)}
    print(json.dumps(found, indent=1))
    if arguments.out:
        command = command_of("benchmarks.overload", arguments)
        told = {"command": command, "hardware": machine(), "commit": commit(), "figures": figures(found)}
        arguments.out.write_text(json.dumps(told, indent=1) + "\n")


async def overload(server: Server, arguments: argparse.Namespace, rate: float) -> Outcome:
    """Ask the idle server, then load it in an open loop, then ask until it is as before."""
    probes = Pool(server.port)
    target = server.target(arguments.n)
    before = [(await probes.get(target)).seconds for _ in range(PROBES)]
    pool = Pool(server.port, arguments.connections)
    requests = await open_loop(pool, target, rate, arguments.seconds)
    recovered = await recovery(probes, target, NORMAL * statistics.median(before))
    sent = await asyncio.gather(*requests)
    pool.close()
    probes.close()
    return Outcome(sent, recovered, before)


async def open_loop(pool: Pool, target: str, rate: float, seconds: float) -> list["asyncio.Task[Sent]"]:
    """Ask at a rate for so many seconds, and return the requests, of which some may not be answered yet."""
    started = time.perf_counter()

    async def one(due: float) -> Sent:
        late = time.perf_counter() - due
        answer = None
        try:
            # The picture itself is of no interest here, and would be kept for all of the measurement.
            answer = await asyncio.wait_for(pool.get(target), PATIENCE_SECONDS)
            answer = answer._replace(body=answer.body if answer.status != 200 else b"")
        except OSError:  # TimeoutError is one
            pass
        return Sent(late, answer, time.perf_counter() - started)

    requests = []
    for number in range(int(seconds * rate)):
        due = started + number / rate
        ahead = due - time.perf_counter()
        # A timer for every request would cost more than the request: those due within 1 ms go together.
        if ahead > 0.001 or number % 64 == 0:
            await asyncio.sleep(max(0.0, ahead))
        requests.append(asyncio.create_task(one(due)))
    await asyncio.sleep(max(0.0, started + seconds - time.perf_counter()))
    return requests


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Run an nginx that refuses whatever is asked, until it has been used; yields its port."""
    port = processes.free_port()
    with tempfile.TemporaryDirectory(prefix="vitrine-refusing-") as folder:
        Path(folder).chmod(0o755)
        with running_nginx(Path(folder), REFUSING.format(host=processes.HOST, port=port), port):
            yield port


async def ceiling(server: Server, arguments: argparse.Namespace, capacity: float, port: int) -> float:
    """Return the pictures a second that are drawn while another server refuses the rest of the load.

    Args:
        server: that draws, for as many connections as its capacity was measured with.
        arguments: of the command line.
        capacity: pictures a second without other load.
        port: of what refuses.
    """
    seconds, pool = arguments.seconds, Pool(port, arguments.connections)
    drawn = asyncio.create_task(
        asyncio.to_thread(wrk, server, CLOSED_CONNECTIONS, round(seconds), arguments.n)
    )
    rest = (arguments.times - 1) * capacity
    await asyncio.gather(*await open_loop(pool, "/samples", rest, seconds))
    pool.close()
    return (await drawn).rate


async def recovery(probes: Pool, target: str, normal: float) -> float | None:
    """Ask until five answers in a row are pictures that took no longer than `normal` seconds.

    Returns:
        Seconds from now to the first of the five; None if they do not come within a minute.
    """
    stopped = time.perf_counter()
    good: list[float] = []
    while time.perf_counter() - stopped < RECOVERY_SECONDS:
        asked = time.perf_counter() - stopped
        try:
            answer = await asyncio.wait_for(probes.get(target), PATIENCE_SECONDS)
        except OSError:  # TimeoutError is one
            good = []
            continue
        good = [*good, asked] if answer.status == 200 and answer.seconds <= normal else []
        if len(good) == 5:
            return good[0]
        await asyncio.sleep(PROBE_SECONDS)
    return None


def summary(outcome: Outcome, capacity: float, planned: float, seconds: float) -> dict[str, object]:
    """Return the figures.

    Args:
        outcome: what happened.
        capacity: pictures a second in the closed loop.
        planned: requests a second that were to be sent.
        seconds: how long.
    """
    answers = [sent.answer for sent in outcome.sent if sent.answer is not None]
    pictures = [answer for answer in answers if answer.status == 200]
    refusals = [answer for answer in answers if answer.status != 200]
    in_time = sum(
        sent.answer is not None and sent.answer.status == 200 and sent.ended <= seconds
        for sent in outcome.sent
    )
    # Sent as long as the load lasted, or longer, if the client could not keep up.
    lasted = max(seconds, seconds + max((sent.late for sent in outcome.sent), default=0.0))
    return {
        "capacity_per_second": round(capacity, 1),
        "planned_per_second": round(planned, 1),
        "sent_per_second": round(len(outcome.sent) / lasted, 1),
        "sent_late": percentiles([sent.late for sent in outcome.sent]),
        "goodput_per_second": round(in_time / seconds, 1),
        "goodput_of_capacity": round(in_time / seconds / capacity, 3),
        "statuses": dict(sorted(collections.Counter(answer.status for answer in answers).items())),
        "without_answer": len(outcome.sent) - len(answers),
        "refusals_not_as_promised": sum(not as_promised(answer) for answer in refusals),
        "refusal": percentiles([answer.seconds for answer in refusals]),
        "picture": percentiles([answer.seconds for answer in pictures]),
        "idle_picture": percentiles(outcome.before),
        "recovered_after_seconds": None if outcome.recovered is None else round(outcome.recovered, 2),
    }


def figures(found: dict[str, Any]) -> dict[str, float | str]:
    """Return what docs/reliability.md tells of a run, by name."""
    told = {
        "pictures a second in a closed loop": found["capacity_per_second"],
        "requests a second sent": found["sent_per_second"],
        "goodput, of the capacity": found["goodput_of_capacity"],
        "answers by status": ", ".join(f"{status}: {count}" for status, count in found["statuses"].items()),
        "requests without an answer": found["without_answer"],
        "refusals that are not as promised": found["refusals_not_as_promised"],
        "`/livez` meanwhile, median and 99th percentile, ms": "{p50_ms:.1f}, {p99_ms:.1f}".format(
            **found["livez"]["seconds"]
        ),
        "normal again after, s": found["recovered_after_seconds"],
    }
    if "ceiling_of_capacity" in found:
        told["pictures while nginx refuses the rest, of the capacity"] = found["ceiling_of_capacity"]
    return told


def as_promised(refusal: Answer) -> bool:
    """Say whether a refusal is 503, a problem document, and names when to come again."""
    kind = refusal.headers.get("content-type", "")
    return (
        refusal.status == 503
        and kind.startswith("application/problem+json")
        and refusal.headers.get("retry-after", "").isdecimal()
    )


if __name__ == "__main__":
    main()
