"""Shards drawn on a Ray cluster, by Ray Data."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.rendering.drawer import Drawer
from app.rendering.job import InvalidJob, Job
from app.rendering.run import Draw, Interrupted
from app.rendering.shards import Shard


class _Actor:
    """A drawer, as Ray Data calls it: one row in, one row out."""

    def __init__(self, job: str, address: str, model_store: str) -> None:
        self._drawer = Drawer(Job.model_validate_json(job), address, model_store)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        shard = self._drawer.draw(int(row["number"]))
        return {"record": shard.as_json().decode()}


def by_ray(cluster: str, address: str, model_store: str) -> Draw:
    """Return what draws shards on every core of a Ray cluster.

    Args:
        cluster: address of the cluster; ``local`` starts one on this machine.
        address: where the data set goes; every node must reach it.
        model_store: folder with the model, the same on every node, or the address of a store.

    Raises:
        InvalidJob: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
        import ray.data  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise InvalidJob("--ray: needs Ray Data: pip install 'vitrine-vae[ray]'") from None

    def draw(job: Job, numbers: Sequence[int]) -> Iterator[Shard]:
        try:  # it knocks for some minutes before it gives up
            ray.init(cluster, log_to_driver=False, logging_level="WARNING", ignore_reinit_error=True)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InvalidJob(f"--ray {cluster}: {error}") from None
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items(
            [{"number": number} for number in numbers], override_num_blocks=len(numbers)
        )
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        drawn = rows.map(
            _Actor,
            fn_constructor_args=(job.model_dump_json(), address, model_store),
            num_cpus=1,
            concurrency=(1, min(cores, len(numbers))),
        )
        try:
            for row in drawn.iter_rows():
                yield Shard.read(row["record"])
        except ray.exceptions.RayError as error:
            raise Interrupted(f"Ray: {str(error).strip().splitlines()[-1]}") from None

    return draw
