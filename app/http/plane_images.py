"""Identifiers of the IIIF Image API -> planes of a model's latent space, and what is said of them.

An identifier names the model and the plane: a model's reference, and behind it, each after a ";", the
parameters of ``GET /manifold`` that say which plane: ``x=``, ``y=`` and ``at=``.
"""

import dataclasses
import re
from typing import Any, NamedTuple
from urllib.parse import quote

from app.errors import ImageNotFound, InvalidParameter, MalformedImageRequest
from app.explore.planes import Plane
from app.explore.points import point_in
from app.explore.pyramid import LEVELS, Pyramid
from app.http import queries
from app.http.accepts import preference
from app.http.middleware import Scope
from app.http.overviews import ManifoldQuery, plane_of
from app.models import Model
from app.service import Service
from app.settings import Settings

PREFIX = "/manifold"
CONTEXT = "http://iiif.io/api/image/3/context.json"
LINKED_DATA, PLAIN = "application/ld+json", "application/json"
EXTRA_FEATURES = ("canonicalLinkHeader", "mirroring", "profileLinkHeader", "sizeUpscaling")

_PLANE_KEYS = ("x", "y", "at")
_AS_THEY_ARE = "!$'()*,:;=~"  # characters of an identifier that need no escape in a path, and get none
_HOST = re.compile(rb"([A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


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
        if not is_all(self.model):
            parts.append(f"at={self.plane.points[0].text(self.model)}")
        return quote(";".join(parts), safe=_AS_THEY_ARE)

    def is_named_by(self, identifier: str) -> bool:
        """Say whether this is that one identifier, before it was escaped."""
        return quote(identifier, safe=_AS_THEY_ARE) == self.identifier

    @property
    def path(self) -> str:
        """The image's base URI, from the path on."""
        return f"{PREFIX}/{self.identifier}"


def is_all(model: Model) -> bool:
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
    if is_all(model):
        plane = dataclasses.replace(plane, points=(point_in("centre", "at", model),))
    return PlaneImage(query, model, plane, Pyramid.of(model, service.settings))


def origin_of(scope: Scope, settings: Settings) -> str:
    """Return the scheme and the host by which clients find the service.

    Of headers Host alone is read; the scheme is what the server, or a proxy that it trusts, says.

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


def media_type(accept: bytes) -> str:
    """Return the type of an ``info.json``: JSON-LD, unless Accept prefers plain JSON (section 5.1)."""
    if preference(PLAIN, accept) > preference(LINKED_DATA, accept):
        return PLAIN
    return f'{LINKED_DATA};profile="{CONTEXT}"'
