"""The pages that people look at: which there are, and what each is told of the model that it shows.

A view is a template whose links and forms work by themselves, and a module of JavaScript that makes more of
it. The module reads from the page what it must know of the model (``described``); for all else it asks public
addresses.
"""

import base64
import contextlib
import functools
from typing import Any, Protocol

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from app import errors
from app.explore import legends
from app.http.cards import address_of, order_of_axes, rest_of_axes
from app.http.comparisons import facts_of, has_density, second_model
from app.http.endpoint import PictureApp
from app.http.listed_images import listed_images
from app.http.navigation import VIEWS, VIEWS_BY_NAME, View
from app.http.options import mean_of
from app.http.pictures import PICTURES
from app.http.templates import TEMPLATES, compact, page, problem_page, up_from
from app.models import Models
from app.pictures import palette
from app.pictures.grids import GridStyle
from app.service import Service
from app.settings import Settings
from app.store import Version

QUANTILES = ("0.01", "0.025", "0.05", "0.25", "0.5", "0.75", "0.95", "0.975", "0.99")


class Source(Protocol):
    """What a view is made of: the service, or for a page without one its settings and models alone."""

    @property
    def settings(self) -> Settings:
        """Limits, and the default model."""

    @property
    def models(self) -> Models:
        """All of the store."""


def router(service: Service) -> APIRouter:
    """Return the routes of the views, and of what the form without JavaScript sends."""
    router = APIRouter(include_in_schema=False)
    uploads = PictureApp(
        [endpoint for endpoint in PICTURES if endpoint.path == "/reconstruct" and endpoint.body], service
    )

    async def reconstructions(request: Request) -> Response:
        if request.method == "POST":
            return await answer_form(uploads, request)
        return _show(service, VIEWS_BY_NAME["reconstructions"], request)

    for view in VIEWS:
        if view.name == "reconstructions":
            router.add_api_route(view.path, reconstructions, methods=["GET", "POST"], name=view.name)
        else:
            router.add_api_route(view.path, functools.partial(_show, service, view), name=view.name)
    router.add_api_route("/shortcuts", _shortcuts, name="shortcuts")
    return router


def _show(service: Service, view: View, request: Request) -> Response:
    """Show a view of the model that the address names; what else its query holds is its module's."""
    request.state.problem_body = functools.partial(problem_page, request)
    asked = request.query_params.get("model") or service.settings.default_model
    version = service.models.find(asked)
    context = context_of(service, view, version)
    if view.name == "comparison":
        context["other"] = other = second_model(service, version, request.query_params.get("with"))
        context["facts"] = [(each, facts_of(each)) for each in (version, other) if each and other]
        context |= {"order_of_axes": order_of_axes, "rest_of_axes": rest_of_axes}
        context["densities"] = [each.reference for each, _ in context["facts"] if has_density(each)]
    if view.name == "test-set":
        query = request.query_params
        context["listed"] = listed_images(version, query.get("class", ""), query.get("first", ""))
    return page(request, f"{view.name}.html", context)


def _shortcuts(request: Request) -> Response:
    view = View("/shortcuts", "shortcuts", "Keyboard shortcuts", "What each key does.")
    return page(request, "shortcuts.html", {"view": view})


def context_of(service: Source, view: View, version: Version) -> dict[str, Any]:
    """Return what the template of a view is rendered with."""
    manifest, found = version.manifest, service.models
    known = described(service, version)
    told = known | ({} if view.tells_axes else {"axes": []})
    return {
        "view": view,
        "version": version,
        "model": version.pinned,
        "manifest": manifest,
        "models": list(newest_of_each(service)),
        "ink": manifest.image.ink,
        "shows": mean_of(manifest.likelihood.name),
        "settings": service.settings,
        "is_default": version is found.find(service.settings.default_model),
        "map": known["map"],
        "axes_by_kl": sorted(range(len(manifest.axes)), key=lambda axis: -manifest.axes[axis].kl),
        "data": embedded(told),
    }


def embedded(data: dict[str, Any]) -> str:
    """Return JSON that may stand in a script element: no text in it ends the element."""
    return compact(data).decode().replace("<", "\\u003c")


def newest_of_each(service: Source) -> list[Version]:
    """Return the version that each model's bare name means, of those that can be served."""
    found = []
    for name in service.models.store.versions:
        with contextlib.suppress(errors.ModelError):
            found.append(service.models.find(name))
    return found


def described(service: Source, version: Version) -> dict[str, Any]:
    """Return what a view's module must know of a model: names, shape, axes, classes and limits.

    Numbers of the axes have six digits: they place sliders.
    """
    manifest, settings = version.manifest, service.settings
    paths = ["linear", "slerp"]
    axes = [
        {
            "kl": _short(axis.kl),
            "mean": _short(axis.mean),
            "std": _short(axis.std),
            "quantiles": {p: _short(axis.quantiles[p]) for p in QUANTILES if p in axis.quantiles},
        }
        for axis in manifest.axes
    ]
    return {
        "model": version.pinned,
        "name": version.reference,
        "page": address_of(version),
        "models": {each.pinned: each.reference for each in newest_of_each(service)},
        "shape": manifest.image.shape,
        "ink": manifest.image.ink,
        "polarity": manifest.image.polarity,
        "axes": axes,
        "prior": manifest.prior.name,
        "paths": ["density", *paths] if manifest.prior.name == "gaussian_mixture" else paths,
        "classes": manifest.prior.classes,
        "walk": {"axis": manifest.walk.axis, "steps": manifest.walk.steps},
        "samples_render": manifest.samples_render,
        "examples": len(manifest.examples),
        "map": _map_of(version),
        "scores": manifest.scores and {"k": manifest.scores.k, "images": manifest.scores.num_images},
        "limits": {
            "images": settings.max_images,
            "steps": settings.max_steps,
            "draws": settings.max_draws,
            "upload_bytes": settings.max_upload_bytes,
            "upload_images": settings.max_upload_images,
        },
    }


def _map_of(version: Version) -> dict[str, Any] | None:
    """Return how a map of the test set is read and coloured: what stands in none of its arrays."""
    found, image = version.manifest.map, version.manifest.image
    if found is None:
        return None
    on_white = legends.is_on_white(GridStyle(ink=image.ink, blank=0 if image.ground == "dark" else 255))
    colours = map(palette.as_hex, palette.colours(len(found.classes), on_white=on_white))
    return {
        "images": found.num_images,
        "columns": found.columns,
        "method": found.method,
        "on_white": on_white,
        "most": palette.as_hex(palette.shades(np.ones(1), on_white=on_white)[0]),
        "classes": [
            {"name": name, "colour": colour} for name, colour in zip(found.classes, colours, strict=True)
        ],
    }


def _short(number: float) -> float:
    return float(f"{number:.6g}")


async def answer_form(uploads: PictureApp, request: Request) -> HTMLResponse:
    """Return a page with what ``POST /reconstruct`` draws of a form; a refusal of it becomes a page too.

    The form is sent here and not to /reconstruct, so that no address has to choose by Accept whether it
    answers people or programs: some programs' libraries prefer HTML unless told otherwise.
    """
    request.state.problem_body = functools.partial(problem_page, request)
    answer = await uploads.draw(request.scope, request.receive)
    source = f"data:{answer.media_type};base64,{base64.b64encode(answer.content).decode()}"
    context = {"source": source, "picture": answer, "problem": None, "up": up_from(request)}
    return TEMPLATES.TemplateResponse(request, "answer.html", context, headers={"Cache-Control": "no-store"})
