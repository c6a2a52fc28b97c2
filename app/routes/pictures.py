"""The pictures: samples, interpolations, reconstructions."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from app import deps, explore
from app.deps import EngineDep, FinderDep, SettingsDep
from app.errors import UnsupportedFormat
from app.explore import Picture
from app.latent import MAX_SEED
from app.models import Model

router = APIRouter(dependencies=[Depends(deps.refuse_repeated_parameters)], tags=["pictures"])

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


@router.get("/samples", response_class=Response, responses=IMAGE, summary="A grid of generated images")
async def samples(
    query: Annotated[deps.SamplesQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Generate `n` images by ancestral sampling: z ~ p(z), then p(x given z)."""
    check_format("format", query.format)
    model = await finder.find(query.model)
    drawn = query.seed is None
    values = query.model_dump(exclude={"model", "format"})
    values["seed"] = secrets.randbelow(MAX_SEED + 1) if query.seed is None else query.seed
    chosen = {name: values[name] for name in ("n", "seed", "temperature", "render", "label")}
    picture = await engine.run(explore.samples(model, settings, query.look, **chosen))
    return png(
        picture,
        model,
        permanent=not drawn and pinned(query.model),
        seed=values["seed"],
        drawn=drawn,
        location=address("/samples", model, values),
    )


@router.get("/interpolate", response_class=Response, responses=IMAGE, summary="A walk along one latent axis")
async def interpolate(
    query: Annotated[deps.InterpolateQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Decode codes that differ in one axis only, which runs from `low` to `high` in equal steps."""
    check_format("format", query.format)
    model = await finder.find(query.model)
    ends = query.model_dump(include={"axis", "low", "high", "steps"})
    walk = explore.resolve_walk(model, settings, **ends)
    work = explore.interpolate(model, settings, query.look, walk, seed=query.seed, z=query.code)
    picture = await engine.run(work)
    values = query.model_dump(exclude={"model", "format"}) | vars(walk)
    if query.code is not None:
        # Written afresh: a + that the client wrote would come back as a space.
        values["z"] = ",".join(map(repr, query.code))
    return png(
        picture,
        model,
        permanent=pinned(query.model),
        seed=query.seed,
        location=address("/interpolate", model, values),
    )


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
    picture = await engine.run(explore.reconstruct_examples(model, settings, query.look))
    values = query.model_dump(exclude={"model", "format"})
    return png(picture, model, permanent=pinned(query.model), location=address("/reconstruct", model, values))


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
    picture = await engine.run(explore.reconstruct(model, settings, query.look, files, query.invert))
    return png(picture, model, permanent=False)


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


def address(path: str, model: Model, values: Mapping[str, Any]) -> str:
    """Return a picture's permanent address: the version and every parameter, defaults included."""
    parts = [f"model={model.version.reference}"]
    for name, value in sorted(values.items()):
        if value is not None:
            parts.append(f"{name}={quote(str(value), safe=',:@')}")
    return f"{path}?{'&'.join(parts)}"


def png(
    picture: Picture,
    model: Model,
    *,
    permanent: bool,
    location: str | None = None,
    seed: int | None = None,
    drawn: bool = False,
) -> Response:
    """Wrap a picture.

    Args:
        picture: what was drawn.
        model: what drew it.
        permanent: the request's address means this picture for good.
        location: the picture's permanent address.
        seed: the seed it came from.
        drawn: the server chose the seed, so the request's address means another picture next time.
    """
    headers = {"X-Model": model.version.reference, "X-Grid": f"{picture.columns}x{picture.rows}"}
    if location is None or drawn:
        headers["Cache-Control"] = "no-store"
    else:
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if permanent else "no-cache"
    if location is not None:
        headers["Content-Location"] = location
    if seed is not None:
        headers["X-Seed"] = str(seed)
    if picture.notes:
        headers["X-Notes"] = "; ".join(picture.notes)
    return Response(picture.png, media_type="image/png", headers=headers)
