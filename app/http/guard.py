"""What lets a request in where one needs an API key or a signed address.

It stands around the router, and only where a setting asks for it. What it refuses becomes an answer in
``app.http.middleware``.
"""

import functools
from collections.abc import Iterable

from app.access import signing
from app.access.callers import Caller, Callers, current
from app.access.files import WatchedFile
from app.access.refusals import KeyRequired, SignatureRequired
from app.engine.shares import asking
from app.http.inference import as_error
from app.http.middleware import App, Message, RawHeaders, Receive, Scope, Send
from app.settings import Settings

RELOAD = "/admin/reload"  # which asks for a key of its own
# What says that the service lives, and explains its answers. None of it computes.
_OPEN = frozenset(
    {
        RELOAD,
        "/livez",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/robots.txt",
        "/docs",
        "/openapi.json",
        "/problems.json",
    }
)
_OPEN_BELOW = ("/problems", "/manual", "/static")
SIGNATURE = "signature"  # where the request's state has what `Signed` found
_METRICS = "/metrics"
_VARY = (b"vary", b"authorization, x-api-key")


def is_open(path: str) -> bool:
    """Say whether everybody may ask a path."""
    return path in _OPEN or any(path == each or path.startswith(f"{each}/") for each in _OPEN_BELOW)


class Guard:
    """Lets in requests with an API key, and those that need none.

    Args:
        app: what answers.
        settings: what an operator has set; `restricted`.

    Raises:
        AccessError: a file of keys cannot be used.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._callers = Callers(settings.api_keys, settings.workers) if settings.api_keys else None
        self._secrets = WatchedFile(settings.url_key, signing.parse) if settings.url_key else None
        self._open_metrics = settings.open_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or self._needs_nothing(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith("/v2/") or scope["path"] == "/v2":
            scope["state"]["problem_body"] = as_error
        signature = scope["state"].get(SIGNATURE)
        if signature is not None and scope["method"] == "GET" and self._secrets is not None:
            left = signing.verify(self._secrets.value, scope["path"], scope["query_string"], signature)
            await self._app(scope, receive, functools.partial(_send_for_seconds, send, left))
            return
        await self._answer(self._caller(scope), scope, receive, send)

    def _needs_nothing(self, scope: Scope) -> bool:
        """Say whether a request needs no key: OPTIONS, which browsers send without one, and what is open."""
        path = scope["path"]
        return scope["method"] == "OPTIONS" or is_open(path) or (self._open_metrics and path == _METRICS)

    def _caller(self, scope: Scope) -> Caller:
        """Return whose key a request has.

        Raises:
            AccessRefused: it has none that is known.
        """
        if self._callers is None:
            raise SignatureRequired
        key = presented(scope["headers"])
        caller = None if key is None else self._callers.find(key)
        if caller is None:
            raise KeyRequired(given=key is not None)
        return caller

    async def _answer(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        budget = caller.budget

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*_for_one(message.get("headers", ())), _VARY]
                if budget is not None:
                    headers += [(k.lower().encode(), v.encode()) for k, v in budget.headers().items()]
                message = {**message, "headers": headers}
            await send(message)

        token = current.set(caller)
        asked = asking.set(caller.key.name)
        try:
            await self._app(scope, receive, send_on)
        finally:
            asking.reset(asked)
            current.reset(token)


class Signed:
    """Takes signatures out of queries, for the guard to verify: no log and no parameter ever has one.

    Args:
        app: what answers, the guard within it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            rest, signature = signing.lift(scope["query_string"])
            if signature is not None:
                scope.setdefault("state", {})[SIGNATURE] = signature
                scope["query_string"] = rest  # of the server's own scope, as it is what an access log has
        await self._app(scope, receive, send)


async def _send_for_seconds(send: Send, seconds: int, message: Message) -> None:
    """Send a message of an answer that nobody may keep for longer than some seconds."""
    if message["type"] == "http.response.start":
        headers = [
            (
                name,
                b"public, max-age=%d" % seconds
                if name == b"cache-control" and b"max-age" in value
                else value,
            )
            for name, value in message.get("headers", ())
        ]
        message = {**message, "headers": headers}
    await send(message)


def presented(headers: RawHeaders) -> bytes | None:
    """Return the key that a request has, None if it has none; ``Authorization`` wins."""
    other = None
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
        if name == b"x-api-key":
            other = value.strip()
    return other


def _for_one(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return headers that keep an answer out of caches that serve others, who may have no key."""
    headers = list(headers)
    found = [value for name, value in headers if name == b"cache-control"]
    if not found:
        return [*headers, (b"cache-control", b"private")]
    if b"no-store" in found[0]:
        return headers
    own = found[0].removeprefix(b"public, ")
    rest = [header for header in headers if header[0] != b"cache-control"]
    return [*rest, (b"cache-control", b"private, " + own)]
