"""Measurements that take turns: what else the machine does meets all of them alike."""

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

SLICE_SECONDS = 0.02  # of one measurement's turn: short beside what disturbs it, long beside a small picture
LEAST = 15  # repetitions that a median is to have
PATIENCE = 10  # times the seconds that were asked for, after which fewer will do

Measurement = Callable[[], Awaitable[Mapping[str, float]]]  # () -> seconds by name


async def in_turns(measurements: Sequence[Measurement], seconds: float) -> dict[str, list[float]]:
    """Return the seconds that each name took, again and again.

    Each measurement is repeated for a slice of time, once at least, then it is the next one's turn. They go
    on for `seconds`, and until each name has LEAST values, but no longer than PATIENCE times `seconds`. What
    every measurement gives first is dropped: caches are cold.
    """
    for measure in measurements:
        await measure()
    found: dict[str, list[float]] = collections.defaultdict(list)
    started = time.perf_counter()
    while True:
        for measure in measurements:
            await asyncio.sleep(0)  # Ctrl-C is heard here, if measurements await nothing
            until = time.perf_counter() + SLICE_SECONDS
            while True:
                for name, took in (await measure()).items():
                    found[name].append(took)
                if time.perf_counter() >= until:
                    break
        passed = time.perf_counter() - started
        enough = min(map(len, found.values())) >= LEAST
        if passed >= seconds and (enough or passed >= PATIENCE * seconds):
            return dict(found)
