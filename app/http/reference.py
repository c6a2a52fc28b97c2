"""``/docs``: the reference of all addresses as a page, made of the OpenAPI document.

It is rendered when somebody first asks for it, and kept compressed: the document does not change while a
service runs. What differs between two requests is the service's own address in the lines to be copied.
"""

import html
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response

from app.errors import MalformedImageRequest
from app.http import example_requests, markdown, problems
from app.http.example_requests import BASE, Example, Lines
from app.http.plane_images import origin_of
from app.http.queries import Query
from app.http.schema_words import Entry, Schema, Words, entries, words_of
from app.http.templates import HTML, TEMPLATES, text
from app.service import Service

LOCAL = "http://127.0.0.1:8000"  # where a service is that nobody named
EVERYWHERE = frozenset(Query.model_fields)  # parameters of every picture: they stand behind its own


class Group(NamedTuple):
    """Addresses that serve one purpose.

    Args:
        name: its anchor.
        title: its heading.
        summary: what they are for.
        paths: the addresses, each with all that begin with it and a ``/`` or a ``.``.
    """

    name: str
    title: str
    summary: str
    paths: tuple[str, ...]


GROUPS = (
    Group("samples", "Samples", "Images that a model generates.", ("/samples",)),
    Group(
        "walks",
        "Walks",
        "Images along a way through the latent space.",
        ("/interpolate", "/axes", "/directions"),
    ),
    Group(
        "points",
        "Points",
        "From points and codes of the latent space to images, and back.",
        ("/decode", "/encode", "/compare"),
    ),
    Group(
        "reconstructions",
        "Reconstructions",
        "What a model makes of images: reconstructed, completed, checked.",
        ("/reconstruct", "/complete", "/inspect"),
    ),
    Group("scores", "Scores", "How unusual images are to a model.", ("/score",)),
    Group("maps", "Maps", "Held-out images at the places of their codes.", ("/map",)),
    Group(
        "planes",
        "Planes",
        "Planes of the latent space as pictures, and for viewers of the IIIF Image API.",
        ("/manifold",),
    ),
    Group("models", "Models", "Which models there are, and what may be asked of each.", ("/models",)),
    Group(
        "protocol",
        "Open Inference Protocol",
        "A model's encoder, decoder and draws as tensors, for clients of that protocol.",
        ("/v2",),
    ),
    Group(
        "operators",
        "Operators",
        "Whether the service is well, what it is, and what its refusals mean.",
        ("/livez", "/readyz", "/version", "/metrics", "/problems"),
    ),
)


class Parameter(NamedTuple):
    """A parameter of an operation.

    Args:
        name: as requests write it.
        place: ``path``, ``query`` or ``header``.
        words: what it may be.
        required: whether a request without it is refused.
        meaning: HTML.
        example: as text; empty: there is none.
        in_example: whether the operation's example gives it.
    """

    name: str
    place: str
    words: Words
    required: bool
    meaning: str
    example: str
    in_example: bool

    @property
    def bounds(self) -> tuple[str, str]:
        """Digits of the least and the most, of a number that has both; else empty."""
        found = re.fullmatch(r"(-?[0-9.]+) to ([0-9.]+)", self.words.range)
        return (found[1], found[2]) if found and "number" in self.words.kind else ("", "")


class Sent(NamedTuple):
    """A kind of body: its media type, what it is as a whole, and its fields."""

    media_type: str
    meaning: str
    fields: list[Entry]


class Answer(NamedTuple):
    """What an operation may answer with one status: HTML of its meaning, types, headers, fields of JSON."""

    status: str
    meaning: str
    media_types: list[str]
    headers: dict[str, str]
    fields: list[Entry]


class Operation(NamedTuple):
    """An address with a method, as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str  # HTML
    parameters: list[Parameter]
    bodies: list[Sent]
    answers: list[Answer]
    example: Example | None  # None: no model that is served can be asked
    opens: bool  # whether a link to the example shows something
    lines: list[Lines]

    @property
    def form(self) -> tuple[list[Parameter], list[Parameter]]:
        """Fields of a form that asks for it: those that the example fills in, and the others."""
        asked = [each for each in self.parameters if each.place == "query"]
        return [each for each in asked if each.in_example], [each for each in asked if not each.in_example]

    @property
    def ways(self) -> list[str]:
        """What there are lines for: curl, Python, the command line."""
        return list(dict.fromkeys(each.title.partition(",")[0] for each in self.lines))


def router(service: Service, document: Callable[[], Schema]) -> APIRouter:
    """Return the route of the page.

    Args:
        service: whose addresses they are.
        document: makes the OpenAPI document.
    """
    router = APIRouter(include_in_schema=False)
    kept: list[bytes] = []

    @router.get("/docs")
    def docs(request: Request) -> Response:
        """Show every address with its parameters, bodies and answers."""
        if not kept:
            kept.append(zlib.compress(render(service, document()).encode()))
        base = html.escape(base_of(request, service))
        return text(request, zlib.decompress(kept[0]).replace(BASE.encode(), base.encode()), HTML)

    return router


def base_of(request: Request, service: Service) -> str:
    """Return the service's own URL, as lines to be copied begin with it."""
    try:
        return origin_of(request.scope, service.settings) + service.settings.root_path
    except MalformedImageRequest:  # a Host that is none
        return LOCAL


