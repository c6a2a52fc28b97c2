"""This working tree beside another commit of the same repository: the same bytes, and how fast?

    .venv/bin/python -m benchmarks.compare --against COMMIT                   eight minutes; speed needs wrk
    .venv/bin/python -m benchmarks.compare --against COMMIT --only bytes --count 200 --runtimes litert
    .venv/bin/python -m benchmarks.compare --against COMMIT --only speed --rounds 3

Both services run from one interpreter and one model store, this tree's; each is asked where its code lies.
`bytes` sends the same requests to both: pictures of every published version, and requests that are wrong in
one way each. Status, headers and body must agree. It exits with 1 if anything differs. `speed` loads the two
in turn, and prints the ratio of their rates.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop
from PIL import Image

from benchmarks import load, processes, questions
from benchmarks.client import Answer, Connection
from benchmarks.processes import MODEL, PROJECT, RUNTIMES, Program, Server
from benchmarks.questions import Question, Version
from benchmarks.tables import log, machine, markdown, turned

SECTIONS = ("bytes", "speed")
AT_ONCE = 8  # requests under way on each server
PATIENCE_SECONDS = 300
# A server that shares two cores with another and answers a crowd must refuse nothing for want of time.
PATIENT = {"VITRINE_QUEUE_SECONDS": "300", "VITRINE_DEADLINE_SECONDS": "300"}
EACH_ITS_OWN = ("date", "x-request-id")  # headers that differ from one answer to the next
SHOWN = 2  # requests, of each kind of difference
WARM_SECONDS = 2
ANNOUNCE = "import app; print('app lies in', app.__path__[0], flush=True); from app.cli import main; main()"


class Case(NamedTuple):
    """What both services are loaded with.

    Args:
        name: for the table.
        connections: that ask at once.
        n: images in a picture; 0 is refused.
        model: that draws.
        upload: name of a file of ``files_to_upload`` that is reconstructed; n then means nothing.
    """

    name: str
    connections: int
    n: int
    model: str = MODEL
    upload: str | None = None


DEFAULT_MODEL = "fashion"
CASES = (
    Case("a picture of 21 images", 1, 21),
    Case("a picture of 21 images", 16, 21),
    Case("a picture of 21 images", 64, 21),
    Case("a refusal, n = 0", 16, 0),
    Case("the same of the default model", 1, 21, DEFAULT_MODEL),
    Case("the same of the default model", 16, 21, DEFAULT_MODEL),
    Case("a grey PNG of 28 x 28 pixels", 16, 1, upload="small.png"),
    Case("a JPEG photograph of 640 x 480", 4, 1, upload="photograph.jpeg"),
)


class Burst(NamedTuple):
    """What one service did under one load.

    Args:
        rate: answers a second, refusals if these were asked for.
        processor: microseconds of processor time that an answer took, all the server's threads together.
    """

    rate: float
    processor: float


def main() -> None:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, metavar="COMMIT", help="what this tree is compared with")
    parser.add_argument("--only", nargs="*", default=SECTIONS, choices=SECTIONS)
    parser.add_argument("--count", type=int, default=2000, help="pictures, of every version and runtime")
    parser.add_argument("--runtimes", nargs="*", default=RUNTIMES, choices=RUNTIMES)
    parser.add_argument("--seed", type=int, default=1, help="of the requests")
    parser.add_argument("--rounds", type=int, default=9, help="of measuring speed")
    parser.add_argument("--seconds", type=int, default=3, help="of each burst")
    arguments = parser.parse_args()
    processes.end_at_sigterm()
    if "speed" in arguments.only:
        load.require_wrk()
    differing = 0
    with extracted(arguments.against) as other:
        print(f"{described('HEAD')}, with what its working tree adds, beside {described(arguments.against)}")
        if "bytes" in arguments.only:
            for runtime in arguments.runtimes:
                differing += compare_bytes(other, runtime, arguments.count, arguments.seed)
        if "speed" in arguments.only:
            print(speed(other, arguments.rounds, arguments.seconds))
    sys.exit(1 if differing else 0)


@contextlib.contextmanager
def extracted(commit: str) -> Iterator[Path]:
    """Write the service's code as it is in a commit to a temporary folder, which is yielded.

    Raises:
        subprocess.CalledProcessError: there is no such commit.
    """
    archive = subprocess.run(["git", "archive", commit, "app"], cwd=PROJECT, capture_output=True, check=True)
    with tempfile.TemporaryDirectory(prefix="vitrine-compare-") as folder:
        subprocess.run(["tar", "--extract"], cwd=folder, input=archive.stdout, check=True)
        yield Path(folder)


def described(commit: str) -> str:
    """Return a commit's short hash and subject."""
    words = ["git", "show", "--no-patch", "--format=%h (%s)", commit]
    return subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()


