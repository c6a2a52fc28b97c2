"""What the system knows of the service's processes, and which build runs: metrics that nobody counts."""

import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata

from prometheus_client.core import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

# How values of several processes become one; what is not named is added up. The latest start tells of a
# worker that was replaced, and the process next to its limit of descriptors is the one to be told of.
_TOGETHER: dict[str, Callable[[Iterable[float]], float]] = {
    "process_start_time_seconds": max,
    "process_open_fds": max,
    "process_max_fds": min,
}


class ProcessMetrics(Collector):
    """The library's process metrics, of one process or of several as one; and the build.

    Args:
        processes: returns the ids of the processes that live.
    """

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        """Read ``/proc``; on systems without it, there is only the build."""
        processes = list(self._processes())
        found: dict[str, list[Metric]] = {}
        for process in processes:
            for metric in ProcessCollector(pid=lambda process=process: process, registry=None).collect():  # type: ignore[misc]
                found.setdefault(metric.name, []).append(metric)
        for metrics in found.values():
            first = metrics[0]
            name = first.samples[0].name
            together = _TOGETHER.get(name, sum)
            value = together([metric.samples[0].value for metric in metrics])
            metric = Metric(first.name, first.documentation, first.type)
            metric.add_sample(name, {}, value)
            yield metric
        yield GaugeMetricFamily("vitrine_workers", "Server processes that live.", value=len(processes))
        build = GaugeMetricFamily(
            "vitrine_build_info", "The build, always 1.", labels=("version", "python", "machine")
        )
        running = metadata.version("vitrine-vae"), platform.python_version(), platform.machine()
        build.add_metric(running, 1)
        yield build
