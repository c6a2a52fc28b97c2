"""What is measured: a model, opened as the settings say, on this machine."""

from collections.abc import Callable, Iterator
from typing import Any

from app import store
from app.cores import available_cores, processor_name
from app.mirror import stores
from app.models import Model, Models
from app.runtimes import OpenRuntime, opener
from app.settings import Settings
from app.store import Store, Version

Say = Callable[[str], None]


def find(settings: Settings, reference: str | None) -> tuple[Store, Version]:
    """Return the store, and the version that is measured: of `reference`, or of the default model for None.

    Raises:
        StoreError: there is no store.
        ModelNotFound: there is no such model.
    """
    found = store.scan(stores.folder_of(settings), trusted=settings.trusted)
    return found, found.find(reference or settings.for_store(found.names).default_model)


def open_model(
    settings: Settings, reference: str | None, threads: int, open_runtime: OpenRuntime | None
) -> Model:
    """Return the model, opened and warm, with `threads` for one computation; errors as of ``find``.

    Raises:
        ModelError: it cannot be opened.
    """
    found, version = find(settings, reference)
    return Models(found, open_runtime or opener(settings.runtime), threads).get(version)


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


def sizes(model: Model) -> dict[str, dict[int, float]]:
    """Return for decoding and drawing the rows that a computation may have, and the milliseconds of each."""
    return {
        operation.name: {size: 1000 * seconds for size, seconds in operation.busy_seconds.items()}
        for operation in (model.decoding, model.drawing)
    }


def size_table(found: dict[str, dict[int, float]]) -> Iterator[str]:
    """Yield the lines of a table of sizes."""
    every = sorted(set().union(*found.values()))
    yield "rows to a computation, and ms: the sizes that give a row the same bytes and save time, as measured"
    yield f"{'':6}  " + "  ".join(f"{size:>6}" for size in every)
    for operation, by_size in found.items():
        cells = "  ".join(f"{by_size[size]:>6.2f}" if size in by_size else f"{'-':>6}" for size in every)
        yield f"{operation:6}  {cells}"
