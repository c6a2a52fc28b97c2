"""The models: each version's card as a page, as the Markdown that it is, and as JSON for programs.

Which of them it is, the address says. Files are given as they were published, or not at all.
"""

import functools
import json
import math
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from app import store
from app.errors import AddressNotFound, ModelNotFound, ModelUnavailable
from app.http import charts, markdown
from app.http.options import limits_of_uploads, mean_of, options
from app.http.pictures import PICTURES
from app.http.templates import MARKDOWN, as_json, page, text, up_from
from app.service import Service
from app.store import InvalidVersion, Version

CARD = "card.md"
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
PICTURES_OF_CARDS = {  # by file, what it shows
    "axes.png": "Latent axes from their 2.5 to their 97.5 % quantiles, axis 0 on top",
    "manifold.png": "Both latent axes, from the 2.5 to the 97.5 % quantile of N(0, 1).",
}

Name = Annotated[str, InPath(description="A model, without a version.")]
Number = Annotated[str, InPath(description="Number of one of its versions.")]


def router(service: Service) -> APIRouter:
    """Return the routes of models; first those that end in a format, as names may hold a dot."""
    router = APIRouter()
    router.include_router(_for_programs(service))
    router.include_router(_for_people(service))
    return router


def _for_programs(service: Service) -> APIRouter:
    programs = APIRouter(tags=["models"])

    @programs.get("/models.json", summary="The models that there are")
    def models_as_json(request: Request) -> Response:
        """Name every version that is served, the default, and those that are not served, with the reason."""
        return as_json(request, describe_all(service))

    @programs.get("/models/{name}.json", summary="One model")
    def model_as_json(request: Request, name: Name) -> Response:
        """Name the versions of a model; a bare NAME in a request means the newest."""
        newest = find(service, name)
        versions = [brief(version) for version in service.models.store.versions[name]]
        return as_json(request, {"name": name, "newest": newest.reference, "versions": versions})

    @programs.get("/models/{name}/versions/{number}.json", summary="One version, and what may be asked of it")
    def version_as_json(request: Request, name: Name, number: Number) -> Response:
        """Return the manifest (metrics, files, axes) and `options`: every parameter with its range."""
        return as_json(request, describe(service, find(service, name, number)))

    return programs


def _for_people(service: Service) -> APIRouter:
    people = APIRouter(include_in_schema=False)

    @people.get("/models/{name}.md")
    @people.get("/models/{name}/versions/{number}.md")
    def card(request: Request, name: str, number: str | None = None) -> Response:
        version = find(service, name, number)
        if not has_card(version):
            raise AddressNotFound(f"{version.reference} was published without a card.")
        return text(request, read(version, CARD), MARKDOWN)

    @people.get("/models")
    def models(request: Request) -> Response:
        return page(request, "models.html", describe_all(service))

    @people.get("/models/{name}")
    @people.get("/models/{name}/versions/{number}")
    def version_page(request: Request, name: str, number: str | None = None) -> Response:
        version = find(service, name, number)
        return page(request, "version.html", shown(service, version, up_from(request)))

    @people.get("/models/{name}/versions/{number}/files/{path:path}")
    def file(request: Request, name: str, number: str, path: str) -> Response:
        """Give a picture of a version: no model, which is a program."""
        version = find(service, name, number)
        if path not in pictures(version):
            raise AddressNotFound(f"{version.reference} shows no such picture.")
        answer = text(request, read(version, path), "image/png")
        answer.headers.update(FOR_GOOD)
        return answer

    return people


def find(service: Service, name: str, number: str | None = None) -> Version:
    """Return a version by the parts of an address; no number: the newest.

    Raises:
        ModelNotFound: there is none.
        ModelError: there is, and it cannot be served.
    """
    if "@" in name or not (number is None or store.VERSION.fullmatch(number)):
        known = [version.reference for version in service.models.store.all]
        raise ModelNotFound(name if number is None else f"{name}@{number}", known)
    return service.models.find(name if number is None else f"{name}@{number}")


def read(version: Version, path: str) -> bytes:
    """Return a file of a version as it was published.

    Raises:
        ModelUnavailable: it is not there any more, or has changed since.
    """
    found = {file.path: file for file in version.manifest.files}
    try:
        return _read(version.folder, found[path])
    except InvalidVersion as error:
        raise ModelUnavailable.of(version.reference, str(error)) from None


_read = functools.lru_cache(maxsize=64)(store.read_file)  # what was read and found right stays so


