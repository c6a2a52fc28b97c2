"""Counters for Prometheus, for one process or several."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values

# The buckets of OpenTelemetry's http.server.request.duration.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
QUEUE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH_IMAGES = (1, 2, 4, 8, 16, 24, 31, 32)


class Metrics:
    """What one service counts, or several processes together where ``vitrine serve`` started them."""

    def __init__(self) -> None:
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
            "Time from admission to a request's first tile.",
            buckets=QUEUE_SECONDS,
            registry=self._registry,
        )
        self.batch_images = Histogram(
            "vitrine_batch_images",
            "Rows in use of the 32 that every computation has.",
            buckets=BATCH_IMAGES,
            registry=self._registry,
        )
        self.refused = Counter(
            "vitrine_refused_total",
            "Requests refused or given up: queue_full, predicted_wait, deadline, cancelled.",
            ("reason",),
            registry=self._registry,
        )
        self.problems = Counter(
            "vitrine_problems_total", "Requests answered with a problem.", ("kind",), registry=self._registry
        )

    def render(self) -> tuple[bytes, str]:
        """Return the text that Prometheus reads, and its media type."""
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
