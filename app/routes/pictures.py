"""The pictures: samples, interpolations, reconstructions."""

import dataclasses
import functools
import random
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from app import deps, explore
from app.deps import EngineDep, FinderDep, SettingsDep
from app.errors import UnsupportedFormat
from app.explore import Picture
from app.models import Model
from app.settings import Settings
from app.work import Work

router = APIRouter(dependencies=[Depends(deps.refuse_repeated_parameters)], tags=["pictures"])

_seeds = random.Random()  # noqa: S311  a seed is no secret

IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "X-Model": {"description": "NAME@VERSION that answered.", "schema": {"type": "string"}},
            "X-Grid": {"description": "COLUMNSxROWS of the grid.", "schema": {"type": "string"}},
            "X-Seed": {"description": "The seed, where there is one.", "schema": {"type": "string"}},
            "Content-Location": {
                "description": "The permanent address of this very picture.",
                "schema": {"type": "string"},
            },
        },
    }
}
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@dataclasses.dataclass(frozen=True)
class Asked:
    """A checked request: what it leaves to compute, and what its answer says beside the picture.

    Args:
        work: what remains.
        headers: of the answer, but for those that the picture decides; names in lower case.
    """

    work: Work[Picture]
    headers: dict[str, str]

    def headers_of(self, picture: Picture) -> dict[str, str]:
        """Return the answer's headers, but for its type and length."""
        own = {"x-grid": f"{picture.columns}x{picture.rows}"}
        if picture.notes:
            own["x-notes"] = "; ".join(picture.notes)
        return self.headers | own


def ask_samples(query: deps.SamplesQuery, model: Model, settings: Settings) -> Asked:
    """Check ``GET /samples``; see ``explore.samples``."""
    check_format("format", query.format)
    drawn = query.seed is None
    seed = _seeds.getrandbits(63) if query.seed is None else query.seed
    work = explore.samples(
        model,
        settings,
        query.look,
        n=query.n,
        seed=seed,
        temperature=query.temperature,
        render=query.render,
        label=query.label,
    )
    permanent = not drawn and pinned(query.model)
    location = f"{address_without_seed(query, model.version.reference)}&seed={seed}"
    return Asked(work, describe(model, permanent=permanent, location=location, seed=seed, drawn=drawn))


def ask_walk(query: deps.InterpolateQuery, model: Model, settings: Settings) -> Asked:
    """Check ``GET /interpolate``; see ``explore.interpolate``."""
    check_format("format", query.format)
    walk = explore.resolve_walk(
        model, settings, axis=query.axis, low=query.low, high=query.high, steps=query.steps
    )
    work = explore.interpolate(model, settings, query.look, walk, seed=query.seed, z=query.code)
    values = dict(query) | vars(walk)
    if query.code is not None:
        # Written afresh: a + that the client wrote would come back as a space.
        values["z"] = ",".join(map(repr, query.code))
    location = address("/interpolate", model.version.reference, values)
    return Asked(work, describe(model, permanent=pinned(query.model), location=location, seed=query.seed))


