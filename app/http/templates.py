"""Answers that are text: pages from templates, Markdown, JSON. Each has an entity tag.

Links in pages are relative, so that they hold under whatever path a proxy offers the service.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from app.errors import VitrineError
from app.http import modules
from app.http.assets import vendor
from app.http.navigation import VIEWS

HERE = Path(__file__).resolve().parent.parent
TEMPLATES = Jinja2Templates(HERE / "templates")


def _plain(value: Any) -> str:
    """Return a number or a word without ``.0``."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _pretty(body: str) -> str:
    """Return JSON with line breaks, for people."""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


TEMPLATES.env.filters |= {"plain": _plain, "pretty": _pretty}
TEMPLATES.env.globals |= {"views": VIEWS, "modules_needed_by": modules.needed_by, "vendor": vendor}

HTML = "text/html; charset=utf-8"
MARKDOWN = "text/markdown; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


def up_from(request: Request) -> str:
    """Return the relative address of the service's root, as a page at the request's path writes it."""
    return "../" * (request.scope["path"].count("/") - 1) or "./"


def page(request: Request, template: str, context: dict[str, Any]) -> Response:
    """Return a page; its template knows ``up``, the service's root, beside the context."""
    content = TEMPLATES.get_template(template).render(request=request, up=up_from(request), **context)
    return text(request, content, HTML)


def problem_page(request: Request, problem: VitrineError) -> tuple[bytes, bytes]:
    """Return media type and body of a page that tells of a problem; see ``Middleware``."""
    shown = TEMPLATES.get_template("answer.html").render(
        request=request, problem=problem, up=up_from(request)
    )
    return HTML.encode(), shown.encode()


def text(request: Request, content: str | bytes, media_type: str) -> Response:
    """Return a text or a file that may have changed when it is asked for again; 304 if it has not."""
    body = content.encode() if isinstance(content, str) else content
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if etag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = media_type  # as it is: Starlette would add a charset
    return Response(body, headers=headers)


def as_json(request: Request, content: Any) -> Response:
    """Return JSON; see ``text``."""
    return text(request, compact(content), JSON)


def compact(content: Any) -> bytes:
    """Return JSON without spaces."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
