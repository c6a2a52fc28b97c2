"""What is measured: a model, opened as the settings say, on this machine."""

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from app import store
from app.cores import available_cores, processor_name
from app.models import Model, Models
from app.runtimes import OpenRuntime, opener
from app.settings import Settings

Say = Callable[[str], None]


def open_model(
    settings: Settings, reference: str | None, threads: int, open_runtime: OpenRuntime | None
) -> Model:
    """Return the model, opened and warm, with `threads` for one computation."""
    found = store.scan(settings.model_store)
    models = Models(found, open_runtime or opener(settings.runtime), threads)
    return models.get(models.find(reference or settings.for_store(found.names).default_model))


def describe(model: Model, say: Say, settings: str = "") -> dict[str, Any]:
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
        open_model(settings, reference, settings.inference_threads, open_runtime)
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
