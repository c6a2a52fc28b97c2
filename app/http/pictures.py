"""The pictures: samples, interpolations, reconstructions."""

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from app.engine.work import Work
from app.errors import UnsupportedFormat
from app.explore import samples as explore
from app.explore.samples import Picture
from app.http import queries as deps
from app.http.middleware import RawHeaders
from app.http.queries import EngineDep, FinderDep, SettingsDep
from app.models import Model
from app.settings import Settings

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
    headers: RawHeaders

    def headers_of(self, picture: Picture) -> RawHeaders:
        """Return the answer's headers, but for its type and length."""
        own = [(b"x-grid", b"%dx%d" % (picture.columns, picture.rows))]
        if picture.notes:
            own.append((b"x-notes", "; ".join(picture.notes).encode("latin-1")))
        return self.headers + own


def prepare_samples(query: deps.SamplesQuery, model: Model, settings: Settings) -> Callable[[], Asked]:
    """Check ``GET /samples``, and return what asks for one picture after another; see ``explore.samples``."""
    check_format("format", query.format)
    if query.seed is not None:
        explore.check_seed(query.seed)
    work_of = explore.sampler(
        model,
        settings,
        query.look,
        n=query.n,
        temperature=query.temperature,
        render=query.render,
        label=query.label,
    )
    drawn = query.seed is None
    reference = model.version.reference
    headers = describe(model, permanent=not drawn and pinned(query.model), location="", drawn=drawn)
    without_seed = address("/samples", reference, dict(query) | {"seed": None}).encode()

    def ask() -> Asked:
        seed = _seeds.getrandbits(63) if query.seed is None else query.seed
        digits = b"%d" % seed
        location = b"%b&seed=%b" % (without_seed, digits)
        return Asked(work_of(seed), [*headers, (b"content-location", location), (b"x-seed", digits)])

    return ask


def prepare_walk(query: deps.InterpolateQuery, model: Model, settings: Settings) -> Callable[[], Asked]:
    """Check ``GET /interpolate``, and return what asks for the picture; see ``explore.interpolate``."""
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
    headers = describe(model, permanent=pinned(query.model), location=location)
    if query.seed is not None:
        headers.append((b"x-seed", b"%d" % query.seed))
    return lambda: Asked(work, headers)


@router.get("/samples", response_class=Response, responses=IMAGE, summary="A grid of generated images")
async def samples(
    query: Annotated[deps.SamplesQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Generate `n` images by ancestral sampling: z ~ p(z), then p(x given z)."""
    return await answer(prepare_samples(query, await finder.find(query.model), settings)(), engine)


@router.get("/interpolate", response_class=Response, responses=IMAGE, summary="A walk along one latent axis")
async def interpolate(
    query: Annotated[deps.InterpolateQuery, Query()],
    finder: FinderDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """Decode codes that differ in one axis only, which runs from `low` to `high` in equal steps."""
    return await answer(prepare_walk(query, await finder.find(query.model), settings)(), engine)


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
    model: Model, *, permanent: bool, location: str | None = None, drawn: bool = False
) -> RawHeaders:
    """Return what an answer's headers say of the request.

    Args:
        model: what draws.
        permanent: the request's address means this picture for good.
        location: the picture's permanent address; empty: it has one, which is not known yet.
        drawn: the server chose the seed, so the request's address means another picture next time.
    """
    if location is None or drawn:
        caching = b"no-store"
    else:
        caching = b"public, max-age=31536000, immutable" if permanent else b"no-cache"
    headers = [(b"x-model", model.version.reference.encode()), (b"cache-control", caching)]
    return [*headers, (b"content-location", location.encode("latin-1"))] if location else headers


async def answer(asked: Asked, engine: deps.Door) -> Response:
    """Compute and wrap a picture."""
    picture = await engine.run(asked.work)
    response = Response(picture.png, media_type="image/png")
    response.raw_headers += asked.headers_of(picture)
    return response
