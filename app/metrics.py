"""Counters for Prometheus, for one process or several."""

import logging
import os
from collections import deque
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values

from app.errors import MetricsUnavailable

log = logging.getLogger("vitrine")

# The buckets of OpenTelemetry's http.server.request.duration.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
QUEUE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH_IMAGES = (1, 2, 4, 8, 16, 24, 31, 32)

# Files of worker processes that count together, by kind, with the bytes that each has from the start: those
# of some hundred routes by status. What is on the disk already cannot fail to be written.
FILES = {"histogram": 524_288, "counter": 65_536, "gauge_livesum": 131_072}

MAX_KEPT = 512  # values; what they take to be counted holds up a request by a millisecond


class Metrics:
    """What one service counts, or several processes together where ``vitrine serve`` started them.

    Values of histograms go through ``observe``. Each takes several locks and cold caches, a twentieth of the
    time of a small picture; many at once take a tenth of that. Where several processes count together, no
    process knows when it will be asked, so every value is counted at once.

    Counting never keeps a request from its answer, and what cannot be counted together is not told at all.
    Whether processes count together is said here alone, whatever the environment says to the library.

    Args:
        together: several processes count together.
        folder: where they do; None if there is no such folder.
    """

    def __init__(self, together: bool = False, folder: Path | None = None) -> None:
        self._together = together
        self._folder = folder if together and folder is not None and _prepare(folder) else None
        self._shared = self._folder is not None
        # The library's own word for it; in memory alone it needs no folder.
        values.ValueClass = _together() if self._shared else values.MutexValue
        self._kept: deque[tuple[Histogram, float]] = deque()
        self._requests: dict[tuple[str, str, int], Histogram] = {}
        self._counters: dict[tuple[Counter, str], Counter] = {}
        self._registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self.queue_images = self._gauge("vitrine_queue_images", "Images admitted and not answered yet.")
        self.queue_seconds = Histogram(
            "vitrine_queue_duration_seconds",
            "Time from admission to a request's first batch.",
            buckets=QUEUE_SECONDS,
            registry=self._registry,
        )
        self.batch_images = Histogram(
            "vitrine_batch_images",
            "Rows in use of a computation, which has up to 32.",
            buckets=BATCH_IMAGES,
            registry=self._registry,
        )
        self._refused = self._counter(
            "vitrine_refused_total",
            "Requests refused or given up: queue_full, predicted_wait, deadline, cancelled.",
            "reason",
        )
        self._problems = self._counter("vitrine_problems_total", "Requests answered with a problem.", "kind")
        self._cache_requests = self._counter(
            "vitrine_cache_requests_total",
            "Requests of permanent addresses: hit, shared with one that was being computed, miss.",
            "result",
        )
        self.cache_bytes = self._gauge("vitrine_cache_bytes", "Bytes that the kept pictures take.")
        self.cache_pictures = self._gauge("vitrine_cache_pictures", "Pictures that are kept.")
        self._count_models()
        if self._shared:  # the library opens a file for its first value: now, as it may be gone later
            self._problems.labels("not-found")

    def _count_models(self) -> None:
        """Have values for what becomes of versions while the service runs."""
        self._swaps = self._counter(
            "vitrine_swaps_total", "Versions of a running service: swapped, refused, rolled_back.", "result"
        )
        self._model_state = Gauge(
            "vitrine_model_state",
            "Processes in which a version is serving, canary, opened, unopened, or failed.",
            ("model", "version", "state"),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._model_states: dict[tuple[str, str], str] = {}

    def _gauge(self, name: str, text: str) -> Gauge:
        """Return a gauge; of several processes, the sum over those that live."""
        return Gauge(name, text, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(name, text, (label,), registry=self._registry)

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

    def count_cache_request(self, result: str) -> None:
        """Count a request of a permanent address: hit, shared or miss."""
        self._count(self._cache_requests, result)

    def count_swap(self, result: str) -> None:
        """Count what became of a version while the service runs: swapped, refused or rolled_back."""
        self._count(self._swaps, result)

    def set_model_state(self, model: str, version: str, state: str) -> None:
        """Say what a version is; see ``Models.state_of``."""
        before = self._model_states.get((model, version))
        if before != state:
            self._model_states[model, version] = state
            if before is not None:
                self._model_state.labels(model, version, before).set(0)
            self._model_state.labels(model, version, state).set(1)

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
        """Return the text that Prometheus reads, and its media type.

        Raises:
            MetricsUnavailable: several processes count, and they cannot be added up.
        """
        self._count_kept()
        registry = self._registry
        if self._together:
            registry = CollectorRegistry()
            try:
                if self._folder is None or not all(path.exists() for path in _files(self._folder)):
                    raise FileNotFoundError
                multiprocess.MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
                return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
            except (OSError, ValueError):
                raise MetricsUnavailable(
                    "Expected the files in which the worker processes count. Received: none: their temporary "
                    "folder is gone, or could not be made. Set TMPDIR to a folder that stays, and restart."
                ) from None
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


def _together() -> type[values.MutexValue]:
    made: type[values.MutexValue] = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    return made


def _files(folder: Path) -> list[Path]:
    """Return this process' own files."""
    return [folder / f"{kind}_{os.getpid()}.db" for kind in FILES]


def _prepare(folder: Path) -> bool:
    """Make this process' own files, empty, and return whether that could be done.

    They appear whole, as other processes read them; and at their full size: a page that a full disk has no
    place for would end the process when it is first written to.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where the library looks for them
    try:
        for path, size in zip(_files(folder), FILES.values(), strict=True):
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(bytes(size))
            unfinished.rename(path)
    except OSError as error:
        log.warning("%s: %s: /metrics answers 503", folder, error.strerror)
        return False
    return True
