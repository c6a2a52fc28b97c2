"""A Ray cluster of two nodes of one core each on this machine; for benchmarks.rendering."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.processes import PROJECT, family

STORE_BYTES = 200 * 2**20  # of each node's object store: records of shards are small


class Nodes:
    """Two nodes, of which the second can be lost.

    Args:
        cluster: Ray's own, started.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._second = self._add()
        self.address = str(cluster.address)

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, wait=True)

    def lose(self) -> None:
        """Kill the second node with its workers, and let another one join."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = self._add()

    @staticmethod
    def members() -> list[int]:
        """Return the processes of the nodes and of what was started beside them."""
        return [pid for pid in family(os.getpid()) if pid != os.getpid()]


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Start two nodes, and end them.

    Raises:
        ImportError: Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Workers are started by their node, and find the project as this process does.
    os.environ["PYTHONPATH"] = os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", "")))
    from ray.cluster_utils import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        Cluster,
    )

    head = {
        "num_cpus": 1,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield Nodes(cluster)
    finally:
        cluster.shutdown()
