"""Where the time of a request goes: stage by stage, from the socket to the model and back.

The same picture is asked for in four ways: over HTTP, of the ASGI application, of the engine, and of the bare
loop. Each way does what the next one does, and one stage more: the stages are the differences.
"""

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from uvicorn.loops.auto import auto_loop_factory

from app.bench.loop import draw_picture
from app.bench.serving import HOST, Client, ServerFailed, serving
from app.bench.turns import Measurement, in_turns
from app.explore.samples import Render
from app.limits import highest
from app.models import Model
from app.runtimes import OpenRuntime
from app.settings import Settings

COUNTS = (1, 21, 400)
RENDERS: tuple[Render, ...] = ("mean", "draw")
STAGES = ("HTTP", "request", "threads", "codes", "compute", "grid", "png")
PATH = "/samples"
# A measurement is never refused.
_LIMITS = ("max_waiting_images", "max_images", "max_pixels", "queue_seconds", "deadline_seconds")

NOTES = (
    "HTTP: sockets and parsing; request: routing, the query, headers, counting; codes: a draw's noise too.",
    "threads: the queue and the change of threads; below zero, what threads save by sharing its rows.",
    "Stages are differences of medians, so that one which takes no time may be a little below zero.",
)


class Stages(NamedTuple):
    """The time of a request for a picture, by stage."""

    render: Render
    n: int  # images in it
    repetitions: int  # that each median is of, at least
    milliseconds: dict[str, float]  # by stage

    @property
    def total(self) -> float:
        """Milliseconds of the request as its client sees it."""
        return sum(self.milliseconds.values())

    @property
    def compute_share(self) -> float:
        """What the model computes, in one thread, as a part of the total; over 1 where threads share."""
        return self.milliseconds["compute"] / self.total

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return self._asdict() | {"total_milliseconds": self.total, "compute_share": self.compute_share}


def measure_stages(
    settings: Settings,
    reference: str,
    counts: Sequence[int],
    seconds: float,
    open_runtime: OpenRuntime | None = None,
) -> Iterator[Stages]:
    """Yield the stages of each render and count, with one client and these settings.

    Of the settings, limits and addresses do not count. Requests have no seed: no answer was kept.

    Args:
        settings: threads, runtime and store.
        reference: the model, NAME@VERSION.
        counts: images in a picture.
        seconds: of each render and count; see ``in_turns``.
        open_runtime: how a version is opened in this process; as the settings say if not given.

    Raises:
        ServerFailed: the server did not start or answer.
        StoreError: the model cannot be opened.
    """
    alone = settings.model_copy(
        update=highest(Settings, *_LIMITS) | {"default_model": reference, "workers": 1, "root_path": ""}
    )
    with (
        serving(alone) as port,
        contextlib.closing(Client(port)) as client,
        asyncio.Runner(loop_factory=auto_loop_factory()) as runner,
        _started(alone, runner, open_runtime) as app,
    ):
        for render, n in itertools.product(RENDERS, counts):
            found = runner.run(in_turns(_ways(app, client, render, n), seconds))
            medians = {way: statistics.median(took) for way, took in found.items()}
            yield Stages(render, n, min(map(len, found.values())), differences(medians))


def differences(medians: Mapping[str, float]) -> dict[str, float]:
    """Return the milliseconds of each stage, of the seconds that each way takes and the loop's parts."""
    parts = {stage: medians[part] for stage, part in _PARTS.items()}
    seconds = {
        "HTTP": medians["http"] - medians["app"],
        "request": medians["app"] - medians["engine"],
        "threads": medians["engine"] - sum(parts.values()),
    }
    return {stage: 1000 * took for stage, took in (seconds | parts).items()}


_PARTS = {"codes": "codes", "compute": "decode", "grid": "grid", "png": "png"}  # stage -> the loop's part


@contextlib.contextmanager
def _started(settings: Settings, runner: asyncio.Runner, open_runtime: OpenRuntime | None) -> Iterator[Any]:
    """Start the service in this process, on the runner's event loop, with the default model alone."""
    from app.main import create_app  # which makes the application of the environment's settings too

    app = create_app(settings, open_runtime)

    async def start() -> None:
        app.service.start()
        app.service.models.opener.shutdown(cancel_futures=True)  # nobody asks for the other models

    async def stop() -> None:
        app.service.stop()

    runner.run(start())
    try:
        yield app
    finally:
        runner.run(stop())


def _ways(app: Any, client: Client, render: Render, n: int) -> list[Measurement]:
    """Return what asks for one picture in each way, and returns the seconds that it took."""
    from app.http import queries, samples

    service = app.service
    query_string = f"n={n}&render={render}"
    query = queries.read(samples.SamplesQuery, query_string.encode())
    model: Model = service.models.get(service.models.find(service.settings.default_model))
    prepared = samples.prepare_samples(query, model, service.settings)
    seeds = itertools.count()

    async def by_http() -> dict[str, float]:
        started = time.perf_counter()
        client.get(f"{PATH}?{query_string}")
        return {"http": time.perf_counter() - started}

    async def by_app() -> dict[str, float]:
        return {"app": await _ask(app, query_string.encode())}

    async def by_engine() -> dict[str, float]:
        work = prepared().work
        started = time.perf_counter()
        await service.engine.run(work)
        return {"engine": time.perf_counter() - started}

    async def by_loop() -> dict[str, float]:
        return draw_picture(model, n, next(seeds), render)[1]

    return [by_http, by_app, by_engine, by_loop]


async def _ask(app: Any, query_string: bytes) -> float:
    """Return the seconds in which an ASGI application answers, from a scope like uvicorn's."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": (HOST, 80),
        "client": (HOST, 50_000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": query_string,
        "headers": [(b"host", HOST.encode())],
        "state": {},
    }
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    started = time.perf_counter()
    await app(scope, receive, send)
    took = time.perf_counter() - started
    if sent[0]["status"] != 200:
        raise ServerFailed(f"{PATH}?{query_string.decode()}: {sent[0]['status']}, {sent[-1]['body'][:200]!r}")
    return took


def header() -> Iterator[str]:
    """Yield the first lines of the table of stages."""
    yield "where the time of a request goes: ms, one client, nothing kept; n images, medians of at least `of`"
    columns = "  ".join(f"{stage:>7}" for stage in (*STAGES, "total"))
    yield f"{'':4}  {'n':>5}  {'of':>5}  {columns}  share of compute"


def row(stages: Stages) -> str:
    """Return a line of that table."""
    numbers = [*(stages.milliseconds[stage] for stage in STAGES), stages.total]
    cells = "  ".join(f"{number:>7.3f}" for number in numbers)
    share = f"{100 * stages.compute_share:>15.0f}%"
    return f"{stages.render:4}  {stages.n:>5}  {stages.repetitions:>5}  {cells}  {share}"
