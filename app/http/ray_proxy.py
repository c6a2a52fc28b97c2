"""What the HTTP proxy of Ray Serve does for this service, by its callback.

    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=app.http.ray_proxy:middlewares

The proxy answers for a replica that died with 500, and for a full queue with 503, neither with a Retry-After.
It reads the model of a request from a header alone.
"""

import secrets
from urllib.parse import parse_qs, quote

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NotReady

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
        """Pass a request on; answer 503 where nothing has been answered. What has begun is not completed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {name.lower() for name, _ in message["headers"]}
                if message["status"] == 503 and b"retry-after" not in names:
                    message = {**message, "headers": [*message["headers"], RETRY_AFTER]}
            await send(message)

        await self._app(with_model(scope), receive, sent)
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
            await send({"type": "http.response.start", "status": problem.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def with_model(scope: Scope) -> Scope:
    """Return a request whose header has the name of the model in its query, without the version."""
    if any(name.lower() in MODEL_HEADERS for name, _ in scope["headers"]):
        return scope
    values = parse_qs(scope["query_string"].decode("latin-1")).get("model", [""])
    name = values[0].partition("@")[0]
    if not name or not name.isascii() or not name.isprintable():
        return scope
    return {**scope, "headers": [*scope["headers"], (MODEL_HEADERS[0], name.encode())]}
