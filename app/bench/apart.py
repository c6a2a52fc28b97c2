"""A model opened in a process of its own: what it adds to memory, and how long it decodes."""

import asyncio
import contextlib
import functools
import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
from uvicorn.loops.auto import auto_loop_factory

from app.bench.engine import NO_DEADLINE, NO_LIMIT
from app.bench.subject import open_model
from app.engine.engine import Engine
from app.engine.work import Array, Rows, Steps, Work
from app.metrics import Metrics
from app.models import Model
from app.runtimes import OpenRuntime
from app.settings import Settings


class Apart:
    """A model in its own process: what this process has opened, or imported, does not count.

    Attributes:
        memory_bytes: that opening it added to the process, at the peak.
    """

    def __init__(self, connection: Connection, memory_bytes: int) -> None:
        self._connection = connection
        self.memory_bytes = memory_bytes

    def decode(self, rows: int) -> float:
        """Return the seconds in which its engine decodes so many rows, with the threads of the settings."""
        self._connection.send(rows)
        return float(self._connection.recv())


@contextlib.contextmanager
def opened_apart(
    settings: Settings, reference: str, open_runtime: OpenRuntime | None = None
) -> Iterator[Apart | None]:
    """Open a model in a process of its own, which ends with the block; None if it cannot be opened.

    Args:
        settings: threads, runtime and store.
        reference: the model, as ``Store.find`` takes it.
        open_runtime: how a version is opened; as the settings say if not given.
    """
    ours, its = multiprocessing.Pipe()

    def child() -> None:
        ours.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what runtimes say when they are loaded
        before = _peak_bytes()
        model = open_model(settings, reference, settings.inference_threads, open_runtime)
        its.send(_peak_bytes() - before)
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_decode_as_asked(model, settings.worker_threads, its))

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    its.close()
    try:
        yield _first_word(ours)
    finally:
        ours.close()
        process.join()


def memory_of(settings: Settings, reference: str, open_runtime: OpenRuntime | None = None) -> int | None:
    """Return the bytes that opening a model adds to a process, at the peak; None if it cannot be opened."""
    with opened_apart(settings, reference, open_runtime) as model:
        return model.memory_bytes if model else None


def _first_word(connection: Connection) -> Apart | None:
    """Return the model that a process has opened, or None if it ended before."""
    try:
        return Apart(connection, int(connection.recv()))
    except EOFError:
        return None


def _peak_bytes() -> int:
    import resource  # which only POSIX has

    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def _decode_as_asked(model: Model, worker_threads: int, connection: Connection) -> None:
    """Decode as many rows as each message says, and answer by the seconds, until the other end is closed."""
    engine = Engine(worker_threads, NO_LIMIT, NO_DEADLINE, Metrics())
    generator = np.random.default_rng(0)
    try:
        while True:
            rows = connection.recv()
            codes = generator.standard_normal((rows, model.manifest.latent_dim), np.float32)
            work = Work(functools.partial(_decoded, model, codes), rows, (model.decoding,))
            started = time.perf_counter()
            await engine.run(work)
            connection.send(time.perf_counter() - started)
    except EOFError:
        pass
    finally:
        engine.close()


def _decoded(model: Model, codes: Array) -> Steps[Array]:
    return (yield Rows.of(model.decoding, codes))