def render(service: Service, document: Schema) -> str:
    """Return the page as HTML, with ``BASE`` for the service's own URL."""
    inline = _linked(document)
    groups = [(group, list(operations(group, service, document, inline))) for group in GROUPS]
    problem = list(entries(document["components"]["schemas"]["Problem"]))
    context = {
        "up": "./",
        "groups": groups,
        "count": sum(len(found) for _, found in groups),
        "about": markdown.render(document["info"]["description"]).html,
        "problem": problem,
        "inline": inline,
    }
    return TEMPLATES.get_template("reference.html").render(context)


def operations(
    group: Group, service: Service, document: Schema, inline: Callable[[str], str]
) -> Iterator[Operation]:
    """Yield the operations of a group, in the document's order."""
    for path, methods in document["paths"].items():
        if any(path == each or path.startswith((f"{each}/", f"{each}.")) for each in group.paths):
            for method, operation in methods.items():
                yield _operation(path, method, operation, service, inline)


def anchor_of(method: str, path: str) -> str:
    """Return the anchor of an operation, like ``get-samples``."""
    return "-".join([method.lower(), *re.findall(r"\w+", path)]).replace("_", "-")


def _operation(
    path: str, method: str, operation: Schema, service: Service, inline: Callable[[str], str]
) -> Operation:
    example = _example(path, method, operation, service)
    given = {} if example is None else example.query
    parameters = [
        Parameter(
            each["name"],
            each["in"],
            words_of(each["schema"]),
            each["required"],
            inline(each.get("description", "")),
            str(each.get("example", "")),
            each["name"] in given,
        )
        for each in operation.get("parameters", ())
    ]
    return Operation(
        anchor_of(method, path),
        method.upper(),
        path,
        operation["summary"],
        inline(operation.get("description", "")),
        sorted(parameters, key=lambda each: (each.place != "path", each.name in EVERYWHERE)),
        _bodies(operation),
        list(_answers(operation, inline)),
        example,
        example is not None and method == "get" and example.answers != "",
        [] if example is None else example_requests.lines_of(example, operation),
    )


def _example(path: str, method: str, operation: Schema, service: Service) -> Example | None:
    """Return a request that a model which is served can answer; None: no model can."""
    model = None
    if path == "/map":
        default = service.models.find(service.settings.default_model)
        mapped = [each for each in (default, *service.models.store.all) if each.manifest.map is not None]
        if not mapped:
            return None
        model = None if mapped[0] is default else mapped[0].reference
    return example_requests.example_of(path, method, operation, model)


def _bodies(operation: Schema) -> list[Sent]:
    """Return the kinds of bodies that an operation takes; of a form, with the types of its files."""
    found = []
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        schema = media["schema"]
        files = {name: f"Of type {each['contentType']}." for name, each in media.get("encoding", {}).items()}
        fields = [
            each._replace(description=each.description or files.get(each.name, ""))
            for each in entries(schema)
        ]
        about = schema.get("description", "" if fields else words_of(schema).kind)
        found.append(Sent(kind, about, fields))
    return found


def _answers(operation: Schema, inline: Callable[[str], str]) -> Iterator[Answer]:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        schema: dict[str, Any] = next((media["schema"] for media in content.values()), {})
        headers = {name: each.get("description", "") for name, each in answer.get("headers", {}).items()}
        fields = list(entries(schema)) if status == "200" else []
        yield Answer(status, inline(answer["description"]), list(content), headers, fields)


def _linked(document: Schema) -> Callable[[str], str]:
    """Return what makes HTML of a text with code in it; code that names a problem or an address is a link."""
    links = {kind.kind: f"problems/{kind.kind}" for kind in problems.kinds()}
    links |= {path: f"#{anchor_of(next(iter(methods)), path)}" for path, methods in document["paths"].items()}

    def link(code: re.Match[str]) -> str:
        target = links.get(html.unescape(code[1]))
        return f'<a href="{target}">{code[0]}</a>' if target else code[0]

    def inline(written: str) -> str:
        return re.sub(r"<code>([^<]*)</code>", link, markdown.inline(written))

    return inline
