"""``POST /inspect``: what a picture says of how it was made, and whether that is true."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from app.errors import InvalidParameter, UploadError, VitrineError
from app.explore import verification
from app.http import queries
from app.http.clients import note_client
from app.http.endpoint import AnsweringApp, result_of
from app.http.queries import Whole
from app.http.uploads import FILES, read_files
from app.pictures.files import open_file
from app.pictures.marks import Mark, read_mark
from app.service import Service

MAX_ADDRESS = 131_072
_ADDRESS = re.compile(
    r"(?P<path>/[a-z]{1,40})\?(?P<query>model=[^&@]+@[0-9]+-(?P<digest>[0-9a-f]{12})&[\x21-\x7e]*)"
)
# Of a part of a plane; see ``app.http.iiif``.
_IMAGE_ADDRESS = re.compile(
    r"(?P<path>/manifold/)(?P<identifier>[^/]+%40[0-9]+-(?P<digest>[0-9a-f]{12});[^/]*)"
    r"/(?P<region>[^/]+)/(?P<size>[^/]+)/(?P<rotation>[^/]+)/(?P<quality>[a-z]+)\.(?P<format>[a-z]+)"
)

NO_MARK = (
    "The file carries no mark of a generated picture. That says nothing: a mark can be removed, and other "
    "programs write none."
)
OTHER_MARK = "The file says how it came to be, and this service cannot check what other programs say."
NO_ADDRESS = (
    "The picture was made of what was sent with the request, uploaded images for one, which is not kept: it "
    "cannot be drawn again."
)
NO_RECIPE = "The recipe in the file cannot be read, or contradicts itself."
OTHER_RECIPE = (
    "Drawn again, every pixel is the same, and the recipe in the file is another than the picture's."
)
AGREES = "Drawn again, every pixel is the same."
DIFFERS = "Drawn again, it has other pixels: the picture was changed, or its recipe was."
DIFFERS_DRAW = " A draw may differ in a few pixels where another runtime computed it."


class InspectQuery(queries.Plain):
    """What ``POST /inspect`` takes beside the picture."""

    verify: Whole = Field(
        0,
        description="1: draw the picture again by its recipe, and compare the pixels.",
        examples=[1],
        json_schema_extra={"minimum": 0, "maximum": 1},
    )


def router(service: Service, apps: Mapping[str, AnsweringApp]) -> APIRouter:
    """Return the route of a service.

    Args:
        service: what draws.
        apps: by path, what answers with pictures; by ``/manifold/``, with parts of planes.
    """
    router = APIRouter(tags=["pictures"])

    @router.post(
        "/inspect",
        summary="What a picture says of how it was made",
        openapi_extra={
            "parameters": queries.documented(InspectQuery),
            "requestBody": {"required": True, "content": FILES.content},
        },
    )
    async def inspect(request: Request) -> JSONResponse:
        """Return the mark in a picture's metadata; with `verify=1`, draw it again and compare the pixels.

        The mark is a claim: anybody can write one, or remove it. That the pixels agree is proof that this
        model gives this picture.
        """
        query = queries.read(InspectQuery, request.scope["query_string"])
        if query.verify not in (0, 1):
            raise InvalidParameter.of("verify", "0 or 1", query.verify, "Use 0 or 1.", "out_of_range")
        files = await read_files(request, service.settings)
        if len(files) > 1:
            expected, remedy = "one picture", "Send one at a time."
            raise UploadError.of("file", expected, f"{len(files)} of them", remedy, "too_many_files")
        ((name, data),) = files
        open_file(data, name)  # refuses what is no picture
        mark = read_mark(data)
        answer: dict[str, Any] = {
            "generated": mark.is_generated or None,
            "source_type": mark.source_type,
            "recipe": mark.recipe,
        }
        if query.verify:
            verification = answer["verification"] = await _verified(service, apps, mark, data, request)
            answer["generated"] = verification.pop("generated", None) or answer["generated"]
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return router


async def _verified(
    service: Service, apps: Mapping[str, AnsweringApp], mark: Mark, data: bytes, request: Request
) -> dict[str, Any]:
    """Return whether a picture is what its recipe gives: agrees, differs or unknown, and why."""
    address = _address_of(mark, apps)
    if isinstance(address, str):
        return {"verdict": "unknown", "reason": address}
    asked, image = address
    scope = {**request.scope, **asked, "method": "GET"}
    note_client(scope)
    try:
        found = await result_of(
            service.engine.submit(verification.reading(data, service.settings)), request.receive
        )
        drawn = await apps[asked["path"]].draw(scope, request.receive)
        work = verification.comparing(found, drawn, image)
        compared = await result_of(service.engine.submit(work), request.receive)
    except VitrineError as refusal:
        if refusal.status >= 500:
            raise
        return {"verdict": "unknown", "reason": f"It cannot be drawn again here. {refusal.detail}"}
    except (KeyError, IndexError, ValueError):  # the number of an image that the address does not have
        return {"verdict": "unknown", "reason": NO_RECIPE}
    if not compared.differing and compared.recipe != mark.recipe:
        return {"verdict": "differs", "reason": OTHER_RECIPE, "recipe": compared.recipe, "pixels": []}
    if not compared.differing:
        agrees = {"verdict": "agrees", "reason": AGREES, "pixels": compared.total}
        return agrees | {"generated": compared.generated}
    reason = DIFFERS + (DIFFERS_DRAW if b"render=draw" in asked["query_string"] else "")
    told = compared._asdict()
    del told["recipe"], told["generated"]
    return {"verdict": "differs", "reason": reason, **told}


def _address_of(mark: Mark, apps: Mapping[str, AnsweringApp]) -> tuple[dict[str, Any], int | None] | str:
    """Return what of a request asks for a recipe's picture, and the number of an image, or why not."""
    recipe = mark.recipe
    if recipe is None:
        return OTHER_MARK if mark.source_type else NO_MARK
    address, image = recipe.get("address"), recipe.get("image")
    if address is None:
        return NO_ADDRESS
    found = None
    if isinstance(address, str) and len(address) <= MAX_ADDRESS:
        found = _ADDRESS.fullmatch(address) or _IMAGE_ADDRESS.fullmatch(address)
    if found is None or found["path"] not in apps:
        return NO_RECIPE
    if not str(recipe.get("digest")).startswith(found["digest"]):
        return NO_RECIPE
    if image is not None and (type(image) is not int or image < 0):
        return NO_RECIPE
    groups = found.groupdict()
    query_string = groups.pop("query", "").encode()
    parts = {name: unquote(part) for name, part in groups.items()}
    return {"path": found["path"], "path_params": parts, "query_string": query_string}, image
