"""What Ray Serve's HTTP servers, the proxy's and each replica's, do for this service: Serve's callback.

    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=app.http.ray_proxy:middlewares

The proxy answers for a replica that died with 500, and for a full queue with 503, neither with a Retry-After.
It reads the model of a request from a header alone. Both servers are uvicorn's, which writes the head of an
answer before its body: a replica that is killed in between leaves half an answer, which nobody can ask again.
"""

import logging
import secrets
from typing import Any, Protocol
from urllib.parse import parse_qs, quote

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NotReady

log = logging.getLogger("vitrine")

MODEL_HEADERS = (b"serve_multiplexed_model_id", b"serve-multiplexed-model-id")
MAX_PATH = 200  # characters of it in a problem
RETRY_AFTER = (b"retry-after", b"1")  # seconds: other replicas are there at once
LOST = "The replica that had this request is gone. Ask again."


def middlewares() -> list[Middleware]:
    """Return what the proxy wraps itself in."""
    return [Middleware(Proxied)]


class Proxied:
    """The proxy, which reads the model from the query and says when to ask again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer 503 where nothing has been answered. What has begun is not completed.

        The head of an answer waits for the body, or its first part.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, head = False, None

        async def sent(message: Message) -> None:
            nonlocal started, head
            if message["type"] == "http.response.start":
                head = _with_retry_after(message)
                return
            started = True
            if head is None:
                await send(message)
                return
            first, head = head, None
            await send_together(send, first, message)

        try:
            await self._app(with_model(scope), receive, sent)
        except Exception:
            if started:  # too late for another answer: the server cuts the connection
                raise
            log.exception("a request was lost before it was answered")
        if not started:
            request_id = secrets.token_hex(8)
            problem = NotReady(LOST)
            body = problem.as_json(quote(scope["path"])[:MAX_PATH], request_id, scope.get("root_path", ""))
            headers = [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"x-request-id", request_id.encode()),
                RETRY_AFTER,
            ]
            start = {"type": "http.response.start", "status": problem.status, "headers": headers}
            await send_together(send, start, {"type": "http.response.body", "body": body})


def _with_retry_after(start: Message) -> Message:
    headers = start.get("headers", ())
    if start["status"] == 503 and b"retry-after" not in {name.lower() for name, _ in headers}:
        return {**start, "headers": [*headers, RETRY_AFTER]}
    return start


class _Transport(Protocol):
    """What uvicorn sends an answer by."""

    def write(self, content: bytes) -> None: ...
    def close(self) -> None: ...


class _Held:
    """A transport that waits with what is written, and then writes it at once."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._closing = False

    def write(self, content: bytes) -> None:
        self._parts.append(content)

    def close(self) -> None:
        self._closing = True

    def __getattr__(self, name: str) -> Any:  # what a uvicorn to come may use: in order, then
        self.release()
        return getattr(self._transport, name)

    def release(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()
        if self._closing:
            self._transport.close()


async def send_together(send: Send, *messages: Message) -> None:
    """Send messages of one answer in one write, where `send` is uvicorn's; else one after the other."""
    cycle = getattr(send, "__self__", None)
    transport: _Transport | None = getattr(cycle, "transport", None)
    if cycle is None or transport is None:
        for message in messages:
            await send(message)
        return
    cycle.transport = held = _Held(transport)
    try:
        for message in messages:
            await send(message)
    finally:
        cycle.transport = transport
        held.release()


def with_model(scope: Scope) -> Scope:
    """Return a request whose header has the name of the model in its query, without the version."""
    if any(name.lower() in MODEL_HEADERS for name, _ in scope["headers"]):
        return scope
    values = parse_qs(scope["query_string"].decode("latin-1")).get("model", [""])
    name = values[0].partition("@")[0]
    if not name or not name.isascii() or not name.isprintable():
        return scope
    return {**scope, "headers": [*scope["headers"], (MODEL_HEADERS[0], name.encode())]}
