"""The best worker x inference threads of this machine."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence

from app.bench.engine import LOADS, Load, measure_engine, rate_table
from app.bench.subject import Say, describe, open_model
from app.cores import available_cores
from app.engine.work import BATCH_ROWS
from app.models import Model
from app.profiles import Profile, Rate
from app.runtimes import OpenRuntime
from app.settings import Settings

ROUNDS = 5

# A combination must be this much faster than one with fewer threads to be worth their memory and cores.
MARGIN = 0.03
BUSY = 10  # per cent of scatter between rounds from which on they say little

ROWS_ARE_MEASURED = (
    f"rows to a computation not swept: of the sizes up to {BATCH_ROWS}, those that give a row the same bytes "
    "are found out whenever a model is opened"
)
THREADS_ARE_FIXED = "inference threads not swept: TensorFlow keeps those of the first model in a process"


def tune(
    settings: Settings,
    reference: str | None,
    seconds: float,
    say: Say,
    open_runtime: OpenRuntime | None = None,
    rounds: int = ROUNDS,
) -> Profile:
    """Return the best worker x inference threads on this machine; arguments and errors as of ``measure``.

    With TensorFlow only the worker threads are swept: the first model of a process fixes its threads.
    """
    in_force = settings.inference_threads
    model = open_model(settings, reference, in_force, open_runtime)
    subject = describe(model, say)
    threads_are_fixed = model.runtime == "tensorflow"
    swept = combinations(available_cores(), [in_force] if threads_are_fixed else None)
    if threads_are_fixed:
        say(THREADS_ARE_FIXED)
    say(ROWS_ARE_MEASURED)
    measurements = len(swept) * len(LOADS) * rounds
    say(f"{measurements} measurements of {seconds:g} s, {rounds} of each kind, of which the median counts")
    others = {threads for _, threads in swept} - {in_force}
    models = {in_force: model} | {n: open_model(settings, reference, n, open_runtime) for n in others}
    rates = sweep(models, settings, swept, seconds, rounds, say=say)
    chosen = choose(rates)
    for line in rate_table(rates, chosen):
        say(line)
    scatter = 100 * max(rate.scatter for rate in rates)
    if scatter > BUSY:
        say(f"the rounds scatter by {scatter:.0f} %: tune again when the machine has nothing else to do")
    threads = chosen.model_dump(include={"worker_threads", "inference_threads"})
    return Profile(**subject, **threads, rates=tuple(rates))


def combinations(cores: int, inference_threads: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Return the worker and inference threads that are worth a measurement: no more in all than `cores`.

    Args:
        cores: that the process may keep busy.
        inference_threads: the only ones that can be measured; None: any.
    """
    most = min(cores, 256)  # what the settings take
    counts = sorted({1, max(1, most - 1), most} | {2**k for k in range(most.bit_length())})
    return [
        (worker_threads, threads)
        for worker_threads, threads in itertools.product(counts, inference_threads or counts)
        if worker_threads * threads <= cores or worker_threads == 1
    ]


def sweep(
    models: dict[int, Model],
    settings: Settings,
    swept: Sequence[tuple[int, int]],
    seconds: float,
    rounds: int = ROUNDS,
    measure: Callable[[Model, Settings, int, Load, float], float] = measure_engine,
    say: Say = lambda _: None,
) -> list[Rate]:
    """Return the medians over the rounds of every combination under every load.

    Combinations take turns within a round, and every other round goes backwards, so that what else the
    machine does meets them all alike.

    Args:
        models: the same version, opened with each number of inference threads.
        settings: see ``measure_engine``.
        swept: worker threads and inference threads.
        seconds: of one measurement; there are combinations x loads x rounds of them.
        rounds: how often each is repeated.
        measure: what measures.
        say: takes a line after every round.
    """
    started = time.perf_counter()
    found: dict[tuple[int, int], dict[str, list[float]]] = {
        combination: {str(load): [] for load in LOADS} for combination in swept
    }
    for turn in range(rounds):
        for worker_threads, threads in swept if turn % 2 == 0 else reversed(swept):
            for load in LOADS:
                rate = measure(models[threads], settings, worker_threads, load, seconds)
                found[worker_threads, threads][str(load)].append(rate)
        left = (time.perf_counter() - started) / (turn + 1) * (rounds - turn - 1)
        say(f"round {turn + 1} of {rounds} measured, {left:.0f} s left")
    return [
        Rate(
            worker_threads=worker_threads,
            inference_threads=threads,
            images_per_second={load: round(statistics.median(rates), 1) for load, rates in by_load.items()},
            scatter=round(max(map(_scatter, by_load.values())), 3),
        )
        for (worker_threads, threads), by_load in found.items()
    ]


def _scatter(rates: Sequence[float]) -> float:
    """Return the median deviation from the median, as a part of the median."""
    median = statistics.median(rates)
    return statistics.median(abs(rate - median) for rate in rates) / median


def choose(rates: Sequence[Rate]) -> Rate:
    """Return the combination to serve with: of those about as good as the best, the one of fewest threads."""
    best = max(rate.overall for rate in rates)
    good = [rate for rate in rates if rate.overall >= (1 - MARGIN) * best]
    return min(good, key=lambda rate: (rate.worker_threads * rate.inference_threads, -rate.overall))
