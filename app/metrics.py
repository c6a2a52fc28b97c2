"""Counters for Prometheus, for one process or several."""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.registry import Collector

from app import counter_files
from app.errors import MetricsUnavailable
from app.observations import Observations
from app.process_metrics import ProcessMetrics

log = logging.getLogger("vitrine")

# The buckets of OpenTelemetry's http.server.request.duration.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
QUEUE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STEP_SECONDS = (0.0001, 0.00025, 0.0005, *QUEUE_SECONDS)  # a computation, a drawing, a decoding
BATCH_IMAGES = (1, 2, 4, 8, 16, 24, 31, 32)

# Files of worker processes that count together, by kind, with the bytes that each has from the start: enough
# for some hundred routes by status, and for twenty models. What is on the disk already cannot fail to be
# written.
FILES = {"histogram": 1_048_576, "counter": 65_536, "gauge_livesum": 131_072}

TOGETHER_SECONDS = 0.1  # within which a worker's values are in its file, for whichever worker is asked


class Metrics:
    """What one service counts, or several processes together where ``vitrine serve`` started them.

    Values that every request has go through ``observe`` and its like. Counted one by one they take several
    locks and cold caches each, so they wait until the counters are read. Where several processes count
    together, no process knows when another is asked: they wait for TOGETHER_SECONDS at most.

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
        self._kept = Observations()
        self._due: asyncio.TimerHandle | None = None  # when they are to be in the file
        self._requests: dict[tuple[str, str, int], Histogram] = {}
        self._computations: dict[tuple[str, str], Histogram] = {}
        self._images: dict[str, Counter] = {}
        self._counters: dict[tuple[Counter, str], Counter] = {}
        self._registry = CollectorRegistry()
        self._make_histograms()
        self._make_counters()
        if self._shared:  # the library opens a file for its first value: now, as it may be gone later
            self._problems.labels("not-found")

    def _make_histograms(self) -> None:
        self.request_seconds = self._histogram(
            "http_server_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            SECONDS,
            ("http_request_method", "http_route", "http_response_status_code"),
        )
        self.queue_seconds = self._histogram(
            "vitrine_queue_duration_seconds", "Time from admission to a request's first batch.", QUEUE_SECONDS
        )
        self._inference_seconds = self._histogram(
            "vitrine_inference_duration_seconds",
            "Time of one computation, a batch, from its start to its end.",
            STEP_SECONDS,
            ("model", "version", "operation"),
        )
        self.drawing_seconds = self._histogram(
            "vitrine_drawing_duration_seconds",
            "Time from a request's last row to its answer: a grid, and the file that it becomes.",
            STEP_SECONDS,
        )
        self._upload_seconds = self._histogram(
            "vitrine_upload_decoding_duration_seconds", "Time to decode the files of an upload.", STEP_SECONDS
        )
        self.batch_images = self._histogram(
            "vitrine_batch_images", "Rows in use of a computation, which has up to 32.", BATCH_IMAGES
        )

    def _make_counters(self) -> None:
        self.queue_images = self._gauge("vitrine_queue_images", "Images admitted and not answered yet.")
        self._images_drawn = self._counter(
            "vitrine_images_total", "Images computed for requests that were answered.", "model", "version"
        )
        self._refused = self._counter(
            "vitrine_refused_total",
            "Requests refused or given up: queue_full, predicted_wait, share, deadline, cancelled.",
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
        self._uploads = self._counter(
            "vitrine_uploads_total",
            "Uploads whose files were decoded, or refused by their content.",
            "result",
        )
        self._uploads_in_progress = self._gauge(
            "vitrine_uploads_in_progress", "Uploads that decoders have, or that wait for one."
        )
        self._upload_bytes_in_progress = self._gauge(
            "vitrine_uploads_in_progress_bytes", "Size of the files of these uploads."
        )
        self._decoder_failures = self._counter(
            "vitrine_decoder_failures_total",
            "Uploads at which a decoder ended: crash, time, killed by the system, stuck.",
            "reason",
        )
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

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        """Return a gauge; of several processes, the sum over those that live."""
        return Gauge(name, text, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def observe(self, histogram: Histogram, value: float) -> None:
        """Count a value, at the latest when the counters are read. Safe to call from several threads."""
        self._kept.keep(histogram, value)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the template of its path, never the path itself: there must be few."""
        labels = method, route, status
        histogram = self._requests.get(labels)
        if histogram is None:
            histogram = self._requests[labels] = self.request_seconds.labels(method, route, str(status))
        self._kept.keep(histogram, seconds)
        if self._shared and self._due is None:
            self._count_soon()

    def observe_batch(self, model: str, operation: str, rows: int, seconds: float) -> None:
        """Count a computation of so many `rows`; `model`: its reference, ``name@version``."""
        histogram = self._computations.get((model, operation))
        if histogram is None:
            labels = *_parts(model), operation
            histogram = self._computations[model, operation] = self._inference_seconds.labels(*labels)
        self._kept.keep(histogram, seconds)
        self._kept.keep(self.batch_images, rows)

    def count_images(self, model: str, images: int) -> None:
        """Count the images of a request that has its answer; `model` as in ``observe_batch``."""
        counter = self._images.get(model)
        if counter is None:
            counter = self._images[model] = self._images_drawn.labels(*_parts(model))
        self._kept.keep(counter, images)

    def observe_upload(self, seconds: float, refused: bool) -> None:
        """Count an upload whose files were decoded in so many `seconds`, or found to be none."""
        self._kept.keep(self._upload_seconds, seconds)
        self._count(self._uploads, "refused" if refused else "decoded")

    def set_uploads_in_progress(self, uploads: int, num_bytes: int) -> None:
        """Say how many uploads decoders have, or wait for one, and the bytes of their files."""
        self._uploads_in_progress.set(uploads)
        self._upload_bytes_in_progress.set(num_bytes)

    def count_decoder_failure(self, reason: str) -> None:
        """Count an upload at which a decoder ended: crash, time, killed or stuck."""
        self._count(self._decoder_failures, reason)

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

    def set_model_states(self, states: Mapping[tuple[str, str], str]) -> None:
        """Say what every version is, by name and number; see ``Models.state_of``. Others are no more."""
        for (model, version), before in list(self._model_states.items()):
            if states.get((model, version)) != before:
                self._model_state.labels(model, version, before).set(0)
                del self._model_states[model, version]
        for (model, version), state in states.items():
            if (model, version) not in self._model_states:
                self._model_states[model, version] = state
                self._model_state.labels(model, version, state).set(1)

    def _count(self, counter: Counter, label: str) -> None:
        labelled = self._counters.get((counter, label))
        if labelled is None:  # the library's own way from a label to its counter is long
            labelled = self._counters[counter, label] = counter.labels(label)
        labelled.inc()

    def _count_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a service
            self.settle()
        else:
            self._due = loop.call_later(TOGETHER_SECONDS, self.settle)

    def settle(self) -> None:
        """Count what is kept: in the process' file, where several count together."""
        self._due = None
        self._kept.count()

    def exposition(self) -> tuple[bytes, str]:
        """Return the text that Prometheus reads, and its media type.

        Raises:
            MetricsUnavailable: several processes count, and they cannot be added up.
        """
        self.settle()
        try:
            registry = CollectorRegistry()
            for source in self._sources():
                registry.register(source)
            return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
        except (OSError, ValueError):
            raise MetricsUnavailable(
                "Expected the files in which the worker processes count. Received: none: their temporary "
                "folder is gone, or could not be made. Set TMPDIR to a folder that stays, and restart."
            ) from None

    def _sources(self) -> tuple[Collector, Collector]:
        """Return what was counted, and what the system knows of the processes that did."""
        if not self._together:
            return self._registry, ProcessMetrics(lambda: [os.getpid()])
        folder = self._folder
        if folder is None or not all(path.exists() for path in _files(folder)):
            raise FileNotFoundError
        counted: Collector = multiprocess.MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
        return counted, ProcessMetrics(lambda: _living(folder))


def _parts(model: str) -> tuple[str, str]:
    """Return the name and the version of a reference."""
    name, _, version = model.partition("@")
    return name, version


def _living(folder: Path) -> list[int]:
    """Return the processes that count in a folder and have not been found dead."""
    return [int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_livesum_*.db")]


def _together() -> type[values.MutexValue]:
    counter_files.grow_only_with_space()
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
