"""The engine under load, driven directly: what is measured is the model and what surrounds it, not HTTP."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from uvicorn.loops.auto import auto_loop_factory

from app.bench.loop import COLUMNS, recipe_of
from app.engine.engine import Engine
from app.explore.grids import Context
from app.explore.samples import Samples, sampler
from app.limits import highest
from app.metrics import Metrics
from app.models import Model
from app.pictures.grids import GridStyle
from app.profiles import Rate
from app.settings import Settings

# A measurement is never refused.
NO_LIMIT = 2**40  # images
NO_DEADLINE = 86_400  # seconds


class Load(NamedTuple):
    """Requests that are always in flight, each for a picture of `n` images."""

    in_flight: int
    n: int

    def __str__(self) -> str:
        """As profiles and tables name it."""
        return f"{self.in_flight} x {self.n}"


LOADS = (Load(64, 21), Load(4, 400))


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
    limits = settings.model_copy(update=highest(Settings, "max_images", "max_pixels"))
    engine = Engine(worker_threads, NO_LIMIT, NO_DEADLINE, Metrics())
    context = Context(model, limits, GridStyle(columns=COLUMNS), recipe_of(model.version, load.n))
    work_of = sampler(context, Samples(load.n))
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


def rate_table(rates: Sequence[Rate], chosen: Rate | None = None) -> Iterator[str]:
    """Yield the lines of a table of rates, the chosen one marked."""
    loads = list(rates[0].images_per_second)
    yield "the engine, images/s by load (requests in flight x images in each), and overall"
    yield "workers  threads  " + "  ".join(f"{load:>9}" for load in [*loads, "overall"])
    for rate in rates:
        cells = "  ".join(f"{value:>9.0f}" for value in [*rate.images_per_second.values(), rate.overall])
        mark = "  <- chosen" if rate is chosen else ""
        yield f"{rate.worker_threads:>7}  {rate.inference_threads:>7}  {cells}{mark}"
