"""The manual: the project's own documents as pages, each with the Markdown that it was made of.

An installation carries them in ``app/manual``, in the folders that they have in the project, so that links
among them hold as they are. A page has the address of its file without ``.md``.
"""

import functools
import mimetypes
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.errors import AddressNotFound, VitrineError
from app.http import markdown
from app.http.markdown import Article
from app.http.templates import HERE, MARKDOWN, page, text, up_from
from app.service import Service

MANUAL = HERE / "manual"
FIRST = ("README", "docs/glossary")  # on the list of pages; the others follow by their titles
LAST = ("model_store/README", "benchmarks/README", "CHANGELOG")
STORE = "model_store/"  # what documents call the store that the service reads
DEFAULT = "http://127.0.0.1:8000/"  # what documents call a service with default settings
NOTEBOOK = "application/x-ipynb+json"  # not known to the standard library


class Entry(NamedTuple):
    """A page on the list of pages."""

    name: str  # its address below ``/manual/``
    title: str
    summary: str  # one sentence


@functools.cache
def files() -> Mapping[str, Path]:
    """Return every file of the manual by its path in the project."""
    found = {}
    for folder, _, names in os.walk(MANUAL, followlinks=True):  # in a checkout these are links
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(MANUAL).as_posix()] = path
    return MappingProxyType(found)


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Return the pages that lists have, in order: all but those below a document's own folder."""
    found = {}
    for path in files():
        name, kind = posixpath.splitext(path)
        if kind == ".md" and path.count("/") < 2:
            article = markdown.render(files()[path].read_text(encoding="utf-8"))
            found[name] = Entry(name, article.title, article.summary)
    between = sorted(found.keys() - {*FIRST, *LAST}, key=lambda name: found[name].title)
    return tuple(found[name] for name in (*FIRST, *between, *LAST) if name in found)


def router(service: Service) -> APIRouter:
    """Return the routes of the manual."""
    router = APIRouter(include_in_schema=False)

    @functools.cache
    def article(name: str) -> Article:
        source = files()[f"{name}.md"].read_text(encoding="utf-8")
        return markdown.render(source, functools.partial(_link, service, name))

    @router.get("/manual")
    def contents(request: Request) -> Response:
        """List the pages."""
        return page(request, "manual.html", {"entries": entries()})

    @router.get("/manual.md")
    def contents_as_markdown(request: Request) -> Response:
        lines = (f"- [{each.title}](manual/{each.name}.md): {each.summary}" for each in entries())
        return text(request, "\n".join(["# Manual", "", *lines, ""]), MARKDOWN)

    @router.get("/manual/{path:path}")
    def document(request: Request, path: str) -> Response:
        """Show a page, or the file that a page was made of or shows."""
        if f"{path}.md" in files():
            context = {"article": article(path), "twin": f"{posixpath.basename(path)}.md"}
            return page(request, "document.html", context)
        if path in files():
            return text(request, files()[path].read_bytes(), _media_type(path))
        if not path:
            return RedirectResponse("../manual", 308)
        published = _published(service, path)
        if published is None:
            raise AddressNotFound("The manual has no such page: see /manual for all of them.")
        return RedirectResponse(up_from(request) + published, 307)

    return router


def _media_type(path: str) -> str:
    own = {".md": MARKDOWN, ".ipynb": NOTEBOOK}
    return own.get(posixpath.splitext(path)[1]) or mimetypes.guess_type(path)[0] or "text/plain"


def _link(service: Service, name: str, address: str) -> str | None:
    """Return where a link in the page `name` leads from there; None: nowhere on this service.

    What a document asks of a service with default settings, its page asks of this one.
    """
    root = "../" * (name.count("/") + 1)
    if address.startswith(DEFAULT):
        return root + address.removeprefix(DEFAULT)
    target, mark, fragment = address.partition("#")
    if not target or ":" in target:  # a place of the same page, another host
        return address
    folder = posixpath.dirname(name)
    path = posixpath.normpath(posixpath.join(folder, target))
    if path in files():
        return target.removesuffix(".md") + mark + fragment
    published = _published(service, path)
    return None if published is None else root + published.removesuffix(".md")


def _published(service: Service, path: str) -> str | None:
    """Return the address, from the service's root, of a file of a published version; None: not served."""
    model, _, rest = path.removeprefix(STORE).partition("/")
    number, _, file = rest.partition("/")
    if not path.startswith(STORE) or not file:
        return None
    try:
        version = service.models.find(f"{model}@{number}")
    except VitrineError:
        return None
    address = f"models/{model}/versions/{number}"
    if file in ("card", "card.md"):
        return address + file.removeprefix("card")
    return f"{address}/files/{file}" if file in {each.path for each in version.manifest.files} else None
