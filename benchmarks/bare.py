"""The loop without a service around it: draw codes, decode, grid, PNG. What a service can reach at most.

    .venv/bin/python -m benchmarks.bare                    every model of the store, by LiteRT; a minute
    .venv/bin/python -m benchmarks.bare --runtime tensorflow --models fashion-dense

One thread of one process, with the service's own modules. Each picture has another seed.
"""

import argparse
import json
from typing import NamedTuple

from app import runtimes, store
from app.bench import COUNTS, PARTS, measure_loop
from app.explore.samples import Render
from app.models import Model, Models
from app.settings import Settings


class Bare(NamedTuple):
    """What one loop found."""

    model: str  # NAME@VERSION
    runtime: str  # what computed
    render: Render
    n: int  # images in a picture
    pictures_per_second: float  # of the whole loop
    shares: dict[str, float]  # of a picture's time, by part; drawing noise belongs to codes


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", help="names; every model of the store if not given")
    parser.add_argument("--runtime", default="litert", choices=("litert", "tensorflow"))
    parser.add_argument("--renders", nargs="*", default=["mean", "draw"], choices=("mean", "draw"))
    parser.add_argument("--counts", nargs="*", type=int, default=COUNTS, help="images in a picture")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each loop")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = store.scan(Settings().model_store)
    models = Models(found, runtimes.opener(arguments.runtime), 1)
    results = [
        measure(models.get(models.find(name)), render, n, arguments.seconds)
        for name in arguments.models or found.versions
        for render in arguments.renders
        for n in arguments.counts
    ]
    if arguments.json:
        print(json.dumps([result._asdict() for result in results]))
    else:
        print(table(results))


def measure(model: Model, render: Render, n: int, seconds: float) -> Bare:
    """Draw pictures of `n` images for so many seconds."""
    loop = measure_loop(model, n, seconds, render)
    return Bare(model.version.reference, model.runtime, render, n, loop.images_per_second / n, loop.shares)


def table(results: list[Bare]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| model | runtime | render | n | pictures/s | images/s | "
        + " | ".join(f"{p}, %" for p in PARTS)
        + " |",
        "|---" * (6 + len(PARTS)) + "|",
    ]
    for found in results:
        shares = " | ".join(f"{100 * found.shares[part]:.0f}" for part in PARTS)
        lines.append(
            f"| {found.model} | {found.runtime} | {found.render} | {found.n} "
            f"| {found.pictures_per_second:.1f} | {found.n * found.pictures_per_second:.0f} | {shares} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
