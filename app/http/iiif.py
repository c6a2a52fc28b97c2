"""``/manifold/...``: planes of a model's latent space as images of the IIIF Image API 3.0, level 2.

An address is read from its end, so that an identifier may hold a "/", whether a proxy has decoded it or not.
A query string is passed over.
"""

import dataclasses
import json
import re
from typing import Any

from starlette.routing import Route

from app.engine.engine import Engine
from app.errors import MethodNotAllowed, VitrineError
from app.explore.grids import Context
from app.explore.pyramid import draw_view
from app.http import image_requests
from app.http.addresses import permanent
from app.http.endpoint import AnsweringApp, PreparedPicture
from app.http.image_requests import PARTS, QUALITIES
from app.http.middleware import App, Message, RawHeaders, Receive, Scope, Send, send_answer
from app.http.plane_images import (
    LINKED_DATA,
    PLAIN,
    PREFIX,
    PlaneImage,
    find,
    information,
    is_all,
    media_type,
    origin_of,
)
from app.http.uploads import BINARY
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe
from app.pictures.regions import FORMATS
from app.service import Service
from app.settings import Settings

INFORMATION = "/info.json"
PROFILE = "http://iiif.io/api/image/3/level2.json"

# Any page may show these images; there is nothing here that one client may see and another may not.
_SHARED: RawHeaders = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
]
_PREFLIGHT: RawHeaders = [
    (b"allow", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
]


def _context(image: PlaneImage, request: image_requests.ImageRequest, settings: Settings) -> Context:
    """Return what a view is drawn with; its recipe has the permanent address."""
    version, address = image.model.version, f"{image.path}/{request.permanent}"
    values = dict(zip(PARTS, re.split(r"[/.]", request.permanent), strict=True))
    values |= {"x": image.plane.axes[0], "y": image.plane.axes[1]}
    if not is_all(image.model):
        values["at"] = image.plane.points[0].text(image.model)
    recipe = Recipe(version.reference, version.manifest.digest, PREFIX, values, address)
    return Context(image.model, settings, GridStyle(ink=image.model.manifest.image.ink), recipe)


class Images(AnsweringApp):
    """Image requests: {identifier}/{region}/{size}/{rotation}/{quality}.{format}."""

    async def _prepare(
        self,
        scope: Scope,
        receive: Receive,  # noqa: ARG002  there is no body to read
    ) -> tuple[Engine, PreparedPicture]:
        service, asked = self._service, scope["path_params"]
        engine = service.engine  # before anything is awaited: the service may end meanwhile
        image = await find(asked["identifier"], service)
        request = image_requests.read(asked, image.pyramid)
        origin = origin_of(scope, service.settings)
        context = _context(image, request, service.settings)
        prepared = permanent(image.query, context, draw_view(context, image.plane, request.view))()
        headers = prepared.headers
        if request.limited:  # an operator may allow another size tomorrow
            headers = [(name, b"no-cache" if name == b"cache-control" else value) for name, value in headers]
        canonical = f"{origin}{service.settings.root_path}{image.path}/{request.canonical}"
        link = f'<{canonical}>;rel="canonical", <{PROFILE}>;rel="profile"'
        return engine, dataclasses.replace(prepared, headers=[*headers, (b"link", link.encode())])


class Documents:
    """Image information, {identifier}/info.json, and what leads there: base URIs, other identifiers.

    Args:
        service: what answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer one request."""
        settings, identifier = self._service.settings, scope["path_params"].get("identifier")
        image = await find(identifier, self._service)
        base = settings.root_path + image.path
        asked = identifier is not None and image.is_named_by(identifier)
        if not asked or not scope["path"].endswith(INFORMATION):
            headers = [(b"location", (base + INFORMATION).encode()), (b"cache-control", b"no-cache")]
            await send_answer(send, 303, headers, b"")
            return
        content = information(image, origin_of(scope, settings) + base)
        kind = media_type(b",".join(value for name, value in scope["headers"] if name == b"accept"))
        headers = [
            (b"content-type", kind.encode()),
            (b"vary", b"accept"),
            (b"cache-control", b"no-cache"),  # it holds the operator's limits, and the client's own Host
            (b"link", f'<{PROFILE}>;rel="profile"'.encode()),
            (b"x-model", image.model.version.reference.encode()),
        ]
        await send_answer(send, 200, headers, json.dumps(content).encode())


class Shared:
    """Lets pages of every origin have the answers of an application, refusals too, and takes GET alone.

    Args:
        app: what answers.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_SHARED]}
            await send(message)

        try:
            if scope["method"] == "OPTIONS":
                await send_answer(send_on, 204, _PREFLIGHT, b"")
            elif scope["method"] != "GET":
                raise MethodNotAllowed({"GET"})
            else:
                await self._app(scope, receive, send_on)
        except VitrineError as refusal:
            refusal.headers = {**refusal.headers, "Access-Control-Allow-Origin": "*"}
            raise


_WORDS = {
    "identifier": (
        "Model, and behind it, each after a ;, which plane: x and y, its axes, and at, the point that holds "
        "the others, as GET /manifold takes them.",
        "fashion-map;x=0;y=1",
    ),
    "region": ("full, square, x,y,w,h in pixels of the full image or pct:x,y,w,h.", "0,0,14336,14336"),
    "size": ("max; w,h; w,; ,h; !w,h or pct:n; with ^ before it, it may enlarge the region.", "64,64"),
    "rotation": ("0, 90, 180 or 270 degrees clockwise; with ! before it, mirrored first.", "0"),
    "quality": (f"{', '.join(QUALITIES)}.", "default"),
    "format": (f"{', '.join(FORMATS)}.", "png"),
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "identifier": {"type": "string", "minLength": 1},
    **{name: {"type": "string", "pattern": f"^({shape})$"} for name, shape in image_requests.SHAPES.items()},
    "quality": {"type": "string", "enum": list(QUALITIES)},
    "format": {"type": "string", "enum": list(FORMATS)},
}
_NAMED = f"{PREFIX}/{{identifier}}"


def operations(refusals: dict[str, Any], identifier: str = "fashion-map;x=0;y=1") -> dict[str, Any]:
    """Return OpenAPI's description of the addresses, by path.

    Args:
        refusals: what each may answer too, by status.
        identifier: an example of one.
    """
    document = {LINKED_DATA: {"schema": {"type": "object"}}, PLAIN: {"schema": {"type": "object"}}}
    elsewhere = {"description": "Where the image information is."}
    described = {"description": "The image information.", "content": document}
    drawn = {"description": "The image.", "content": {each.media_type: BINARY for each in FORMATS.values()}}
    rows: dict[str, tuple[str, dict[str, Any]]] = {
        PREFIX + INFORMATION: ("The default model's plane, for viewers of IIIF", {"303": elsewhere}),
        _NAMED: ("The base address of a plane", {"303": elsewhere}),
        _NAMED + INFORMATION: (
            "A plane as an image of the IIIF Image API 3.0",
            {"200": described, "303": elsewhere},
        ),
        f"{_NAMED}/{{region}}/{{size}}/{{rotation}}/{{quality}}.{{format}}": (
            "A region of a plane, in some size",
            {"200": drawn, "304": {"description": "The image that the client has."}},
        ),
    }
    return {
        path: {
            "get": {
                "tags": ["pictures"],
                "summary": summary,
                "operationId": f"get_iiif_{number}",
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": _SCHEMAS[name]}
                    | {"description": _WORDS[name][0]}
                    | {"example": identifier if name == "identifier" else _WORDS[name][1]}
                    for name in re.findall(r"{(\w+)}", path)
                ],
                "responses": answers | refusals,
            }
        }
        for number, (path, (summary, answers)) in enumerate(rows.items())
    }


def routes(service: Service) -> list[Route]:
    """Return the routes of images and their information; the order says what an address is read as."""
    documents, images = Shared(Documents(service)), Shared(Images(service))
    return [
        Route(PREFIX + INFORMATION, documents),
        Route(f"{PREFIX}/{{identifier:path}}{INFORMATION}", documents),
        Route(
            f"{PREFIX}/{{identifier:path}}/{{region}}/{{size}}/{{rotation}}/{{quality}}.{{format}}", images
        ),
        Route(f"{PREFIX}/{{identifier:path}}", documents),
    ]
