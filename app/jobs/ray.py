"""Shards made on a Ray cluster, by Ray Data."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.jobs.job import InvalidJob
from app.jobs.records import Shard
from app.jobs.run import Interrupted, Make
from app.jobs.worker import Task


class _Actor:
    """A worker, as Ray Data calls it: one row in, one row out."""

    def __init__(self, task: Task) -> None:
        self._make = task.open()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"record": self._make(int(row["number"])).as_json().decode()}


def by_ray(cluster: str, task: Task) -> Make:
    """Return what makes shards on every core of a Ray cluster.

    Args:
        cluster: address of the cluster; ``local`` starts one on this machine.
        task: how; every node must reach the places that it names, under the same names.

    Raises:
        InvalidJob: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
        import ray.data  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise InvalidJob("--ray: needs Ray Data: pip install 'vitrine-vae[ray]'") from None

    def make(numbers: Sequence[int]) -> Iterator[Shard]:
        try:  # it knocks for some minutes before it gives up
            ray.init(cluster, log_to_driver=False, logging_level="WARNING", ignore_reinit_error=True)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InvalidJob(f"--ray {cluster}: {error}") from None
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items(
            [{"number": number} for number in numbers], override_num_blocks=len(numbers)
        )
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        made = rows.map(
            _Actor,
            fn_constructor_args=(task,),
            num_cpus=1,
            concurrency=(1, min(cores, len(numbers))),
        )
        try:
            for row in made.iter_rows():
                yield Shard.read(row["record"])
        except ray.exceptions.RayError as error:
            raise Interrupted(f"Ray: {str(error).strip().splitlines()[-1]}") from None

    return make