def service(tree: Path, **environment: str) -> Program:
    """Return how Vitrine is started from the code in `tree`, with this project's model store."""
    store = {"VITRINE_MODEL_STORE": str(PROJECT / "model_store"), "PYTHONPATH": str(tree)}
    program = processes.vitrine(**store, **environment)
    return program._replace(
        command=[sys.executable, "-c", ANNOUNCE, *program.command[3:]], folder=tree, model=MODEL
    )


@contextlib.contextmanager
def both(other: Path, **environment: str) -> Iterator[tuple[Server, Server]]:
    """Start the service from `other` and from this tree, and yield the two in this order.

    Raises:
        RuntimeError: one of them runs another tree's code, as an installed package may make it do.
    """
    with (
        processes.running(service(other, **environment)) as old,
        processes.running(service(PROJECT, **environment)) as new,
    ):
        for server, tree in ((old, other), (new, PROJECT)):
            expected = f"app lies in {tree / 'app'}\n"
            if expected not in server.log.read_text(errors="replace"):
                raise RuntimeError(f"expected {expected.strip()}. Received: {server.log.read_text()[:200]}")
        yield old, new


def compare_bytes(other: Path, runtime: str, count: int, seed: int) -> int:
    """Ask both services about every published version, print a line each, and return what differs."""
    differing = 0
    with both(other, VITRINE_RUNTIME=runtime, **PATIENT) as (old, new):
        for version in questions.published():
            started = time.perf_counter()
            asked = [
                *questions.pictures(count, version, np.random.default_rng(seed)),
                *questions.refusals(version),
            ]
            found = uvloop.run(ask_both(asked, old.port, new.port))
            differing += report(runtime, version, found, time.perf_counter() - started)
    return differing


class Pair(NamedTuple):
    """What the two services answered to one request; None: nothing."""

    question: Question
    old: Answer | None
    new: Answer | None


async def ask_both(asked: list[Question], old: int, new: int) -> list[Pair]:
    """Send every request to both ports, several at a time, each to the two of them at once.

    Returns:
        Only pairs that differ keep their bodies.
    """
    pairs: list[Pair] = []
    waiting = iter(asked)

    async def work() -> None:
        connections = Connection(), Connection()
        for question in waiting:
            answers = await asyncio.gather(
                *(answer(*way, question) for way in zip(connections, (old, new), strict=True))
            )
            pair = Pair(question, *answers)
            pairs.append(pair if differences(pair) else without_bodies(pair))
        for connection in connections:
            connection.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return pairs


async def answer(connection: Connection, port: int, question: Question) -> Answer | None:
    """Return the answer to one request, or None if the connection broke or stayed silent."""
    try:
        return await asyncio.wait_for(connection.ask(port, *question), PATIENCE_SECONDS)
    except OSError:  # TimeoutError is one
        connection.close()
        return None


def without_bodies(pair: Pair) -> Pair:
    """Return a pair for the count alone."""
    old, new = (found and found._replace(body=b"") for found in (pair.old, pair.new))
    return Pair(pair.question, old, new)


def differences(pair: Pair) -> dict[str, str]:
    """Return what differs between two answers -> how; a failure of both is none of their likeness."""
    old, new = pair.old, pair.new
    if old is None or new is None or max(old.status, new.status) >= 500:
        told = (str(found and found.status) for found in (old, new))
        return {"no answer": " -> ".join(told)}
    before, after = {"status": old.status} | content(old), {"status": new.status} | content(new)
    return {
        name: f"{str(before.get(name))[:400]} -> {str(after.get(name))[:400]}"
        for name in before | after
        if before.get(name) != after.get(name)
    }


def content(found: Answer) -> dict[str, object]:
    """Return what an answer says, by name: its headers, and its body or the members of its problem."""
    said: dict[str, object] = {
        name: value for name, value in sorted(found.headers.items()) if name not in EACH_ITS_OWN
    }
    if found.headers.get("content-type", "").startswith("application/problem+json") and found.body:
        said |= {f"problem.{name}": value for name, value in json.loads(found.body).items()}
        del said["problem.request_id"]
        return said
    return said | {"body": found.body}


