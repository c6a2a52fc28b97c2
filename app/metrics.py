"""Counters for Prometheus, for one process or several."""

from collections import deque

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values

# The buckets of OpenTelemetry's http.server.request.duration.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
QUEUE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH_IMAGES = (1, 2, 4, 8, 16, 24, 31, 32)

MAX_KEPT = 512  # values; what they take to be counted holds up a request by a millisecond


class Metrics:
    """What one service counts, or several processes together where ``vitrine serve`` started them.

    Values of histograms go through ``observe``. Each takes several locks and cold caches, a twentieth of the
    time of a small picture; many at once take a tenth of that. Where several processes count together, no
    process knows when it will be asked, so every value is counted at once.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[Histogram, float]] = deque()
        self._requests: dict[tuple[str, str, int], Histogram] = {}
        self._counters: dict[tuple[Counter, str], Counter] = {}
        # The library decides when it is imported, by the folder that the environment names.
        self._shared = values.ValueClass is not values.MutexValue
        self._registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.queue_images = Gauge(
            "vitrine_queue_images",
            "Images admitted and not answered yet.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.queue_seconds = Histogram(
            "vitrine_queue_duration_seconds",
            "Time from admission to a request's first batch.",
            buckets=QUEUE_SECONDS,
            registry=self._registry,
        )
        self.batch_images = Histogram(
            "vitrine_batch_images",
            "Rows in use of the 32 that every computation has.",
            buckets=BATCH_IMAGES,
            registry=self._registry,
        )
        self._refused = Counter(
            "vitrine_refused_total",
            "Requests refused or given up: queue_full, predicted_wait, deadline, cancelled.",
            ("reason",),
            registry=self._registry,
        )
        self._problems = Counter(
            "vitrine_problems_total", "Requests answered with a problem.", ("kind",), registry=self._registry
        )

    def observe(self, histogram: Histogram, value: float) -> None:
        """Count a value, at the latest when the counters are read. Safe to call from several threads."""
        if self._shared:
            histogram.observe(value)
            return
        self._kept.append((histogram, value))
        if len(self._kept) > MAX_KEPT:
            self._count_kept()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the template of its path, never the path itself: there must be few."""
        labels = method, route, status
        histogram = self._requests.get(labels)
        if histogram is None:
            histogram = self._requests[labels] = self.request_seconds.labels(method, route, str(status))
        self.observe(histogram, seconds)

    def count_refusal(self, reason: str) -> None:
        """Count a request that the engine refuses or gives up."""
        self._count(self._refused, reason)

    def count_problem(self, kind: str) -> None:
        """Count a request that is answered with a problem."""
        self._count(self._problems, kind)

    def _count(self, counter: Counter, label: str) -> None:
        labelled = self._counters.get((counter, label))
        if labelled is None:  # the library's own way from a label to its counter is long
            labelled = self._counters[counter, label] = counter.labels(label)
        labelled.inc()

    def _count_kept(self) -> None:
        kept = self._kept
        for _ in range(len(kept)):
            try:
                histogram, value = kept.popleft()
            except IndexError:  # another thread has counted the rest
                return
            histogram.observe(value)

    def exposition(self) -> tuple[bytes, str]:
        """Return the text that Prometheus reads, and its media type."""
        self._count_kept()
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