def manifest_of(version: Version) -> dict[str, Any]:
    """Return all of a version's manifest, of which ``app.manifest`` knows what serving needs.

    Numbers that JSON does not have, which a metric may be, are None.

    Raises:
        ModelUnavailable: it is not there any more, or has changed since.
    """
    try:
        return _read_manifest(version.folder, version.manifest.digest)
    except (OSError, ValueError):
        reason = "manifest.json: gone, or changed since it was published"
        raise ModelUnavailable.of(version.reference, reason) from None


@functools.lru_cache(maxsize=64)
def _read_manifest(folder: Path, digest: str) -> dict[str, Any]:
    written = (folder / "manifest.json").read_bytes()
    if store.digest(json.loads(written)) != digest:
        raise ValueError(digest)
    found: dict[str, Any] = json.loads(written, parse_constant=lambda _: None, parse_float=_finite)
    return found


def _finite(digits: str) -> float | None:
    return value if math.isfinite(value := float(digits)) else None


def has_card(version: Version) -> bool:
    """Say whether a version was published with a card; the store does not ask for one."""
    return any(file.path == CARD for file in version.manifest.files)


def pictures(version: Version) -> list[str]:
    """Return the paths of the pictures that a version ships: of its axes, and its examples."""
    listed = [file.path for file in version.manifest.files]
    return [path for path in (*PICTURES_OF_CARDS, *version.manifest.examples) if path in listed]


def address_of(version: Version) -> str:
    """Return the address of a version's page, from the service's root."""
    return f"models/{version.name}/versions/{version.number}"


def brief(version: Version) -> dict[str, Any]:
    """Return what tells a version from others."""
    manifest = version.manifest
    return {
        "model": version.reference,
        "digest": manifest.digest,
        "address": f"/{address_of(version)}.json",
        "image_shape": manifest.image.shape,
        "latent_dim": manifest.latent_dim,
        "prior": manifest.prior.name,
        "likelihood": manifest.likelihood.name,
        "samples_render": manifest.samples_render,
        "classes": manifest.prior.classes,
    }


def describe_all(service: Service) -> dict[str, Any]:
    """Return what ``/models.json`` says."""
    found = service.models
    return {
        "default_model": found.find(service.settings.default_model).reference,
        "models": [brief(version) for version in found.store.all],
        "rejected": found.rejected,
    }


def describe(service: Service, version: Version) -> dict[str, Any]:
    """Return what there is to know of a version: its manifest, and what may be asked of it."""
    address, settings = f"/{address_of(version)}", service.settings
    opened = service.models.opened.get(version.reference)
    own = {
        "model": version.reference,
        "pinned": version.pinned,
        "runtime": opened.runtime if opened else None,
        "shows": mean_of(version.manifest.likelihood.name),
        "samples_render": version.manifest.samples_render,
        "addresses": {
            "page": address,
            "card": f"{address}.md" if has_card(version) else None,
            "pictures": [f"{address}/files/{path}" for path in pictures(version)],
        },
        "options": options(version, settings, PICTURES),
        "limits": {"max_pixels": settings.max_pixels} | limits_of_uploads(settings),
    }
    return manifest_of(version) | own


def shown(service: Service, version: Version, up: str) -> dict[str, Any]:
    """Return what a version's page shows; `up` is the relative address of the service's root there."""
    card = None
    if has_card(version):
        source = read(version, CARD).decode("utf-8", "replace")
        card = markdown.render(source, functools.partial(_link, version, up), below_title=True)
    listed = pictures(version)
    return {
        "version": version,
        "manifest": version.manifest,
        "address": address_of(version),
        "default": service.models.find(service.settings.default_model).reference,
        "others": service.models.store.versions[version.name],
        "card": card,
        "figures": {path: _about(version, path) for path in PICTURES_OF_CARDS if path in listed},
        "examples": [path for path in version.manifest.examples if path in listed],
        "charts": charts.of_manifest(manifest_of(version)),
        "shows": mean_of(version.manifest.likelihood.name),
        "options": options(version, service.settings, PICTURES),
        "limits": service.settings.limits(),
    }


def _about(version: Version, path: str) -> str:
    """Return what a picture of a card shows; axes may be published as they were trained, in any order."""
    words = PICTURES_OF_CARDS[path]
    if path != "axes.png":
        return words
    known = [axis.kl for axis in version.manifest.axes]
    return words + (", the most informative." if known == sorted(known, reverse=True) else ", in no order.")


def _link(version: Version, up: str, address: str) -> str | None:
    """Return where a card's link leads on the version's page; None: nowhere."""
    if ":" in address or address.startswith("#"):
        return address
    return f"{up}{address_of(version)}/files/{address}" if address in pictures(version) else None
