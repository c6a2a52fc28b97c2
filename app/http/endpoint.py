"""The one way of every picture: read the query, find the model, prepare the work, compute, answer.

Many clients ask with the same words, and take a fast path: the query that was read, what was prepared of it
for a model, and refusals of either are kept. A picture that the cache keeps (``app.cache``) is not computed.
Plain ASGI: routing, dependencies and responses of a framework take several times as long as a small picture.
"""

import abc
import asyncio
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request

from app.cache import Key
from app.engine.engine import Engine
from app.engine.work import Work
from app.errors import InvalidParameter, MethodNotAllowed, ModelNotFound, Overloaded, VitrineError
from app.explore.grids import Answer
from app.http import queries
from app.http.clients import note_client
from app.http.middleware import BY_QUEUE, RawHeaders, Receive, Scope, Send, send_answer
from app.http.refusals import remember_served
from app.http.uploads import Body
from app.models import Model
from app.service import Service
from app.settings import Settings

T = TypeVar("T")

MAX_QUERY = 512  # bytes; a longer one is no hurry, and shall not fill the memory of what was read before
PATIENCE_SECONDS = 0.05  # how long a request goes on before anybody looks whether its client is still there


@dataclasses.dataclass(frozen=True)
class PreparedPicture:
    """A checked request: the work that remains, and the answer's headers but for those of the picture."""

    work: Work[Answer]
    headers: RawHeaders
    key: Key | None = None  # of a picture whose address is permanent: where the cache keeps it
    etag: bytes | None = None  # its entity tag

    def headers_of(self, answer: Answer) -> RawHeaders:
        """Return the answer's headers, but for its length."""
        own = [(b"x-" + name.encode(), fact.encode()) for name, fact in answer.facts]
        own.append((b"content-type", answer.media_type.encode()))
        if answer.notes:
            own.append((b"x-notes", "; ".join(answer.notes).encode("latin-1")))
        return self.headers + own


MakePicture = Callable[..., PreparedPicture]  # () -> it, or body -> it if the endpoint takes a body


class Prepare(Protocol):
    """Checks a query against a model and the limits; an endpoint that compares has a second model.

    Returns a function that every such request calls, with what was read of its body if there is to be one.

    Raises:
        VitrineError: the model, or a limit, does not let it be.
    """

    def __call__(self, query: Any, *models_and_settings: Any) -> MakePicture: ...  # noqa: D102


@dataclasses.dataclass(frozen=True)
class PictureEndpoint:
    """What there is to know of one picture over HTTP; see ``app.http.pictures``."""

    path: str  # its address; with a format behind it (``.png``) too
    query: type[queries.ModelQuery]  # the parameters it takes
    prepare: Prepare  # what makes work of them
    summary: str  # half a sentence, for the API documentation
    description: str  # the rest
    body: Body | None = None  # it is asked by POST, with this
    # By name, what X- headers say beside the grid.
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refusals: tuple[type[VitrineError], ...] = ()  # kinds of problems beside those of every picture

    @property
    def method(self) -> str:
        """The one HTTP method that it is asked by; HEAD is GET without a body."""
        return "POST" if self.body else "GET"


class _ParsedQuery:
    """A query string that has been read, and what was prepared of it; or the refusals of either."""

    def __init__(self, endpoint: PictureEndpoint, query_string: bytes, suffix: str | None) -> None:
        self.body = endpoint.body
        self._prepare = endpoint.prepare
        self._prepared: dict[tuple[Model, ...], MakePicture | VitrineError] = {}
        self._query: queries.ModelQuery | VitrineError
        try:
            self._query = queries.read(endpoint.query, query_string, suffix)
        except VitrineError as refusal:
            self._query = _to_keep(refusal)

    @property
    def query(self) -> queries.ModelQuery:
        """The query, or else the refusal of it, raised."""
        return _or_raise(self._query)

    def prepared(self, models: tuple[Model, ...], settings: Settings) -> MakePicture:
        """Return what asks models for a picture, or raise its refusal."""
        found = self._prepared.get(models)
        if found is None:
            try:
                found = self._prepare(self.query, *models, settings)
            except InvalidParameter as refusal:
                found = _to_keep(refusal)
            if not any(model.retired for model in models):  # nobody else would ever let go of it
                self._prepared[models] = found
        return _or_raise(found)


def _to_keep(refusal: VitrineError) -> VitrineError:
    """Return a refusal without what led to it: frames, which would keep their request and its body alive."""
    refusal.__context__ = None
    return refusal.with_traceback(None)


