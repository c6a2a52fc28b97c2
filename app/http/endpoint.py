"""The short way of ``GET /samples`` and ``GET /interpolate``: plain ASGI, without the framework.

Routing, dependencies and responses of a framework take several times as long as a small picture does. This
takes the requests that are asked most if everything about them is in order, reads them by the same query
models and asks the same functions as the routes do. Whatever is not in order it leaves to the routes: they
alone know how to refuse, so a refusal reads the same whichever way it came.
"""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from app.errors import VitrineError
from app.http import queries as deps
from app.http.middleware import App, Receive, Scope, Send, send_answer
from app.http.pictures import Asked, prepare_samples, prepare_walk
from app.models import Model
from app.settings import Settings

Prepare = Callable[[Any, Model, Settings], Callable[[], Asked]]

ASKED = "vitrine.asked"  # where a scope carries what has been read of it
MAX_QUERY = 512  # bytes; what is longer is no hurry, and shall not fill the memory of what was read before

ASKED_MOST: dict[str, tuple[type[BaseModel], Prepare]] = {
    "/samples": (deps.SamplesQuery, prepare_samples),
    "/interpolate": (deps.InterpolateQuery, prepare_walk),
}


class Request:
    """A query in order, and what was prepared for it: many clients ask with the same words.

    Args:
        query: what was read.
        prepare: checks it against a model.
    """

    def __init__(self, query: Any, prepare: Prepare) -> None:
        self.query = query
        self._prepare = prepare
        self._prepared: dict[Model, Callable[[], Asked]] = {}

    def ask(self, model: Model, settings: Settings) -> Asked:
        """Ask `model` for a picture.

        Raises:
            VitrineError: the model, or a limit, does not let it be.
        """
        prepared = self._prepared.get(model)
        if prepared is None:
            prepared = self._prepared[model] = self._prepare(self.query, model, settings)
        return prepared()


class Express:
    """Answers what is asked most itself, and hands everything else on.

    Args:
        app: what answers everything else.
        envelope: what every answer passes; wraps an application.
        state: the service's, with ``settings`` and, once it has started, ``models`` and ``engine``.
        router: the service's, whose routes requests are counted under.
        answer_failure: makes the answer to one of our own errors, and to a client who has left.
    """

    def __init__(
        self,
        app: App,
        envelope: Callable[[App], App],
        state: Any,
        router: APIRouter,
        answer_failure: Callable[[Scope, Exception], App],
    ) -> None:
        self._app = app
        self._short_way = envelope(self._answer)
        self._state = state
        self._answer_failure = answer_failure
        self._read = functools.lru_cache(maxsize=1024)(read)
        self._routes = {path: route for route in router.routes if (path := getattr(route, "path", None))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] in ("GET", "HEAD") and self._state.engine is not None:
            path, query_string = scope["path"], scope["query_string"]
            if path in ASKED_MOST and len(query_string) <= MAX_QUERY:
                request = self._read(path, query_string)
                if request is not None:
                    scope["route"] = self._routes[path]
                    scope[ASKED] = request
                    await self._short_way(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a query that has been read."""
        request: Request = scope[ASKED]
        state = self._state
        try:
            finder = deps.ModelFinder(state.models, state.settings.default_model)
            # Before anything is awaited: the service may end meanwhile.
            door = deps.Door(receive, state.engine)
            asked = request.ask(await finder.find(request.query.model), state.settings)
            picture = await door.run(asked.work)
        except (VitrineError, ClientDisconnect) as error:
            await self._answer_failure(scope, error)(scope, receive, send)
            return
        headers = asked.headers_of(picture)
        headers.append((b"content-type", b"image/png"))
        await send_answer(send, 200, headers, picture.png)


def read(path: str, query_string: bytes) -> Request | None:
    """Return what was asked for at one of ``ASKED_MOST``, or None if anything about it is not in order."""
    model, prepare = ASKED_MOST[path]
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        values = dict(pairs)
        return Request(model.model_validate(values), prepare) if len(values) == len(pairs) else None
    except (ValidationError, ValueError):
        return None
