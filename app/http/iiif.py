"""``/manifold/...``: planes of a model's latent space as images of the IIIF Image API 3.0, level 2.

An identifier names the model and the plane: a model's reference, and behind it, each after a ";", the
parameters of ``GET /manifold`` that say which plane: ``x=``, ``y=`` and ``at=``. An address is read from its
end, so that an identifier may hold a "/", whether a proxy has decoded it or not. A query string is passed
over.
"""

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.routing import Route

from app.engine.engine import Engine
from app.errors import ImageNotFound, InvalidParameter, MalformedImageRequest, MethodNotAllowed, VitrineError
from app.explore.grids import Context
from app.explore.planes import Plane
from app.explore.points import point_in
from app.explore.pyramid import LEVELS, Pyramid, draw_view
from app.http import image_requests, queries
from app.http.addresses import permanent
from app.http.endpoint import AnsweringApp, PreparedPicture
from app.http.image_requests import PARTS
from app.http.middleware import App, Message, RawHeaders, Receive, Scope, Send, send_answer
from app.http.overviews import ManifoldQuery, plane_of
from app.models import Model
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe
from app.service import Service
from app.settings import Settings

PREFIX = "/manifold"
INFORMATION = "/info.json"
CONTEXT = "http://iiif.io/api/image/3/context.json"
PROFILE = "http://iiif.io/api/image/3/level2.json"
LINKED_DATA, PLAIN = "application/ld+json", "application/json"
EXTRA_FEATURES = ("canonicalLinkHeader", "mirroring", "profileLinkHeader", "sizeUpscaling")

_PLANE_KEYS = ("x", "y", "at")
_AS_THEY_ARE = "!$'()*,:;=~"  # characters of an identifier that need no escape in a path, and get none
_HOST = re.compile(rb"([A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")

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


class PlaneImage(NamedTuple):
    """The full image that an identifier names.

    Args:
        query: what the identifier says, as ``GET /manifold`` takes it.
        model: what decodes.
        plane: which plane.
        pyramid: its size and its limits.
    """

    query: ManifoldQuery
    model: Model
    plane: Plane
    pyramid: Pyramid

    @property
    def identifier(self) -> str:
        """The one identifier that names the model's digest and all of the plane, escaped for a path."""
        parts = [f"{self.model.version.pinned};x={self.plane.axes[0]};y={self.plane.axes[1]}"]
        if not _is_all(self.model):
            parts.append(f"at={self.plane.points[0].text(self.model)}")
        return quote(";".join(parts), safe=_AS_THEY_ARE)

    @property
    def path(self) -> str:
        """The image's base URI, from the path on."""
        return f"{PREFIX}/{self.identifier}"


def _is_all(model: Model) -> bool:
    """Say whether a plane is the whole latent space, so that there is no other axis to hold."""
    return model.manifest.latent_dim == 2


async def find(identifier: str | None, service: Service) -> PlaneImage:
    """Return the image that an identifier names; None: the default model's own plane.

    Raises:
        ImageNotFound: it names none.
        VitrineError: or as ``Service.find`` does.
    """
    first, *others = (None,) if identifier is None else identifier.split(";")
    pairs = [] if first is None else [("model", first)]
    try:
        for part in map(str, others):
            key, _, value = part.partition("=")
            if key not in _PLANE_KEYS:
                remedy = "Write it like NAME@VERSION-DIGEST;x=0;y=1;at=example:0."
                expected = f"one of {', '.join(_PLANE_KEYS)} behind a ;"
                raise InvalidParameter.of("identifier", expected, part, remedy, "malformed_identifier")
            pairs.append((key, value))
        words = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
        query = queries.read(ManifoldQuery, words.encode())
        model = await service.find(query.model)
        plane = plane_of(query, model)
    except InvalidParameter as refusal:
        raise ImageNotFound(*refusal.faults) from None
    if _is_all(model):
        plane = dataclasses.replace(plane, points=(point_in("centre", "at", model),))
    return PlaneImage(query, model, plane, Pyramid.of(model, service.settings))


def origin_of(scope: Scope, settings: Settings) -> str:
    """Return the scheme and the host by which clients find the service: no header but Host is believed.

    Raises:
        MalformedImageRequest: the request's Host is none.
    """
    if settings.origin:
        return settings.origin
    host = dict(scope["headers"]).get(b"host", b"")
    if not _HOST.fullmatch(host):
        expected, remedy = "a host, with its port if it has one", "Send the header Host."
        raise MalformedImageRequest.of("Host", expected, host.decode("latin-1"), remedy, "malformed_host")
    return f"{scope.get('scheme', 'http')}://{host.decode()}"


def information(image: PlaneImage, base: str) -> dict[str, Any]:
    """Return what ``info.json`` says of an image with the base URI `base` (specification, section 5)."""
    pyramid, cell = image.pyramid, image.pyramid.image
    sizes = [(cell.width << k, cell.height << k) for k in range(LEVELS)]
    colours = ["color", "gray"] if len(cell.shape) == 3 else ["gray"]
    return {
        "@context": CONTEXT,
        "id": base,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": pyramid.width,
        "height": pyramid.height,
        "maxWidth": pyramid.max_width,
        "maxHeight": pyramid.max_height,
        "maxArea": pyramid.max_area,
        "sizes": [
            {"width": width, "height": height} for width, height in sizes if pyramid.allows(width, height)
        ],
        "tiles": [
            {
                "width": pyramid.unit * cell.width,
                "height": pyramid.unit * cell.height,
                "scaleFactors": [2**k for k in range(LEVELS)],
            }
        ],
        # Images of a few pixels suffer by JPEG, and WebP without loss takes twenty times as long as PNG.
        "preferredFormats": ["png", "webp", "jpg"],
        "extraFormats": ["webp"],
        "extraQualities": colours,
        "extraFeatures": list(EXTRA_FEATURES),
    }


def _context(image: PlaneImage, request: image_requests.ImageRequest, settings: Settings) -> Context:
    """Return what a view is drawn with; its recipe has the permanent address."""
    version, address = image.model.version, f"{image.path}/{request.permanent}"
    values = dict(zip(PARTS, re.split(r"[/.]", request.permanent), strict=True))
    values |= {"x": image.plane.axes[0], "y": image.plane.axes[1]}
    if not _is_all(image.model):
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
        asked = identifier is not None and quote(identifier, safe=_AS_THEY_ARE) == image.identifier
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


def media_type(accept: bytes) -> str:
    """Return the type of an ``info.json``: JSON-LD, unless Accept prefers plain JSON (section 5.1)."""
    ranges = [part.strip().lower() for part in accept.decode("latin-1").split(",")]
    if _preference(PLAIN, ranges) > _preference(LINKED_DATA, ranges):
        return PLAIN
    return f'{LINKED_DATA};profile="{CONTEXT}"'


def _preference(offered: str, ranges: Iterable[str]) -> float:
    """Return the weight of a media type by the most specific of the ranges that it is in; 0: in none."""
    weights = {}
    for each in ranges:
        name, *parameters = (part.strip() for part in each.split(";"))
        found = next((quality for part in parameters if (quality := _QUALITY.fullmatch(part))), None)
        weights[name] = float(found[1]) if found else 1.0
    specific_first = (offered, f"{offered.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in specific_first if name in weights), 0.0)


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
