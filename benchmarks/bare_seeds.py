"""The bare loop of a data set on all cores: codes, decoding and PNG of each seed, and no files.

    .venv/bin/python -m benchmarks.bare_seeds                      200,000 images of the default model
    .venv/bin/python -m benchmarks.bare_seeds --images 20000 --processes 1

What `vitrine render` can reach at most: the same seeds by the same computations, in one thread of a process
for each core. It leaves out digests, index, tar files and writing. Its clock runs from the moment when all
processes have their model open and warm to the moment when the last one is done.
"""

import argparse
import json
import multiprocessing
import threading
import time

import numpy as np

from app import store
from app.cores import available_cores
from app.images import Asked, Maker, open_version
from app.pictures.encode import encode_png
from app.rendering.shards import AT_ONCE
from app.settings import load_settings

WARM_BATCHES = 4
IMAGES = 200_000


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--model", help="NAME or NAME@VERSION; the default model if not given")
    parser.add_argument("--processes", type=int, default=available_cores(), help="one for each core")
    asked = parser.parse_args()
    rate = measure(asked.images, asked.processes, asked.model)
    print(
        json.dumps({"images": asked.images, "processes": asked.processes, "images_per_second": round(rate)})
    )


def measure(images: int, processes: int, model: str | None) -> float:
    """Return how many images all processes together make in a second."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    spans: multiprocessing.SimpleQueue[tuple[float, float]] = context.SimpleQueue()
    batches = [range(first, min(images, first + AT_ONCE)) for first in range(0, images, AT_ONCE)]
    workers = [
        context.Process(target=_work, args=(batches[number::processes], model, barrier, spans))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process of the bare loop failed")
    found = [spans.get() for _ in workers]
    return images / (max(end for _, end in found) - min(start for start, _ in found))


def _work(
    batches: list[range],
    model: str | None,
    barrier: threading.Barrier,
    spans: "multiprocessing.SimpleQueue[tuple[float, float]]",
) -> None:
    maker = opened(model)
    for _ in range(WARM_BATCHES):
        draw(maker, range(AT_ONCE))
    barrier.wait()
    start = time.monotonic()  # one clock for all processes of a machine
    for batch in batches:
        draw(maker, batch)
    spans.put((start, time.monotonic()))


def opened(model: str | None) -> Maker:
    """Return what draws a model as `vitrine render` does without options."""
    settings = load_settings(**({} if model is None else {"default_model": model}))
    found = store.scan(settings.model_store)
    return Maker(
        open_version(found, found.find(settings.for_store(found.names).default_model)),
        Asked(),
    )


def draw(maker: Maker, seeds: range) -> list[bytes]:
    """Return the PNG of the first image of each seed."""
    return [encode_png(np.ascontiguousarray(pixels)) for pixels in maker.first_of(seeds).pixels]


if __name__ == "__main__":
    main()
