"""What answers at an address that has nothing: a page in a browser, a problem for programs."""

import functools

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import VitrineError
from app.http.accepts import preference
from app.http.middleware import as_problem
from app.http.templates import problem_page

GONE = (404, 410)
OF_PROGRAMS = (".json", ".md", ".txt")  # addresses that name their format, and have no other


class Missing:
    """Tells of a mistyped address as a page where ``Accept`` prefers HTML to JSON.

    Args:
        app: what answers requests for pages.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            VitrineError: what the application raises; the request's state has how a page tells of it.
            HTTPException: what routing refuses for another reason than that there is nothing.
        """
        try:
            await self._app(scope, receive, send)
        except (VitrineError, HTTPException) as error:
            status = error.status if isinstance(error, VitrineError) else error.status_code
            state = scope.setdefault("state", {})
            if status not in GONE or scope["method"] != "GET" or scope["path"].endswith(OF_PROGRAMS):
                raise
            if "problem_body" in state:  # a view, which answers people alone
                raise
            problem = error if isinstance(error, VitrineError) else as_problem(error, "")
            problem.headers = {**problem.headers, "Vary": "Accept"}
            if _wants_page(scope):
                state["problem_body"] = functools.partial(problem_page, Request(scope))
            if problem is error:
                raise
            raise problem from error


def _wants_page(scope: Scope) -> bool:
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    others = max(preference(each, accept) for each in ("application/problem+json", "application/json"))
    return preference("text/html", accept) > others
