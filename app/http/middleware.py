"""What every request passes: id, headers, HEAD, metrics, and the place where every exception is answered.

Plain ASGI: one wrapper around ``send``, no task of its own.
"""

import errno
import functools
import logging
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.errors import (
    AddressNotFound,
    DeadlinePassed,
    MethodNotAllowed,
    OutOfResources,
    Overloaded,
    VitrineError,
    echo,
)
from app.http.clients import client_of, plain
from app.http.refusals import hold_back, refusals_of
from app.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]  # names in lower case

log = logging.getLogger("vitrine")
requests_log = logging.getLogger("vitrine.requests")

NO_THREAD = "can't start new thread"  # what the interpreter says of a system that has no memory for one
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # of the process, of the system; or no memory
BY_QUEUE = "refused_by_queue"  # in a request's state: the refusal, which others like it would get, too
CLIENT_LEFT = 499  # for the metrics alone: nobody reads the answer

# Ids tell requests apart and keep no secret: asking the system for each would take longer than parsing it.
_ids = random.Random()  # noqa: S311
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


async def send_answer(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    """Send a whole answer; its length is added to the headers, but for 204 and 304, which have no body."""
    if status not in (204, 304):
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Middleware:
    """Gives a request its id and an answer the security headers, HEAD what GET has, and counts all of it.

    An exception that nobody has answered becomes an answer here: ``application/problem+json``, or what the
    endpoint has put a function for into the request's state: ``problem_body``, (error) -> (media type, body).

    Args:
        app: what answers.
        metrics: where requests and problems are counted.
        root_path: path under which a proxy offers the service; whether it strips it or not.
        access_log: write a line for every request.
        embedding: which sites may show answers in their pages: the value of Cross-Origin-Resource-Policy.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        root_path: str = "",
        access_log: bool = False,
        embedding: str = "cross-origin",
    ) -> None:
        self._app = app
        self._security = [*SECURITY_HEADERS, (b"cross-origin-resource-policy", embedding.encode())]
        self._metrics = metrics
        self._root_path = root_path
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, functools.partial(_send_reason, send))
            return
        started = time.perf_counter()
        method = scope["method"]
        head = method == "HEAD"
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        if head:  # in a copy: the server must go on knowing that no body is to follow
            scope = {**scope, "method": "GET"}
        if self._root_path and f"{scope['path']}/".startswith(f"{self._root_path}/"):  # the proxy kept it
            scope = {**scope, "path": scope["path"][len(self._root_path) :]}
        status = 0  # until the answer has begun

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                own = {name for name, _ in headers}
                headers += [header for header in self._security if header[0] not in own]
                message["headers"] = [*headers, (b"x-request-id", request_id.encode())]
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            if not scope["path"]:  # whose links, which are relative, would lead out of it
                await send_answer(send_on, 308, [(b"location", self._root_path.encode() + b"/")], b"")
            else:
                await self._app(scope, receive, send_on)
        except Exception as error:
            if status:  # too late for another answer: let the server cut the connection
                raise
            answer = self._answer_to(error, scope, request_id)
            if isinstance(error, Overloaded) and scope["state"].get(BY_QUEUE) is error:
                if type(error) is Overloaded:  # of other kinds, each client has its own
                    self._keep(error, answer, scope)
                await hold_back(scope, error)
            await send_answer(send_on, *answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._count(scope, method, route, status or CLIENT_LEFT, time.perf_counter() - started)

    def _count(self, scope: Scope, method: str, route: str, status: int, seconds: float) -> None:
        self._metrics.observe_request(method if method in _METHODS else "_OTHER", route, status, seconds)
        if self._access_log:
            _log_request(scope, method, status, seconds)

    def _keep(self, refusal: Overloaded, answer: tuple[int, RawHeaders, bytes], scope: Scope) -> None:
        """Have a refusal by the queue answer others that would get the same."""
        kept = refusals_of(scope)
        if kept is None:
            return
        status, headers, body = answer
        route = getattr(scope.get("route"), "path", "none")

        def tell(other: Scope, seconds: float) -> None:
            refusal.refused(client_of(other))
            self._metrics.count_problem(refusal.kind)
            self._count(other, "GET", route, status, seconds)

        headers = [*headers, *self._security, (b"content-length", b"%d" % len(body))]
        kept.keep(scope, headers, body, refusal, tell)

    def _answer_to(self, error: Exception, scope: Scope, request_id: str) -> tuple[int, RawHeaders, bytes]:
        """Return status, headers and body of the answer to an exception."""
        if isinstance(error, ClientDisconnect):
            return CLIENT_LEFT, [], b""
        problem = error if isinstance(error, VitrineError) else as_problem(error, request_id)
        if scope["method"] == "OPTIONS":  # which every address answers by what it takes
            if scope["path"] == "*":  # the service as a whole
                problem = MethodNotAllowed({"GET", "POST"})
            if isinstance(problem, MethodNotAllowed):
                return 204, [(b"allow", problem.headers["Allow"].encode())], b""
        if problem.status >= 500 and problem.status != 503:
            # A deadline that passes is foreseen, and no frame says more about it.
            frames = None if isinstance(problem, DeadlinePassed) else problem
            fields = {"request_id": request_id}
            log.error("request %s: %s", request_id, problem.detail, exc_info=frames, extra={"fields": fields})
        self._metrics.count_problem(problem.kind)
        problem.__traceback__ = None  # a refusal may be kept, and its frames hold the whole request
        kind, body = self._body_of(problem, scope, request_id)
        headers = [(b"cache-control", b"no-store"), (b"content-type", kind)]
        headers += [(name.lower().encode(), text.encode("latin-1")) for name, text in problem.headers.items()]
        return problem.status, headers, body

    def _body_of(self, problem: VitrineError, scope: Scope, request_id: str) -> tuple[bytes, bytes]:
        """Return media type and body of a problem."""
        if own := scope["state"].get("problem_body"):
            try:
                found: tuple[bytes, bytes] = own(problem)
                return found
            except Exception:  # a page whose template cannot be read, for one
                log.warning(
                    "request %s: its problem is told as JSON", request_id, exc_info=problem.status != 503
                )
        body = problem.as_json(echo(scope["path"]), request_id, self._root_path)
        return b"application/problem+json", body


def _log_request(scope: Scope, method: str, status: int, seconds: float) -> None:
    """Write the line of a request that has been answered."""
    client = scope.get("client")
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    target = (path + b"?" + query if query else path).decode("ascii", "backslashreplace")
    peer = f"{plain(client[0])}:{client[1]}" if client else "-"
    fields = {
        "request_id": scope["state"]["request_id"],
        "client": peer,
        "method": method,
        "target": target,
        "status": status,
        "seconds": round(seconds, 6),
    }
    requests_log.info(
        '%s - "%s %s HTTP/%s" %d',
        *(peer, method, target, scope.get("http_version", "1.1"), status),
        extra={"fields": fields},
    )


async def _send_reason(send: Send, message: Message) -> None:
    """Send a message of the service's start or end; of a failure that is foreseen, one line and no frames.

    Starlette sends it while it handles the exception.
    """
    error = sys.exc_info()[1]
    if "message" in message and isinstance(error, VitrineError):
        message = {**message, "message": error.detail}
    await send(message)


def as_problem(error: Exception, request_id: str) -> VitrineError:
    """Return one of our own errors for what routing refuses, or for what nobody foresaw.

    Args:
        error: none of our own.
        request_id: that the log knows the request by.
    """
    if (
        isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and str(error) == NO_THREAD)
        or (isinstance(error, OSError) and error.errno in NO_DESCRIPTOR)
    ):
        return OutOfResources()
    if not isinstance(error, HTTPException):
        unforeseen = VitrineError(f"The log names the cause under request {request_id}.")
        unforeseen.__cause__ = error
        return unforeseen
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return AddressNotFound("See / for the pictures and /docs for every address.")
    if error.status_code == 405:  # of static files, without a header
        return MethodNotAllowed(headers.get("Allow", "GET").split(", "))
    refusal = VitrineError(error.detail, headers=headers)
    refusal.status = error.status_code
    return refusal


def _request_id(scope: Scope) -> str:
    """Return the client's request id if it is harmless, else a new one."""
    given: bytes
    for name, given in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(given):
            return given.decode()
    return new_request_id()


def new_request_id() -> str:
    """Return an id for a request whose client has given none."""
    return f"{_ids.getrandbits(64):016x}"