def _or_raise(found: T | VitrineError) -> T:
    """Return what was found, or raise it if it is a refusal; the middleware clears its traceback again."""
    if isinstance(found, VitrineError):
        raise found
    return found


class AnsweringApp(abc.ABC):
    """What answers requests for pictures, however it prepares them; a plain ASGI application.

    Args:
        service: what answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one whose If-None-Match names what it would get by 304 (RFC 9110, 13.1.2)."""
        engine, prepared = await self._prepare(scope, receive)
        known = [value for name, value in scope["headers"] if name == b"if-none-match"]
        if known and prepared.etag is not None and any(prepared.etag in value for value in known):
            await send_answer(send, 304, prepared.headers, b"")
            return
        answer = await self._compute(engine, prepared, scope, receive)
        # Whether there is any, as ``*`` asks, only the work finds out: it may be refused.
        if known and prepared.etag is not None and known[0].strip() == b"*":
            await send_answer(send, 304, prepared.headers, b"")
            return
        await send_answer(send, 200, prepared.headers_of(answer), answer.content)

    async def draw(self, scope: Scope, receive: Receive) -> Answer:
        """Return the picture that one request asks for; or raise its refusal."""
        return await self._compute(*await self._prepare(scope, receive), scope, receive)

    @abc.abstractmethod
    async def _prepare(self, scope: Scope, receive: Receive) -> tuple[Engine, PreparedPicture]:
        """Return what is prepared of a request, and what is to compute it; or raise its refusal."""

    async def _compute(
        self, engine: Engine, prepared: PreparedPicture, scope: Scope, receive: Receive
    ) -> Answer:
        """Return what was prepared, kept or computed; or raise its refusal."""
        cache, key = self._service.cache, prepared.key
        if key is not None and (kept := cache.find(key)) is not None:
            remember_served(scope)
            return kept
        note_client(scope)
        try:
            if key is None:
                future = engine.submit(prepared.work)
            else:
                future = cache.submit(key, functools.partial(engine.submit, prepared.work))
                remember_served(scope)
            return await result_of(future, receive)
        except Overloaded as refusal:
            scope["state"][BY_QUEUE] = refusal
            raise


class PictureApp(AnsweringApp):
    """The picture endpoints at one path of a running service.

    Args:
        endpoints: one for each method.
        service: what answers.
    """

    def __init__(self, endpoints: Iterable[PictureEndpoint], service: Service) -> None:
        super().__init__(service)
        self._remembered = {
            endpoint.method: functools.lru_cache(maxsize=1024)(functools.partial(_ParsedQuery, endpoint))
            for endpoint in endpoints
        }
        service.when_unloaded.append(self._forget)

    def _forget(self) -> None:
        """Keep no query any more: what was prepared of one keeps the model alive that it was prepared for."""
        for remembered in self._remembered.values():
            remembered.cache_clear()

    async def _prepare(self, scope: Scope, receive: Receive) -> tuple[Engine, PreparedPicture]:
        """Return what is prepared of a request, and what is to compute it; or raise its refusal."""
        service, remembered = self._service, self._remembered.get(scope["method"])
        if remembered is None:
            raise MethodNotAllowed(self._remembered)
        query_string, suffix = scope["query_string"], scope["path_params"].get("format")
        if suffix is not None:
            queries.check_format(suffix)  # before it can be part of what is kept
        parsed = (remembered if len(query_string) <= MAX_QUERY else remembered.__wrapped__)(
            query_string, suffix
        )
        query = parsed.query
        engine = service.engine  # before anything is awaited: the service may end meanwhile
        models: tuple[Model, ...] = (await service.find(query.model),)
        for name, reference in query.others.items():
            try:
                models += (await service.find(reference),)
            except ModelNotFound as refusal:
                refusal.name_parameter(name)
                raise
        if parsed.body is None:
            return engine, parsed.prepared(models, service.settings)()
        sent = await parsed.body.read(Request(scope, receive), service.settings)
        return engine, parsed.prepared(models, service.settings)(sent)


async def result_of(future: "asyncio.Future[T]", receive: Receive) -> T:
    """Return the result of `future`, or cancel it and raise ClientDisconnect when the client leaves.

    The request's body must be read.
    """
    if future.done():
        return future.result()
    watching: list[asyncio.Task[None]] = []

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        future.cancel()

    # A watcher costs more than most pictures take, so that only a client who waits gets one.
    loop = asyncio.get_running_loop()
    timer = loop.call_later(PATIENCE_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        return await future
    except asyncio.CancelledError:
        if watching and watching[0].done():
            raise ClientDisconnect from None
        future.cancel()  # the request's own task was
        raise
    finally:
        timer.cancel()
        for task in watching:
            task.cancel()
