"""What lets a request in where one needs an API key or a signed address.

It stands around the router, and only where a setting asks for it. What it refuses becomes an answer in
``app.http.middleware``.
"""

from collections.abc import Iterable

from app.access.callers import Caller, Callers, current
from app.access.refusals import KeyRequired
from app.http.inference import as_error
from app.http.middleware import App, Message, RawHeaders, Receive, Scope, Send
from app.settings import Settings

# What says that the service lives, and explains its answers. None of it computes.
_OPEN = frozenset(
    {
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
        self._open_metrics = settings.open_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or self._needs_nothing(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith("/v2/") or scope["path"] == "/v2":
            scope["state"]["problem_body"] = as_error
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
        presented = _presented(scope["headers"])
        caller = self._callers.find(presented) if self._callers and presented is not None else None
        if caller is None:
            raise KeyRequired(given=presented is not None)
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
        try:
            await self._app(scope, receive, send_on)
        finally:
            current.reset(token)


def _presented(headers: RawHeaders) -> bytes | None:
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
