"""Draws a large data set beside the bare loop; kills and resumes it, and compares all files.

    .venv/bin/python -m benchmarks.rendering --images 1000000 --kills 10 --out rendering.json
    .venv/bin/python -m benchmarks.rendering --images 1000000 --kills 10 --ray    # on Ray too
    .venv/bin/python -m benchmarks.rendering --images 20000 --shard-images 500 --every 0.2    # a trial

The bare loop (`benchmarks.bare_seeds`) runs before and after each undisturbed run of `vitrine render`, which
is divided by the mean of the two. A run's time is the whole command's, from its start to its exit.

Then runs are killed by SIGKILL at random moments: in turns the command alone, all its processes, or one that
draws. The same command is given again until it ends by itself. One moment of four is drawn from the start of
the command on, the others from its first shard on. With --ray, the same is done on a cluster of two nodes of
one core each: there the command alone is killed, and once a node.

Every file must be the undisturbed run's, byte for byte, and memory flat. Exits with 1 if not.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cores import available_cores
from benchmarks import bare_seeds, processes, rendering_nodes
from benchmarks.rendering_runs import HOW, Asked, compared, kill, undisturbed

NODE = "node"
BARE_PART = 5  # the bare loop makes one image for so many of a run
LOOK_SECONDS = 0.02
NODE_SECONDS = 5.0  # after the loss of a node, until a run is looked at

# Kills a running command, in a way, and returns what was killed.
Killer = Callable[[Any, int], str]


def main() -> None:
    """Measure, print and write; exit with 1 if files differ or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--shard-images", type=int, default=10_000)
    parser.add_argument("--model", help="NAME or NAME@VERSION; the default model if not given")
    parser.add_argument("--rounds", type=int, default=2, help="undisturbed runs, a bare loop around each")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--ray", action="store_true", help="also on a cluster of two nodes on this machine")
    parser.add_argument("--only-ray", action="store_true", help="one undisturbed run, and the cluster")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two looks at the memory")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--folder", type=Path, help="where files go meanwhile: three data sets at most")
    parser.add_argument("--out", type=Path, help="JSON of all that was found, with every sample")
    given = parser.parse_args()
    processes.end_at_sigterm()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="rendering-") as name:
        found = measured(given, Path(name))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(without_samples(found), indent=1))
    sys.exit(not found["passed"])