def report(runtime: str, version: Version, pairs: list[Pair], seconds: float) -> int:
    """Print what became of a version's requests, and return how many were not answered alike."""
    differing: dict[str, list[Pair]] = {}  # by what differs
    for pair in pairs:
        found = differences(pair)
        if found:
            differing.setdefault(", ".join(found), []).append(pair)
    number = sum(map(len, differing.values()))
    statuses = collections.Counter(pair.new.status for pair in pairs if pair.new is not None)
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(
        f"{runtime} {version.reference}: {len(pairs)} requests ({told}), {number} differ; {seconds:.0f} s",
        flush=True,
    )
    for kind, alike in differing.items():
        print(f"  {len(alike)} differ in {kind}:")
        for pair in alike[:SHOWN]:
            print(f"    {str(pair.question)[:300]}")
            print("".join(f"      {name}: {how}\n" for name, how in differences(pair).items()), end="")
    return number


def speed(other: Path, rounds: int, seconds: int) -> str:
    """Load the two services in turn, and return protocol and table.

    Args:
        other: where the other commit's code lies.
        rounds: in each, both are started afresh and take turns; who comes first changes.
        seconds: of one burst.
    """
    bursts: dict[Case, list[tuple[Burst, Burst]]] = {case: [] for case in CASES}
    for number in range(rounds):
        with both(other) as servers, files_to_upload() as files:
            for server in servers:
                load.wrk(server, 16, WARM_SECONDS)
            for place, case in enumerate(CASES):
                order = turned((0, 1), number + place)
                found = {which: burst(servers[which], case, seconds, files) for which in order}
                bursts[case].append((found[0], found[1]))
        log(f"round {number + 1} of {rounds}")
    protocol = (
        f"{rounds} rounds of {seconds} s a burst, medians; both started afresh in each round, by LiteRT, one "
        "worker, and loaded in turn, while the other is idle; wrk, one thread, closed loop, keep-alive, on "
        "the servers' own cores, nothing pinned."
    )
    return f"{json.dumps(machine())}\n{protocol}\n\n{markdown(table(bursts))}"


@contextlib.contextmanager
def files_to_upload() -> Iterator[Path]:
    """Give a folder with the files that are uploaded: smooth shapes with some noise, as photographs have."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = generator.integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(small).save(folder / "small.png")
        smooth = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8)).resize((640, 480))
        noise = generator.normal(0, 4, (480, 640, 3))
        levels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / "photograph.jpeg", quality=90)
        yield folder


def burst(server: Server, case: Case, seconds: int, files: Path) -> Burst:
    """Load one service.

    Raises:
        RuntimeError: it answered otherwise than it should have.
    """
    before = server.processor_seconds()
    if case.upload is not None:
        found = load.wrk_upload(server, case.connections, seconds, files / case.upload, case.model)
    else:
        server.program = server.program._replace(model=case.model)
        found = load.wrk(server, case.connections, seconds, case.n)
    used = server.processor_seconds() - before
    rate = found.rate if case.n else found.refused / seconds
    if found.broken or (found.refused > 0) != (case.n == 0):
        raise RuntimeError(f"expected answers of one kind. Received: {found}")
    return Burst(rate, 1e6 * used / (rate * seconds))


def table(bursts: dict[Case, list[tuple[Burst, Burst]]]) -> list[list[str]]:
    """Return the rows of the table: medians of both rates, and of the rounds' ratios."""
    rows = [["asked for", "connections", "before, 1/s", "now, 1/s", "now / before", "rounds", "CPU, us"]]
    for case, found in bursts.items():
        before, now = ([pair[which] for pair in found] for which in (0, 1))
        ratios = [new.rate / old.rate for old, new in found]
        rates = [statistics.median(burst.rate for burst in side) for side in (before, now)]
        costs = [statistics.median(burst.processor for burst in side) for side in (before, now)]
        rows.append(
            [
                *(case.name, str(case.connections), *(f"{rate:.0f}" for rate in rates)),
                f"{statistics.median(ratios):.3f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                " -> ".join(f"{cost:.0f}" for cost in costs),
            ]
        )
    return rows


if __name__ == "__main__":
    main()
