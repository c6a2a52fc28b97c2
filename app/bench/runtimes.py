"""Which runtime serves a version and why, and how fast both are where both can."""

import asyncio
import contextlib
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.bench.apart import Apart, opened_apart
from app.bench.turns import in_turns
from app.runtimes import Choice, OpenRuntime, RuntimeUnavailable, choose, opener
from app.settings import Settings, variable

RUNTIMES: tuple[Choice, ...] = ("litert", "tensorflow")
ROWS = (1, 7, 21, 100)


class RuntimeRate(NamedTuple):
    """What one runtime takes."""

    runtime: Choice
    milliseconds: dict[int, float]  # by rows, of decoding them with the threads in force
    memory_bytes: int  # that opening the model adds to a process, at the peak


def reason(choice: Choice, runtime: str) -> str:
    """Say why `runtime` serves a version, with `choice` as the setting."""
    setting = f"{variable('runtime')}={choice}"
    if choice != "auto":
        return f"{runtime}, as {setting} says"
    carries = "carries LiteRT's flatbuffers" if runtime == "litert" else "carries no flatbuffers for LiteRT"
    return f"{runtime}, as the version {carries} ({setting})"


def unavailable(folder: Path) -> dict[Choice, str]:
    """Return why each runtime that cannot run the version in `folder` cannot."""
    reasons: dict[Choice, str] = {}
    for name in RUNTIMES:
        try:
            choose(name, folder)
        except RuntimeUnavailable as error:
            reasons[name] = str(error)
    return reasons


def compare(
    settings: Settings,
    reference: str,
    seconds: float,
    opener_of: Callable[[Choice], OpenRuntime] = opener,
) -> list[RuntimeRate]:
    """Return what each runtime takes, in a process of its own; one that cannot open the model is left out.

    Args:
        settings: threads and store.
        reference: the model, NAME@VERSION.
        seconds: of all.
        opener_of: what opens versions by a runtime.
    """
    with contextlib.ExitStack() as processes:
        opened = {
            name: model
            for name in RUNTIMES
            if (model := processes.enter_context(opened_apart(settings, reference, opener_of(name))))
        }
        medians = {rows: _medians(opened, rows, seconds / len(ROWS)) for rows in ROWS}
    return [
        RuntimeRate(name, {rows: 1000 * medians[rows][name] for rows in ROWS}, model.memory_bytes)
        for name, model in opened.items()
    ]


def _medians(opened: Mapping[Choice, Apart], rows: int, seconds: float) -> dict[str, float]:
    """Return the seconds in which each model decodes so many rows."""

    def decoding(name: Choice, model: Apart) -> Callable[[], Awaitable[dict[str, float]]]:
        async def decode() -> dict[str, float]:
            return {name: model.decode(rows)}

        return decode

    found = asyncio.run(in_turns([decoding(name, model) for name, model in opened.items()], seconds))
    return {name: statistics.median(took) for name, took in found.items()}


def lines(
    why: str, reference: str, missing: Mapping[Choice, str], rates: Sequence[RuntimeRate]
) -> Iterator[str]:
    """Yield what is said of the runtimes: which serves and why, and a table of both or why there is none.

    Args:
        why: see ``reason``.
        reference: the model, NAME@VERSION.
        missing: see ``unavailable``.
        rates: of each runtime; none if one is missing.
    """
    yield f"served by {why}"
    for cause in missing.values():
        yield f"runtimes not compared: {reference} {cause}"
    if not rates:
        return
    yield "each runtime in a process of its own: ms to decode n rows, and the memory that the model adds"
    yield f"{'':10}  " + "  ".join(f"{rows:>7}" for rows in ROWS) + "   memory"
    for rate in rates:
        cells = "  ".join(f"{took:>7.2f}" for took in rate.milliseconds.values())
        yield f"{rate.runtime:10}  {cells}  {rate.memory_bytes / 1e6:>4.0f} MB"
