"""A span for each request, below that of the client where it sends ``traceparent`` (W3C Trace Context)."""

from typing import TYPE_CHECKING

from app.http.middleware import App, Message, Receive, Scope, Send
from app.service import Service

if TYPE_CHECKING:
    from opentelemetry.trace import Span

CARRIED = (b"traceparent", b"tracestate")


class Traced:
    """Has the tracer of a service know each request; what answers it is not touched.

    Args:
        app: what answers.
        service: whose traces there are, once it has started.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        traces = self._service.traces
        if scope["type"] != "http" or traces is None:
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carried = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CARRIED
        }
        with traces.tracer.start_as_current_span(
            scope["method"],
            context=TraceContextTextMapPropagator().extract(carried),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
        ) as span:

            async def send_on(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _tell(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, send_on)


def _tell(span: "Span", scope: Scope, status: int) -> None:
    """Tell a span what became of its request."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    if request_id := scope.get("state", {}).get("request_id"):
        span.set_attribute("vitrine.request_id", request_id)
    if route := getattr(scope.get("route"), "path", None):
        span.set_attribute("http.route", route)
        span.update_name(f"{scope['method']} {route}")
    if status >= 500:
        span.set_status(StatusCode.ERROR)
