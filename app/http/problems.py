"""The catalogue of problems: what each ``type`` means, with an answer of its kind.

Where a client can cause a problem, a request is made that does, and the catalogue has what it got. What only
the machine can cause, the error itself says.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app import errors, protocol_errors
from app.access import refusals
from app.access.budgets import Budget
from app.errors import VitrineError
from app.http import iiif, pictures
from app.http.middleware import App, Message, Scope, as_problem
from app.http.templates import as_json, page
from app.service import Service

REQUEST_ID = "0123456789abcdef"  # of the examples
TIMEOUT_SECONDS = 5.0


class Asked(NamedTuple):
    """A request that is refused."""

    method: str
    target: str  # path and query
    media_type: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The request's line and headers, without a body."""
        typed = (("content-type", self.media_type),) if self.media_type else ()
        lines = (f"{name.title()}: {value}" for name, value in (*typed, *self.headers))
        return "\n".join([f"{self.method} {self.target}", *lines])


_BITMAP_OF_100_BITS = (  # a pixel, which no reader of bitmaps knows
    b"BM" + (58).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    + b"\1\0\0\0\1\0\0\0\1\0\x64\0" + bytes(28)
)  # fmt: skip
FORM = "multipart/form-data; boundary=cut"
PART = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="shirt.png"\r\n\r\n\x89PNG'
TOO_LONG = 2**40  # bytes

# By kind: a request that is refused so, or what makes the error of a service that cannot answer.
EXAMPLES: dict[type[VitrineError], Asked | Callable[[Service], Asked | VitrineError]] = {
    errors.InvalidParameter: Asked("GET", "/samples?n=twenty&sede=42"),
    errors.ModelNotFound: Asked("GET", "/samples?model=no-such-model"),
    errors.UnsupportedFormat: Asked("GET", "/samples.tiff"),
    errors.MethodNotAllowed: Asked("DELETE", "/samples"),
    errors.UploadError: Asked("POST", "/reconstruct", "image/png", b"\x89PNG\r\n\x1a\n"),
    errors.MalformedUpload: Asked("POST", "/reconstruct", FORM, PART),
    errors.UploadTooLarge: Asked(
        "POST", "/reconstruct", "image/png", headers=(("content-length", str(TOO_LONG)),)
    ),
    errors.UnsupportedUpload: Asked("POST", "/reconstruct", "application/pdf", b"%PDF-1.7"),
    errors.UnsupportedPicture: Asked("POST", "/reconstruct", "image/bmp", _BITMAP_OF_100_BITS),
    errors.ImageNotFound: Asked("GET", "/manifold/default;q=1/info.json"),
    errors.MalformedImageRequest: lambda service: Asked(
        "GET", f"/manifold/{service.settings.default_model};x=0;y=1/full/huge/0/default.png"
    ),
    errors.ModelGone: lambda _: errors.ModelGone("mine@1", "mine@1", ["0123456789abcdef" * 4], ["mine@2"]),
    errors.ScoringUnavailable: lambda _: errors.ScoringUnavailable("mine@1"),
    errors.MapUnavailable: lambda _: errors.MapUnavailable("mine@1"),
    errors.AddressNotFound: lambda _: as_problem(HTTPException(404), REQUEST_ID),
    errors.VitrineError: lambda _: as_problem(RuntimeError(), REQUEST_ID),
    errors.Overloaded: lambda service: errors.Overloaded(service.settings.max_waiting_images, 4),
    protocol_errors.TooManyRequests: lambda _: protocol_errors.TooManyRequests(2),
    protocol_errors.MalformedRequest: lambda _: protocol_errors.MalformedRequest(
        "Expected one Host header (RFC 9112). Received: 2 Host headers."
    ),
    protocol_errors.HostNotAllowed: lambda _: protocol_errors.HostNotAllowed("other.example"),
    protocol_errors.RequestTimeout: lambda service: protocol_errors.RequestTimeout(
        f"The head was not complete within {service.settings.head_seconds:g} s (VITRINE_HEAD_SECONDS)."
    ),
    protocol_errors.AddressTooLong: lambda service: protocol_errors.AddressTooLong(
        service.settings.max_head_bytes // 2
    ),
    protocol_errors.RangeNotSatisfiable: lambda _: protocol_errors.RangeNotSatisfiable("bytes */4096"),
    protocol_errors.HeadTooLarge: lambda service: protocol_errors.HeadTooLarge(
        service.settings.max_head_bytes, service.settings.max_headers
    ),
    errors.DeadlinePassed: lambda service: errors.DeadlinePassed(service.settings.deadline_seconds, 4),
    errors.NotReady: lambda _: errors.NotReady("The service is shutting down."),
    errors.OutOfResources: lambda _: errors.OutOfResources(),
    errors.UndecodableUpload: lambda _: errors.UndecodableUpload.of(
        "file",
        "an image that the decoder survives",
        "1024 bytes that ended it (SIGSEGV)",
        "Open the picture in another program and save it again, as an 8-bit PNG.",
        "decoder_crashed",
    ),
    errors.DecoderUnavailable: lambda _: errors.DecoderUnavailable("The decoder does not answer."),
    errors.MetricsUnavailable: lambda _: errors.MetricsUnavailable("The files of the counters are gone."),
    errors.ModelError: lambda service: errors.ModelError(
        f"{service.settings.default_model}: the model's output is not finite"
    ),
    errors.ModelUnavailable: lambda _: errors.ModelUnavailable.of("mine@2", "decoder/weights: missing"),
    refusals.KeyRequired: lambda _: refusals.KeyRequired(given=False),
    refusals.ModelNotAllowed: lambda _: refusals.ModelNotAllowed("mine", ["yours"]),
    refusals.SignatureInvalid: lambda _: refusals.SignatureInvalid(),
    refusals.SignatureExpired: lambda _: refusals.SignatureExpired(1767225600),
    refusals.SignatureRequired: lambda _: refusals.SignatureRequired(),
    refusals.BudgetSpent: lambda _: refusals.BudgetSpent(21, Budget(600).headers(), 4),
}
NEVER_ANSWERED = {  # in this form: the one ends the start, the other has the form of its protocol
    errors.StoreError,
    errors.InvalidInference,
    refusals.AccessRefused,  # the base of the others
}
# Where such an error may come, if no request that everybody can make is refused so.
ELSEWHERE = {
    errors.AddressNotFound: "/sample",
    errors.MetricsUnavailable: "/metrics",
    protocol_errors.RangeNotSatisfiable: "/static/style.css",
    errors.UndecodableUpload: "/reconstruct",
    errors.DecoderUnavailable: "/reconstruct",
    errors.ScoringUnavailable: "/score",
    errors.MapUnavailable: "/map",
}