def measured(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Do all that is asked and return what was found."""
    asked = Asked(given.images, given.shard_images, given.model)
    found: dict[str, Any] = asked._asdict() | {"cores": available_cores(), "load": os.getloadavg()}
    whole = folder / "whole"
    if given.only_ray:
        found["undisturbed"] = undisturbed(asked, whole, given.every)
    else:
        found |= speed(asked, folder, given)
        say(f"{found['of_bare_loop']} of the bare loop")
        took = statistics.median(run["seconds"] for run in found["rounds"])
        found["killed"] = killed(asked, folder, given, took, processes_killer(random.Random(given.seed)))  # noqa: S311
    if given.ray or given.only_ray:
        with rendering_nodes.two_nodes() as nodes:
            asked = asked._replace(cluster=nodes.address)
            found["ray"] = on_nodes(asked, folder, given, nodes)
    found["passed"] = all(passed(found))
    return found


def speed(asked: Asked, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return undisturbed runs with a bare loop around each, and whether their files are the same."""
    images, cores = max(1, asked.images // BARE_PART), available_cores()
    bare = [bare_seeds.measure(images, cores, asked.model)]
    say(f"bare loop: {bare[-1]:.0f} images/s")
    rounds = []
    for number in range(given.rounds):
        out = folder / ("whole" if number == 0 else "again")
        run = undisturbed(asked, out, given.every)
        bare.append(bare_seeds.measure(images, cores, asked.model))
        run["of_bare_loop"] = round(run["images_per_second"] / statistics.mean(bare[-2:]), 3)
        if number:
            run["files"] = compared(folder / "whole", out)
            shutil.rmtree(out)
        say(f"render: {run['images_per_second']:.0f} images/s, then the bare loop: {bare[-1]:.0f}")
        rounds.append(run)
    return {
        "bare_images_per_second": [round(rate) for rate in bare],
        "rounds": rounds,
        "of_bare_loop": statistics.median(run["of_bare_loop"] for run in rounds),
    }


def killed(
    asked: Asked, folder: Path, given: argparse.Namespace, took: float, killer: Killer
) -> dict[str, Any]:
    """Kill runs at random moments, resume them to the end and compare.

    Moments are drawn so that one run lasts for all kills, as a rule; where it does not, another begins.
    """
    rng = random.Random(given.seed)  # noqa: S311
    kills: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    while len(kills) < given.kills:
        out = folder / f"killed-{len(runs)}"
        process, exits = asked.start(out), []
        while len(kills) < given.kills:
            before, started = asked.done(out), time.monotonic()
            moment = rng.uniform(0, 2 * took / (given.kills + 1))
            while len(kills) % 4 and process.poll() is None and asked.done(out) == before:
                time.sleep(LOOK_SECONDS)
            if ended_within(process, moment):
                break
            after, images = time.monotonic() - started, asked.done(out)
            how = killer(process, len(kills))
            kills.append({"killed": how, "after_seconds": round(after, 2), "images": images})
            say(f"kill {len(kills)}: {how} after {after:.1f} s with {images} images")
            if process.poll() is not None:
                exits.append(process.returncode)
                process = asked.start(out)
        process.communicate()
        exits.append(process.returncode)
        runs.append({"exits": exits, "files": compared(folder / "whole", out)})
        if process.returncode:
            runs[-1]["said"] = out.with_suffix(".log").read_text()[-2000:]
        shutil.rmtree(out)
    return {"kills": kills, "runs": runs}


def ended_within(process: Any, seconds: float) -> bool:
    """Say whether a process ends by itself in that time."""
    until = time.monotonic() + seconds
    while process.poll() is None and (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))
    return process.poll() is not None


def processes_killer(rng: random.Random) -> Killer:
    """Return what kills in turns each part of a command on this machine."""
    return lambda process, number: kill(process, HOW[number % len(HOW)], rng)


def nodes_killer(nodes: rendering_nodes.Nodes, kills: int, rng: random.Random) -> Killer:
    """Return what kills the command, and once, in the middle, a node: the run may outlive that."""

    def end(process: Any, number: int) -> str:
        if number != kills // 2:
            return kill(process, "command", rng)
        nodes.lose()
        return f"{NODE}, and the command went on" if not ended_within(process, NODE_SECONDS) else NODE

    return end


def on_nodes(
    asked: Asked, folder: Path, given: argparse.Namespace, nodes: rendering_nodes.Nodes
) -> dict[str, Any]:
    """Return an undisturbed run on a cluster, and one that is killed, both beside the one without Ray."""
    run = undisturbed(asked, folder / "ray", given.every, nodes.members)
    run["files"] = compared(folder / "whole", folder / "ray")
    shutil.rmtree(folder / "ray")
    say(f"on Ray: {run['images_per_second']:.0f} images/s")
    killer = nodes_killer(nodes, given.kills, random.Random(given.seed))  # noqa: S311
    return {"undisturbed": run, "killed": killed(asked, folder, given, run["seconds"], killer)}


def passed(found: Any) -> list[bool]:
    """Return every verdict in what was found: whether files are identical, and memory flat."""
    if isinstance(found, dict):
        told = (found.get(name) for name in ("identical", "flat"))
        own = [each for each in told if each is not None]
        return own + [each for value in found.values() for each in passed(value)]
    return [each for value in found for each in passed(value)] if isinstance(found, list) else []


def without_samples(found: Any) -> Any:
    """Return what was found without the samples of memory, which are many."""
    if isinstance(found, dict):
        return {
            name: without_samples(value)
            for name, value in found.items()
            if not (name == "samples" and isinstance(value, list))
        }
    return [without_samples(value) for value in found] if isinstance(found, list) else found


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
