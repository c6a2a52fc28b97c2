"""Permanent addresses, and the headers that say them."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from app.engine.work import Work
from app.explore.grids import Answer, Context
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.middleware import RawHeaders
from app.http.queries import StillQuery
from app.models import Model
from app.pictures.formats import FORMATS
from app.pictures.grids import GridStyle
from app.pictures.provenance import GENERATED, Recipe
from app.settings import Settings

# What an address' bytes are made by, beside the model: one more when an encoder writes the same pixels in
# another way, so that nobody keeps a file that is not what the address gives.
WRITTEN = b"2"

_AS_THEY_ARE = "!$'()*,/:;@~"  # characters of a value that a query may hold unescaped


def context_of(
    path: str,
    model: Model,
    settings: Settings,
    style: GridStyle,
    values: Mapping[str, Any],
    source_type: str | None = GENERATED,
    usual_format: str = "png",
) -> Context:
    """Return what a use case works with; its recipe has the permanent address.

    Args:
        path: of the endpoint.
        model: what computes.
        settings: limits.
        style: how images are drawn.
        values: every parameter by name, defaults filled in; those that are None are left out.
        source_type: IPTC's word for the picture; None: nothing in it is generated.
        usual_format: what the endpoint answers in if no format is named, and addresses do not name.
    """
    parameters = _parameters(style, values, usual_format)
    address = _address(path, model, parameters)
    recipe = Recipe(model.version.reference, model.manifest.digest, path, parameters, address, source_type)
    return Context(model, settings, style, recipe)


def _parameters(style: GridStyle, values: Mapping[str, Any], usual_format: str) -> dict[str, Any]:
    """Return the parameters of a permanent address: all but the model, and the usual format."""
    filled = {**values, "ink": style.ink}
    if FORMATS[style.format].animated:
        filled |= {"fps": style.fps, "loop": style.loop}
    return {
        name: value
        for name, value in sorted(filled.items())
        if value is not None and name != "model" and (name, value) != ("format", usual_format)
    }


def _address(path: str, model: Model, parameters: Mapping[str, Any]) -> str:
    """Return a permanent address, from the path on: the version, its digest, and every parameter."""
    parts = [f"model={model.version.pinned}"]
    for name, value in parameters.items():
        parts.append(f"{name}={quote(value, safe=_AS_THEY_ARE) if isinstance(value, str) else value}")
    return f"{path}?{'&'.join(parts)}"


def permanent(
    query: StillQuery, context: Context, work: Work[Answer], seed: int | None = None
) -> MakePicture:
    """Return what asks for one and the same picture every time: the cache may keep it.

    Args:
        query: what the client asks for.
        context: what it is drawn with; its recipe has the address, which no other picture has.
        work: what remains.
        seed: where there is one.
    """
    model, address = context.model, str(context.recipe.address)
    location = (context.limits.root_path + address).encode()
    etag = _etag(model, address)
    headers = [*answer_headers(model, cache_control(query)), (b"content-location", location), (b"etag", etag)]
    if seed is not None:
        headers.append((b"x-seed", b"%d" % seed))
    prepared = PreparedPicture(work, headers, (model.manifest.digest, address.encode()), etag)
    return lambda: prepared


def _etag(model: Model, address: str) -> bytes:
    """Return the entity tag of a permanent address: the same wherever the version is served."""
    told = b" ".join((WRITTEN, model.manifest.digest.encode(), address.encode()))
    return b'"%b"' % hashlib.sha256(told).hexdigest()[:32].encode()


def cache_control(query: StillQuery) -> bytes:
    """Return how long a picture may be kept whose query decides it: for good if a version is named."""
    return b"public, max-age=31536000, immutable" if query.is_pinned else b"no-cache"


def answer_headers(model: Model, caching: bytes) -> RawHeaders:
    """Return what an answer's headers say of the model, and how long it may be kept."""
    return [(b"x-model", model.version.reference.encode()), (b"cache-control", caching)]
