"""What ``vitrine bench`` measures with the settings in force, and says."""

from collections.abc import Sequence
from typing import Any

from app.bench.engine import LOADS, measure_engine, rate_table
from app.bench.loop import loop_table, measure_loop
from app.bench.subject import Say, describe, open_model
from app.profiles import Rate
from app.runtimes import OpenRuntime
from app.settings import Settings


def measure(
    settings: Settings,
    reference: str | None,
    seconds: float,
    counts: Sequence[int],
    say: Say,
    open_runtime: OpenRuntime | None = None,
) -> dict[str, Any]:
    """Return the rates of the bare loop and the engine with the settings in force, as plain values for JSON.

    Args:
        settings: worker threads, inference threads, runtime and store.
        reference: the model, NAME or NAME@VERSION; None: the default model.
        seconds: of one measurement.
        counts: images in a picture of the bare loop.
        say: takes the lines of the report.
        open_runtime: how a version is opened; as the settings say if not given.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such model.
        ModelError: it cannot be opened.
    """
    worker_threads, threads = settings.worker_threads, settings.inference_threads
    model = open_model(settings, reference, threads, open_runtime)
    subject = describe(model, say, f"; worker_threads={worker_threads}, inference_threads={threads}")
    loops = [measure_loop(model, n, seconds) for n in counts]
    say("the bare loop: one thread, pictures of n images, share of each part")
    for line in loop_table(loops):
        say(line)
    by_load = {str(load): measure_engine(model, settings, worker_threads, load, seconds) for load in LOADS}
    rate = Rate(worker_threads=worker_threads, inference_threads=threads, images_per_second=by_load)
    for line in rate_table([rate]):
        say(line)
    return subject | {"loop": [loop._asdict() for loop in loops], "engine": rate.model_dump()}
