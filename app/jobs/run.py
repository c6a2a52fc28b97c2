"""Draws what is missing of a data set: by processes of this machine, or by a Ray cluster."""

import concurrent.futures
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from app.jobs.storage import Storage, storage_at
from app.rendering import drawer
from app.rendering.job import InvalidJob, Job
from app.rendering.shards import Shard, description, recorded

JOB, WHOLE = "job.json", "dataset.json"
BEGUN_AHEAD = 2  # shards for each process that wait for it


class Interrupted(Exception):
    """The data set is not whole, and can be gone on with; says why in one line."""


class Progress(NamedTuple):
    """How far a data set is.

    Args:
        images: that are there.
        total: that there will be.
        per_second: that this run has drawn; 0 at its beginning.
    """

    images: int
    total: int
    per_second: float

    @property
    def seconds_left(self) -> float | None:
        """Time until the end if it goes on like that; None: nobody knows."""
        return (self.total - self.images) / self.per_second if self.per_second else None


# (job, numbers of shards) -> the shards, in any order, each when it is written.
Draw = Callable[[Job, Sequence[int]], Iterator[Shard]]


def run(
    job: Job, address: str, classes: tuple[str, ...], draw: Draw, tell: Callable[[Progress], None]
) -> list[Shard]:
    """Draw what is missing of a data set and return all its shards.

    Args:
        job: the data set.
        address: where it goes.
        classes: names of the classes that labels number.
        draw: what draws shards.
        tell: told at the beginning, and with every shard.

    Raises:
        InvalidJob: something else is there.
        Interrupted: not all was drawn; what was is kept.
        OSError: something cannot be written.
    """
    storage = storage_at(address)
    _claim(job, storage, address)
    shards = {number: shard for number in range(job.shards) if (shard := recorded(job, number, storage))}
    before, started = sum(shard.images for shard in shards.values()), time.monotonic()
    drawn = 0
    tell(Progress(before, job.count, 0.0))
    missing = [number for number in range(job.shards) if number not in shards]
    for shard in draw(job, missing) if missing else ():
        shards[shard.number] = shard
        drawn += shard.images
        tell(Progress(before + drawn, job.count, drawn / (time.monotonic() - started)))
    ordered = [shards[number] for number in sorted(shards)]
    told = json.dumps(description(job, classes, ordered), indent=1).encode() + b"\n"
    if storage.get(WHOLE) != told:
        storage.put(WHOLE, told)
    return ordered


def _claim(job: Job, storage: Storage, address: str) -> None:
    """Write down which data set is being made, or refuse if another one is."""
    content = storage.get(JOB)
    if content is None:
        if not storage.is_empty():
            raise InvalidJob(f"{address}: something else is there. Name a folder that is empty or new.")
        storage.put(JOB, job.as_json())
        return
    if differences := job.differences(Job.read(content, f"{address}/{JOB}")):
        remedy = "Name another place, or ask for the same to go on."
        raise InvalidJob(f"{address}: another data set is there ({'; '.join(differences)}). {remedy}")


def by_processes(processes: int, address: str, model_store: str) -> Draw:
    """Return what draws shards in processes of this machine, each by one thread."""

    def draw(job: Job, numbers: Sequence[int]) -> Iterator[Shard]:
        pool = concurrent.futures.ProcessPoolExecutor(
            min(processes, len(numbers)),
            multiprocessing.get_context("spawn"),
            drawer.start,
            (job, address, model_store, os.getpid()),
        )
        waiting: set[concurrent.futures.Future[Shard]] = set()
        to_come = iter(numbers)
        try:
            while True:
                for number in to_come:
                    waiting.add(pool.submit(drawer.draw, number))
                    if len(waiting) >= BEGUN_AHEAD * processes:
                        break
                if not waiting:
                    return
                done, waiting = concurrent.futures.wait(waiting, return_when="FIRST_COMPLETED")
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise Interrupted("a process that draws came to its end") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return draw
