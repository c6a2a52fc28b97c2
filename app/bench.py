"""How fast this machine is: a picture's parts one after the other, and the engine by threads.

The engine is driven directly, without HTTP, so that what is measured is the model and what surrounds it.
"""

import asyncio
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from uvicorn.loops.auto import auto_loop_factory

from app import latent, store
from app.cores import available_cores, processor_name
from app.engine.engine import Engine
from app.engine.work import BATCH_ROWS
from app.explore.grids import GridStyle
from app.explore.samples import Render, Samples, sampler
from app.metrics import Metrics
from app.models import Model, Models
from app.pictures import grids
from app.pictures.encode import encode_png
from app.profiles import Profile, Rate
from app.runtimes import OpenRuntime, opener
from app.settings import Settings

COUNTS = (1, 21, 100, 400)
PARTS = ("codes", "decode", "grid", "png")
COLUMNS = 7  # what /samples draws unless told otherwise
ROUNDS = 5

# A combination must be this much faster than one with fewer threads to be worth their memory and cores.
MARGIN = 0.03
BUSY = 10  # per cent of scatter between rounds from which on they say little

# A measurement is never refused.
NO_LIMIT = 2**40  # images, pixels
NO_DEADLINE = 86_400  # seconds

BATCH_IS_FIXED = (
    f"batch: {BATCH_ROWS} rows, not swept: a picture's bytes must not depend on the machine, "
    f"and LiteRT's files take {BATCH_ROWS} rows"
)
THREADS_ARE_FIXED = "inference threads not swept: TensorFlow keeps those of the first model in a process"

Say = Callable[[str], None]


class Load(NamedTuple):
    """Requests that are always in flight, each for a picture of `n` images."""

    in_flight: int
    n: int

    def __str__(self) -> str:
        """As profiles and tables name it."""
        return f"{self.in_flight} x {self.n}"


LOADS = (Load(64, 21), Load(4, 400))


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
    model = _open(settings, reference, threads, open_runtime)
    subject = _subject(model, say, f"; worker_threads={worker_threads}, inference_threads={threads}")
    loops = [measure_loop(model, n, seconds) for n in counts]
    say("the bare loop: one thread, pictures of n images, share of each part")
    for line in loop_table(loops):
        say(line)
    by_load = {str(load): measure_engine(model, settings, worker_threads, load, seconds) for load in LOADS}
    rate = Rate(worker_threads=worker_threads, inference_threads=threads, images_per_second=by_load)
    for line in rate_table([rate]):
        say(line)
    return subject | {"loop": [loop._asdict() for loop in loops], "engine": rate.model_dump()}


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
    model = _open(settings, reference, in_force, open_runtime)
    subject = _subject(model, say)
    threads_are_fixed = model.runtime == "tensorflow"
    swept = combinations(available_cores(), [in_force] if threads_are_fixed else None)
    if threads_are_fixed:
        say(THREADS_ARE_FIXED)
    say(BATCH_IS_FIXED)
    measurements = len(swept) * len(LOADS) * rounds
    say(f"{measurements} measurements of {seconds:g} s, {rounds} of each kind, of which the median counts")
    others = {threads for _, threads in swept} - {in_force}
    models = {in_force: model} | {n: _open(settings, reference, n, open_runtime) for n in others}
    rates = sweep(models, settings, swept, seconds, rounds, say=say)
    chosen = choose(rates)
    for line in rate_table(rates, chosen):
        say(line)
    scatter = 100 * max(rate.scatter for rate in rates)
    if scatter > BUSY:
        say(f"the rounds scatter by {scatter:.0f} %: tune again when the machine has nothing else to do")
    threads = chosen.model_dump(include={"worker_threads", "inference_threads"})
    return Profile(**subject, **threads, rates=tuple(rates))


def _open(settings: Settings, reference: str | None, threads: int, open_runtime: OpenRuntime | None) -> Model:
    """Return the model, opened and warm, with `threads` for one computation."""
    found = store.scan(settings.model_store)
    models = Models(found, open_runtime or opener(settings.runtime), threads)
    return models.get(models.find(reference or settings.for_store(found.names).default_model))


def _subject(model: Model, say: Say, settings: str = "") -> dict[str, Any]:
    """Say and return what is measured: the model and the machine."""
    reference, cores, processor = model.version.reference, available_cores(), processor_name()
    say(f"{reference} by {model.runtime}; {cores} cores of {processor}{settings}")
    return {
        "model": reference,
        "digest": model.manifest.digest,
        "runtime": model.runtime,
        "cores": cores,
        "processor": processor,
    }


