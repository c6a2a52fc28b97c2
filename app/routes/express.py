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

from app import deps
from app.errors import VitrineError
from app.middleware import App, Receive, Scope, Send
from app.models import Model
from app.routes.pictures import Asked, ask_samples, ask_walk
from app.settings import Settings

Ask = Callable[[Any, Model, Settings], Asked]

MAX_QUERY = 512  # bytes; what is longer is no hurry, and shall not fill the memory of what was read before

ASKED_MOST: dict[str, tuple[type[BaseModel], Ask]] = {
    "/samples": (deps.SamplesQuery, ask_samples),
    "/interpolate": (deps.InterpolateQuery, ask_walk),
}


class Express:
    """Answers what is asked most itself, and hands everything else on.

    Args:
        app: what answers everything else.
        state: the service's, with ``settings`` and, once it has started, ``models`` and ``engine``.
        router: the service's, whose routes requests are counted under.
        answer_failure: makes the answer to one of our own errors, and to a client who has left.
    """

    def __init__(
        self, app: App, state: Any, router: APIRouter, answer_failure: Callable[[Scope, Exception], App]
    ) -> None:
        self._app = app
        self._state = state
        self._answer_failure = answer_failure
        self._routes = {path: route for route in router.routes if (path := getattr(route, "path", None))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = ASKED_MOST.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        state = self._state
        query_string = scope["query_string"]
        query = None
        if kind is not None and state.engine is not None and len(query_string) <= MAX_QUERY:
            query = _parsed(kind[0], query_string)
        if kind is None or query is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._routes[scope["path"]]
        try:
            finder = deps.ModelFinder(state.models, state.settings.default_model)
            asked = kind[1](query, await finder.find(query.model), state.settings)
            picture = await deps.Door(receive, state.engine).run(asked.work)
        except (VitrineError, ClientDisconnect) as error:
            await self._answer_failure(scope, error)(scope, receive, send)
            return
        headers = [
            (name.encode(), text.encode("latin-1")) for name, text in asked.headers_of(picture).items()
        ]
        headers += [(b"content-length", str(len(picture.png)).encode()), (b"content-type", b"image/png")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": picture.png})


@functools.lru_cache(maxsize=1024)  # many clients ask with the same words
def _parsed(model: type[BaseModel], query_string: bytes) -> Any:
    """Return the query, or None if anything about it is not in order."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        values = dict(pairs)
        return model.model_validate(values) if len(values) == len(pairs) else None
    except (ValidationError, ValueError):
        return None
