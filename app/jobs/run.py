"""Does what is missing of a job: by processes of this machine, or by a Ray cluster."""

import concurrent.futures
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from app.jobs import worker
from app.jobs.job import InvalidJob, ShardedJob
from app.jobs.records import Shard, description, recorded
from app.jobs.storage import Storage, storage_at
from app.jobs.worker import Task

JOB, WHOLE = "job.json", "dataset.json"
BEGUN_AHEAD = 2  # shards for each process that wait for it


class Interrupted(Exception):
    """The job is not done, and can be gone on with; says why in one line."""


class Progress(NamedTuple):
    """How far a job is.

    Args:
        images: that are done.
        total: that will be.
        per_second: that this run has done; 0 at its beginning.
    """

    images: int
    total: int
    per_second: float

    @property
    def seconds_left(self) -> float | None:
        """Time until the end if it goes on like that; None: nobody knows."""
        return (self.total - self.images) / self.per_second if self.per_second else None


# numbers of shards -> the shards, in any order, each when it is written.
Make = Callable[[Sequence[int]], Iterator[Shard]]


def run(
    job: ShardedJob, address: str, about: Mapping[str, Any], make: Make, tell: Callable[[Progress], None]
) -> list[Shard]:
    """Do what is missing of a job and return all its shards.

    Args:
        job: what is done.
        address: where it goes.
        about: what ``dataset.json`` says beside, ready for JSON.
        make: what makes shards.
        tell: told at the beginning, and with every shard.

    Raises:
        InvalidJob: something else is there.
        Interrupted: not all was done; what was is kept.
        OSError: something cannot be written.
    """
    storage = storage_at(address)
    _claim(job, storage, address)
    shards = {number: shard for number in range(job.shards) if (shard := recorded(job, number, storage))}
    before, started = sum(shard.images for shard in shards.values()), time.monotonic()
    done = 0
    tell(Progress(before, job.count, 0.0))
    missing = [number for number in range(job.shards) if number not in shards]
    for shard in make(missing) if missing else ():
        shards[shard.number] = shard
        done += shard.images
        tell(Progress(before + done, job.count, done / (time.monotonic() - started)))
    ordered = [shards[number] for number in sorted(shards)]
    told = description(job, about, ordered)
    if storage.get(WHOLE) != told:
        storage.put(WHOLE, told)
    return ordered


def _claim(job: ShardedJob, storage: Storage, address: str) -> None:
    """Write down which job is being done, or refuse if another one is."""
    content = storage.get(JOB)
    if content is None:
        if not storage.is_empty():
            raise InvalidJob(f"{address}: something else is there. Name a folder that is empty or new.")
        storage.put(JOB, job.as_json())
        return
    if differences := job.differences(type(job).read(content, f"{address}/{JOB}")):
        remedy = "Name another place, or ask for the same to go on."
        raise InvalidJob(f"{address}: another data set is there ({'; '.join(differences)}). {remedy}")


def is_begun(job: ShardedJob, address: str) -> bool:
    """Say whether this very job was begun at an address.

    Raises:
        InvalidJob: what says which job was begun there cannot be read.
    """
    content = storage_at(address).get(JOB)
    return content is not None and not job.differences(type(job).read(content, f"{address}/{JOB}"))


def by_processes(processes: int, task: Task) -> Make:
    """Return what makes shards in processes of this machine, each by one thread."""

    def make(numbers: Sequence[int]) -> Iterator[Shard]:
        pool = concurrent.futures.ProcessPoolExecutor(
            min(processes, len(numbers)),
            multiprocessing.get_context("spawn"),
            worker.start,
            (task, os.getpid()),
        )
        waiting: set[concurrent.futures.Future[Shard]] = set()
        to_come = iter(numbers)
        try:
            while True:
                for number in to_come:
                    waiting.add(pool.submit(worker.make, number))
                    if len(waiting) >= BEGUN_AHEAD * processes:
                        break
                if not waiting:
                    return
                done, waiting = concurrent.futures.wait(waiting, return_when="FIRST_COMPLETED")
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise Interrupted("a process that works came to its end") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return make