def memory_of(settings: Settings, reference: str, open_runtime: OpenRuntime | None = None) -> int | None:
    """Return the bytes that opening a model adds to a process, at the peak; None if it cannot be opened.

    A process of its own opens it: what was opened before does not count.
    """
    import resource  # which only POSIX has

    receiving, sending = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what runtimes say when they are loaded
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _open(settings, reference, settings.inference_threads, open_runtime)
        sending.send(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    sending.close()
    try:
        return int(receiving.recv())
    except EOFError:
        return None
    finally:
        process.join()


class Loop(NamedTuple):
    """The bare loop for pictures of `n` images, in one thread."""

    n: int
    images_per_second: float
    shares: dict[str, float]  # part -> its share of the time; their sum is 1


def measure_loop(model: Model, n: int, seconds: float, render: Render = "mean") -> Loop:
    """Draw pictures of `n` images for `seconds`, at least one, with nothing around them.

    A picture's time is the median of each part: one that was interrupted by another process says nothing.
    """
    pictures: list[dict[str, float]] = []
    until = time.perf_counter() + seconds
    while not pictures or time.perf_counter() < until:
        pictures.append(draw_picture(model, n, len(pictures), render)[1])
    times = {part: statistics.median(picture[part] for picture in pictures) for part in PARTS}
    total = sum(times.values())
    return Loop(n, n / total, {part: took / total for part, took in times.items()})


def draw_picture(model: Model, n: int, seed: int, render: Render = "mean") -> tuple[bytes, dict[str, float]]:
    """Return the PNG of /samples, and the seconds of each part; drawing noise belongs to codes."""
    marks = [time.perf_counter()]
    arrays = [model.prior.draw(seed, 0, n)]
    if render == "draw":
        arrays.append(latent.uniform_noise(seed, 0, n, model.manifest.likelihood.noise_shape))
    marks.append(time.perf_counter())
    images = (model.drawing if render == "draw" else model.decoding).whole(*arrays)
    marks.append(time.perf_counter())
    pixels = grids.grid(images, COLUMNS)
    marks.append(time.perf_counter())
    png = encode_png(pixels)
    marks.append(time.perf_counter())
    return png, {
        part: end - start for part, (start, end) in zip(PARTS, itertools.pairwise(marks), strict=True)
    }


def measure_engine(
    model: Model, settings: Settings, worker_threads: int, load: Load, seconds: float
) -> float:
    """Return images per second of `load` through an engine of its own, on the server's kind of event loop.

    The load is kept up for `seconds`; every client asks at least once, and what has begun is counted too. Of
    the limits in `settings` those on size do not count.
    """
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(_drive(model, settings, worker_threads, load, seconds))


async def _drive(model: Model, settings: Settings, worker_threads: int, load: Load, seconds: float) -> float:
    limits = settings.model_copy(update={"max_images": NO_LIMIT, "max_pixels": NO_LIMIT})
    engine = Engine(worker_threads, NO_LIMIT, NO_DEADLINE, Metrics())
    work_of = sampler(model, limits, GridStyle(columns=COLUMNS), Samples(load.n))
    seeds = itertools.count()
    images = 0
    started = time.perf_counter()

    async def client() -> None:
        nonlocal images
        while True:
            await engine.run(work_of(next(seeds)))
            images += load.n
            if time.perf_counter() - started >= seconds:
                return

    try:
        await asyncio.gather(*(client() for _ in range(load.in_flight)))
        return images / (time.perf_counter() - started)
    finally:
        engine.close()


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


def loop_table(loops: Sequence[Loop]) -> Iterator[str]:
    """Yield the lines of a table of bare loops."""
    yield f"{'n':>5}  {'images/s':>9}  " + "  ".join(f"{part:>6}" for part in loops[0].shares)
    for loop in loops:
        shares = "  ".join(f"{100 * share:5.1f}%" for share in loop.shares.values())
        yield f"{loop.n:>5}  {loop.images_per_second:>9.0f}  {shares}"


def rate_table(rates: Sequence[Rate], chosen: Rate | None = None) -> Iterator[str]:
    """Yield the lines of a table of rates, the chosen one marked."""
    loads = list(rates[0].images_per_second)
    yield "the engine, images/s by load (requests in flight x images in each), and overall"
    yield "workers  threads  " + "  ".join(f"{load:>9}" for load in [*loads, "overall"])
    for rate in rates:
        cells = "  ".join(f"{value:>9.0f}" for value in [*rate.images_per_second.values(), rate.overall])
        mark = "  <- chosen" if rate is chosen else ""
        yield f"{rate.worker_threads:>7}  {rate.inference_threads:>7}  {cells}{mark}"