@router.get("/samples", response_class=Response, responses=IMAGE, summary="A grid of generated images")
async def samples(
    query: Annotated[deps.SamplesQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Generate `n` images by ancestral sampling: z ~ p(z), then p(x given z)."""
    return await answer(ask_samples(query, await finder.find(query.model), settings), engine)


@router.get("/interpolate", response_class=Response, responses=IMAGE, summary="A walk along one latent axis")
async def interpolate(
    query: Annotated[deps.InterpolateQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Decode codes that differ in one axis only, which runs from `low` to `high` in equal steps."""
    return await answer(ask_walk(query, await finder.find(query.model), settings), engine)


@router.get(
    "/reconstruct",
    response_class=Response,
    responses=IMAGE,
    summary="The model's own examples and their reconstructions",
)
async def reconstruct_examples(
    query: Annotated[deps.ReconstructQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Encode and decode the held-out images that the model ships: originals above, reconstructions below."""
    check_format("format", query.format)
    model = await finder.find(query.model)
    work = explore.reconstruct_examples(model, settings, query.look)
    location = address("/reconstruct", model.version.reference, dict(query))
    return await answer(
        Asked(work, describe(model, permanent=pinned(query.model), location=location)), engine
    )


@router.post(
    "/reconstruct",
    response_class=Response,
    responses=IMAGE,
    openapi_extra=UPLOAD_BODY,
    summary="Your images and their reconstructions",
)
async def reconstruct(
    request: Request,
    query: Annotated[deps.UploadQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Encode and decode images: above, what the encoder saw of each; below, its reconstruction.

    Send a form with one or more fields `file`, or one image as the raw body with its `image/*` type. A file
    of any size is scaled to fit and padded, never stretched.
    """
    check_format("format", query.format)
    model = await finder.find(query.model)
    files = await deps.read_files(request)
    work = explore.reconstruct(model, settings, query.look, files, query.invert)
    return await answer(Asked(work, describe(model, permanent=False)), engine)


SUFFIX = {"response_class": Response, "include_in_schema": False}
for _path, _endpoint, _method in (
    ("/samples", samples, "GET"),
    ("/interpolate", interpolate, "GET"),
    ("/reconstruct", reconstruct_examples, "GET"),
    ("/reconstruct", reconstruct, "POST"),
):
    router.add_api_route(f"{_path}.png", _endpoint, methods=[_method], **SUFFIX)  # type: ignore[arg-type]


@router.get("/samples.{suffix}", include_in_schema=False)
@router.get("/interpolate.{suffix}", include_in_schema=False)
@router.get("/reconstruct.{suffix}", include_in_schema=False)
@router.post("/reconstruct.{suffix}", include_in_schema=False)
async def other_format(suffix: str) -> Response:
    """Say which formats there are, for an address that ends in another."""
    raise UnsupportedFormat("format", suffix, deps.FORMATS)


def check_format(parameter: str, received: str) -> None:
    """Refuse a picture format that is not offered."""
    if received not in deps.FORMATS:
        raise UnsupportedFormat(parameter, received, deps.FORMATS)


def pinned(reference: str | None) -> bool:
    """Say whether a request names a model's version, so that its answer can never change."""
    return reference is not None and "@" in reference


@functools.lru_cache(maxsize=256)  # the query of requests for one picture after another is the same
def address_without_seed(query: deps.SamplesQuery, reference: str) -> str:
    """Return what stands before the seed in the permanent address of a grid of samples."""
    return address("/samples", reference, dict(query) | {"seed": None})


def address(path: str, reference: str, values: Mapping[str, Any]) -> str:
    """Return a picture's permanent address: the version and every parameter, defaults included.

    Args:
        path: of the endpoint.
        reference: NAME@VERSION of what draws.
        values: parameters by name, ``model`` and ``format`` passed over; None: not given.
    """
    parts = [f"model={reference}"]
    for name, value in sorted(values.items()):
        if value is not None and name not in ("model", "format"):
            parts.append(f"{name}={quote(value, safe=',:@') if isinstance(value, str) else value}")
    return f"{path}?{'&'.join(parts)}"


def describe(
    model: Model,
    *,
    permanent: bool,
    location: str | None = None,
    seed: int | None = None,
    drawn: bool = False,
) -> dict[str, str]:
    """Return what an answer's headers say of the request.

    Args:
        model: what draws.
        permanent: the request's address means this picture for good.
        location: the picture's permanent address.
        seed: the seed it comes from.
        drawn: the server chose the seed, so the request's address means another picture next time.
    """
    headers = {"x-model": model.version.reference}
    if location is None or drawn:
        headers["cache-control"] = "no-store"
    else:
        headers["cache-control"] = "public, max-age=31536000, immutable" if permanent else "no-cache"
    if location is not None:
        headers["content-location"] = location
    if seed is not None:
        headers["x-seed"] = str(seed)
    return headers


async def answer(asked: Asked, engine: deps.Door) -> Response:
    """Compute and wrap a picture."""
    picture = await engine.run(asked.work)
    return Response(picture.png, media_type="image/png", headers=asked.headers_of(picture))
