"""Traces by OpenTelemetry, where they are asked for and its packages are installed: else nothing is loaded.

A request has a span (``app.http.tracing``), and in it each use of the engine: the time in the queue, and that
of the computation and the drawing behind it.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from app.engine.engine import Engine
from app.engine.work import Array, Rows, Steps, Work
from app.settings import can_trace

if TYPE_CHECKING:
    import asyncio

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

T = TypeVar("T")

log = logging.getLogger("vitrine")

EXPORT_SECONDS = 2.0  # that one sending may take: the end of the service waits for the last


class Traces:
    """Where spans go.

    Args:
        endpoint: of a collector, without ``/v1/traces``.
        exporter: in its place, for tests.
    """

    def __init__(self, endpoint: str, exporter: SpanExporter | None = None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        version = metadata.version("vitrine-vae")
        own = Resource({"service.name": "vitrine", "service.version": version})
        # The variables of OpenTelemetry win: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        self._provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
        address = f"{endpoint.rstrip('/')}/v1/traces"
        exporter = exporter or OTLPSpanExporter(endpoint=address, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer("vitrine", version)

    def flush(self) -> None:
        """Send what waits."""
        self._provider.force_flush()

    def stop(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


def opened(endpoint: str) -> Traces | None:
    """Return where spans go; None, with a line in the log, if the packages are missing.

    Settings of ours are refused without them. A platform may write OpenTelemetry's variable for all.
    """
    if can_trace():
        return Traces(endpoint)
    log.warning("no traces are sent to %s: pip install 'vitrine-vae[otel]'", endpoint)
    return None


def traced(kind: type[Engine], tracer: Tracer) -> type[Engine]:
    """Return engines of a kind whose requests have spans, below the HTTP request's own."""

    class Traced(kind):  # type: ignore[misc,valid-type]
        def submit(self, work: Work[T]) -> asyncio.Future[T]:
            """Admit `work` as the engine does; see there."""
            from opentelemetry import context

            admitted: asyncio.Future[T] = super().submit(_traced(work, tracer, context.get_current()))
            return admitted

    return Traced


class _Times:
    """When the first rows of a stretch of work were made: they had their turn."""

    begun = 0


def _traced(work: Work[T], tracer: Tracer, above: Context) -> Work[T]:
    """Return the same work; what it does is told to the tracer as it ends."""

    def span(name: str, start: int, end: int, **attributes: Any) -> None:
        told = {f"vitrine.{key}": value for key, value in attributes.items()}
        tracer.start_span(name, above, start_time=start, attributes=told).end(end)

    def steps() -> Steps[T]:
        inner = work.steps()
        result: Array | None = None
        while True:
            started = time.time_ns()
            try:
                rows = next(inner) if result is None else inner.send(result)
            except StopIteration as end:
                if result is not None:
                    span("draw", started, time.time_ns())
                answer: T = end.value
                return answer
            if result is None and work.upload_cost:
                span("decode upload", started, time.time_ns())
            asked, times = time.time_ns(), _Times()
            result = yield _noting(rows, times)
            begun, done = times.begun or asked, time.time_ns()
            operation = rows.operation
            span("queue", asked, begun)
            span("compute", begun, done, model=operation.model, operation=operation.name, rows=rows.count)

    return dataclasses.replace(work, steps=steps)


def _noting(rows: Rows, times: _Times) -> Rows:
    """Return the same rows, which note when the first of them are made. That is when it is their turn."""

    def make(start: int, count: int) -> tuple[Array, ...]:
        times.begun = times.begun or time.time_ns()
        return rows.make(start, count)

    return dataclasses.replace(rows, make=make, cheap=False)  # what is cheap is made before its turn