def kinds(error: type[VitrineError] = VitrineError) -> list[type[VitrineError]]:
    """Return every kind of problem that an answer may have, by status and name."""
    children = (found for child in error.__subclasses__() for found in kinds(child))
    return sorted({error, *children} - NEVER_ANSWERED, key=lambda each: (each.status, each.kind))


def router(service: Service) -> APIRouter:
    """Return the routes of the catalogue."""
    router = APIRouter()
    found: dict[str, dict[str, Any]] = {}

    async def catalogue() -> dict[str, dict[str, Any]]:
        if not found:
            found.update({each.kind: await describe(service, each) for each in kinds()})
        return found

    @router.get("/problems.json", tags=["status"], summary="What each kind of problem means")
    async def problems_as_json(request: Request) -> Response:
        """Return the `type`, status and meaning of every problem, with an answer as it is sent."""
        return as_json(request, {"problems": list((await catalogue()).values())})

    @router.get("/problems", include_in_schema=False)
    async def problems(request: Request) -> Response:
        """Say what each `type` of a problem means."""
        return page(request, "problems.html", {"problems": await catalogue(), "chosen": None})

    @router.get("/problems/{kind}", include_in_schema=False)
    async def problem(request: Request, kind: str) -> Response:
        """Say what one `type` means: the address that answers name."""
        known = await catalogue()
        if kind not in known:
            raise errors.AddressNotFound("No problem has this type: see /problems for all of them.")
        return page(request, "problems.html", {"problems": {kind: known[kind]}, "chosen": kind})

    return router


async def describe(service: Service, kind: type[VitrineError]) -> dict[str, Any]:
    """Return what there is to know of a kind of problem; its example is None if nobody has given one."""
    root_path = service.settings.root_path
    about = {
        "type": f"{root_path}/problems/{kind.kind}",
        "status": kind.status,
        "title": kind.title,
        "example": None,
    }
    example = EXAMPLES.get(kind)
    if example is None:
        return about
    found = example if isinstance(example, Asked) else example(service)
    if isinstance(found, Asked):
        asked, error = found, await refusal(service, found)
    else:
        asked, error = Asked("GET", ELSEWHERE.get(kind, "/samples")), found
    body = error.as_json(asked.target.partition("?")[0], REQUEST_ID, root_path).decode()
    headers = {"Content-Type": "application/problem+json", **error.headers}
    return about | {"example": {"request": asked.text, "headers": headers, "body": body}}


async def refusal(service: Service, asked: Asked) -> VitrineError:
    """Return what refuses a request for a picture or an image.

    Raises:
        RuntimeError: nothing does.
    """
    path, _, query = asked.target.partition("?")
    given = (*asked.headers, *((("content-type", asked.media_type),) if asked.media_type else ()))
    scope: Scope = {
        "type": "http",
        "method": asked.method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given],
    }
    bodies = iter([asked.body])

    async def receive() -> Message:
        if (body := next(bodies, None)) is None:
            await asyncio.sleep(TIMEOUT_SECONDS)  # the client stays
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Message) -> None:
        raise RuntimeError(f"{asked.text}: not refused")

    for route in (*pictures.routes(service), *iiif.routes(service)):
        match, matched = route.matches(scope)
        if match is not Match.NONE:
            application: App = matched["endpoint"]
            try:
                await application({**scope, **matched}, receive, send)
            except VitrineError as error:
                return error
    raise RuntimeError(f"{asked.text}: not refused")
