"""What ``vitrine bench`` measures with the settings in force, and says."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.bench import loop, runtimes, stages
from app.bench.engine import LOADS, measure_engine, rate_table
from app.bench.subject import Say, describe, find, open_model, size_table, sizes
from app.models import Model
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
    """Return the runtime and why, and times and rates with the settings in force, as plain values for JSON.

    Args:
        settings: worker threads, inference threads, runtime and store.
        reference: the model, as ``Store.find`` takes it; None: the default model.
        seconds: of one measurement.
        counts: images in a picture; none: ``loop.COUNTS`` and ``stages.COUNTS``.
        say: takes the lines of the report.
        open_runtime: how a version is opened in this process; as the settings say if not given.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such model.
        ModelError: it cannot be opened.
        ServerFailed: the server that is measured did not start.
    """
    _, version = find(settings, reference)
    # Before the model is opened here: what is forked must have one thread, and no runtime.
    missing = runtimes.unavailable(version.folder)
    compared = [] if missing else runtimes.compare(settings, version.reference, seconds)
    model = open_model(settings, version.reference, settings.inference_threads, open_runtime)
    threads = f"worker_threads={settings.worker_threads}, inference_threads={settings.inference_threads}"
    subject = describe(model, say, f"; {threads}")
    why, by_size = runtimes.reason(settings.runtime, model.runtime), sizes(model)
    _say_all(say, runtimes.lines(why, version.reference, missing, compared))
    _say_all(say, size_table(by_size))
    return subject | {
        "reason": why,
        "runtimes": [rate._asdict() for rate in compared],
        "unavailable": missing,
        "sizes": by_size,
        "loop": _measure_loops(model, counts, seconds, say),
        "stages": _measure_stages(settings, version.reference, counts, seconds, say, open_runtime),
        "engine": _measure_engine(model, settings, seconds, say),
    }


def _say_all(say: Say, lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _measure_loops(model: Model, counts: Sequence[int], seconds: float, say: Say) -> list[dict[str, Any]]:
    """Return and say what the bare loop takes."""
    loops = [loop.measure_loop(model, n, seconds) for n in counts or loop.COUNTS]
    say("the bare loop: one thread, pictures of n images, share of each part")
    _say_all(say, loop.loop_table(loops))
    return [each._asdict() for each in loops]


def _measure_stages(
    settings: Settings,
    reference: str,
    counts: Sequence[int],
    seconds: float,
    say: Say,
    open_runtime: OpenRuntime | None,
) -> list[dict[str, Any]]:
    """Return and say where the time of a request goes, each line when it is known."""
    measured = []
    _say_all(say, stages.header())
    for each in stages.measure_stages(settings, reference, counts or stages.COUNTS, seconds, open_runtime):
        say(stages.row(each))
        measured.append(each.as_json())
    _say_all(say, stages.NOTES)
    return measured


def _measure_engine(model: Model, settings: Settings, seconds: float, say: Say) -> dict[str, Any]:
    """Return and say what the engine does under load."""
    worker_threads = settings.worker_threads
    by_load = {str(load): measure_engine(model, settings, worker_threads, load, seconds) for load in LOADS}
    rate = Rate(
        worker_threads=worker_threads,
        inference_threads=settings.inference_threads,
        images_per_second=by_load,
    )
    _say_all(say, rate_table([rate]))
    return rate.model_dump()
