"""Answers for pages of other origins (CORS): those that the operator names, and no other.

There are no cookies, so credentials of browsers are never allowed: a page sends an API key as a header of its
own. This layer stands around all others, so that refusals are readable too.
"""

from collections.abc import Iterable

from app.http.middleware import App, Message, RawHeaders, Receive, Scope, Send
from app.http.pictures import PICTURES

METHODS = b"GET, HEAD, POST, OPTIONS"
REQUEST_HEADERS = (
    b"authorization, content-type, if-none-match, inference-header-content-length, x-api-key, x-request-id"
)
MAX_AGE = b"600"  # seconds that a browser keeps what a preflight said; an origin may be taken off the list
_EXPOSED = (
    "content-location",
    "etag",
    "inference-header-content-length",
    "link",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "www-authenticate",
    "x-grid",
    "x-model",
    "x-notes",
    "x-request-id",
    "x-seed",
)
_VARY = (b"vary", b"origin")


def exposed() -> bytes:
    """Return the names of headers that pages may read, those of all pictures' facts among them."""
    facts = {f"x-{name}" for endpoint in PICTURES for name in endpoint.facts}
    return ", ".join(sorted({*_EXPOSED, *facts})).encode()


class CrossOrigin:
    """Lets pages of some origins read the answers of an application.

    Args:
        app: what answers.
        origins: exactly as browsers send them: scheme, host, and a port that is not the scheme's own.
    """

    def __init__(self, app: App, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._exposed = exposed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = {
            name: value
            for name, value in scope["headers"]
            if name in (b"origin", b"access-control-request-method")
        }
        own = self._own(scope["method"], asked)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                if len(own) > 1:  # in the place of what planes allow everybody: two origins are none
                    headers = [header for header in headers if not header[0].startswith(b"access-control-")]
                message = {**message, "headers": [*headers, *own]}
            await send(message)

        await self._app(scope, receive, send_on)

    def _own(self, method: str, asked: dict[bytes, bytes]) -> RawHeaders:
        """Return the headers to be added; of an origin that is not named, that another may get others."""
        origin = asked.get(b"origin")
        if origin not in self._origins or origin is None:
            return [_VARY]
        own = [_VARY, (b"access-control-allow-origin", origin)]
        if method == "OPTIONS" and b"access-control-request-method" in asked:
            return [
                *own,
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", REQUEST_HEADERS),
                (b"access-control-max-age", MAX_AGE),
            ]
        return [*own, (b"access-control-expose-headers", self._exposed)]
