"""``/admin``: what only an operator may ask, by a key of its own. Without that there is none of it."""

import dataclasses
import json

from starlette.routing import Route

from app.access.callers import Callers
from app.access.refusals import KeyRequired
from app.errors import MethodNotAllowed
from app.http import queries
from app.http.guard import RELOAD, presented
from app.http.middleware import Receive, Scope, Send, send_answer
from app.service import Service


def routes(service: Service) -> list[Route]:
    """Return the routes of administration; none where no key of it is set.

    Raises:
        AccessError: the file with the key cannot be used.
    """
    path = service.settings.admin_key
    return [] if path is None else [Route(RELOAD, ReloadApp(service, Callers(path)))]


class ReloadApp:
    """Has the store looked at now, by POST; a plain ASGI application.

    Args:
        service: which reads its store again.
        operators: who may ask.
    """

    def __init__(self, service: Service, operators: Callers) -> None:
        self._service = service
        self._operators = operators

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer one request, which has no parameters.

        Raises:
            KeyRequired: it has no key of an operator; an API key is none.
            InvalidParameter: it has a parameter.
        """
        key = presented(scope["headers"])
        if scope["method"] != "OPTIONS" and (key is None or self._operators.find(key) is None):
            raise KeyRequired(given=key is not None)
        if scope["method"] != "POST":
            raise MethodNotAllowed({"POST"})
        queries.read(queries.Plain, scope["query_string"])
        done = dataclasses.asdict(await self._service.reload())
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send_answer(send, 200, headers, json.dumps(done, default=str).encode())
