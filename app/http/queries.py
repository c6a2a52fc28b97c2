"""What routes share: strict query parameters, uploads, and the service's own parts."""

import asyncio
import difflib
import math
import re
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect

from app.engine.engine import Engine
from app.engine.work import Work
from app.errors import (
    Fault,
    InvalidParameter,
    ModelError,
    NotReady,
    UnsupportedUpload,
    UploadError,
    UploadTooLarge,
    echo,
)
from app.explore.samples import Look, Render
from app.http.middleware import Receive
from app.http.uploads import Part, parse_form
from app.models import Model, Models
from app.pictures.grids import Ink
from app.pictures.uploads import Invert
from app.settings import Settings, variable

T = TypeVar("T")

FORMATS = ("png",)

PATIENCE_SECONDS = 0.05  # how long a request goes on before anybody looks whether its client is still there

MAX_CODE_CHARACTERS = 8192
MAX_LABEL_CHARACTERS = 100
MAX_FAULTS = 8  # told in one answer; a request with thousands is no honest mistake

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8})?", re.ASCII)


def _refuse(code: str, expected: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError(
        "refused", "{expected}", {"code": code, "expected": expected, "remedy": remedy}
    )


def _whole(text: Any) -> int:
    if isinstance(text, str) and _WHOLE.fullmatch(text):
        return int(text)
    raise _refuse("not_a_whole_number", "a whole number in digits", "Write digits only, like 21.")


def _number(text: Any) -> float:
    if isinstance(text, str) and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text) + 0.0  # -0.0 becomes 0.0
    if isinstance(text, str) and "," in text:
        raise _refuse("not_a_number", "one number", "Use a point, not a comma, like 0.5.")
    raise _refuse("finite_number", "a finite number", "Write a number like 0.5.")


def _code(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_CODE_CHARACTERS:
        raise _refuse(
            "too_long", f"at most {MAX_CODE_CHARACTERS} characters", "Give one number a latent axis."
        )
    for index, part in enumerate(text.split(",")):
        if not _NUMBER.fullmatch(part) or not math.isfinite(float(part)):
            raise _refuse(
                "finite_number",
                f"finite numbers with commas between them; z[{index}] is {echo(part)}",
                "Write numbers like 0,0.5,-1.",
            )
    return text


def _reference(text: Any) -> str:
    if isinstance(text, str) and _REFERENCE.fullmatch(text):
        return text
    raise _refuse(
        "malformed_reference",
        "NAME or NAME@VERSION, a name of lower-case letters, digits, '.', '_' and '-'",
        "Look up the names at /version.",
    )


def _label(text: Any) -> str:
    if isinstance(text, str) and 0 < len(text) <= MAX_LABEL_CHARACTERS:
        return text
    raise _refuse("malformed_label", "a class' name or number", "Look up the classes at /version.")


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Code = Annotated[str, BeforeValidator(_code)]
Label = Annotated[str, BeforeValidator(_label)]
Reference = Annotated[str, BeforeValidator(_reference)]


class _Query(BaseModel):
    """Parameters of every picture. A parameter that is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Reference | None = Field(
        None, description="Model: NAME for its newest version, NAME@VERSION for one for good."
    )
    zoom: Whole = Field(1, description="Integer scale of the pixels.", examples=[3])
    ink: Ink = Field("dark", description="dark: 0 is drawn white, like ink on paper; light: as the data is.")
    format: str = Field("png", description="Picture format; png is the one offered.")


class _GridQuery(_Query):
    columns: Whole = Field(7, description="Images in a row; a shorter grid has as many as there are images.")

    @property
    def look(self) -> Look:
        """How the grid is drawn."""
        return Look(self.columns, self.zoom, self.ink)


class SamplesQuery(_GridQuery):
    """What ``GET /samples`` takes."""

    n: Whole = Field(21, description="Number of images.", examples=[21])
    seed: Whole | None = Field(
        None, description="0 to 2^63-1. Makes the picture permanent; drawn and named in X-Seed if not given."
    )
    temperature: Number = Field(1.0, description="0 to 4: scale of the codes; 1 samples the prior.")
    label: Label | None = Field(
        None, description="Class to draw, by its name or number, of a model that knows classes."
    )
    render: Render = Field(
        "mean", description="mean: E[x given z]; draw: a draw from p(x given z), pixel noise included."
    )


class InterpolateQuery(_Query):
    """What ``GET /interpolate`` takes."""

    axis: Whole | None = Field(
        None, description="Latent axis, from 0; the model's own choice if not given.", examples=[3]
    )
    low: Number | None = Field(None, description="Value of the axis in the first image, -8 to 8.")
    high: Number | None = Field(None, description="Value of the axis in the last image, -8 to 8.")
    steps: Whole | None = Field(None, description="Number of images.")
    seed: Whole | None = Field(
        None,
        description="Holds the other axes at this seed's first code; if not given, at the prior's centre.",
    )
    z: Code | None = Field(
        None, description="Holds the other axes at this code: numbers with commas between them."
    )

    @property
    def code(self) -> tuple[float, ...] | None:
        """The numbers in `z`."""
        return None if self.z is None else tuple(float(part) + 0.0 for part in self.z.split(","))

    @property
    def look(self) -> Look:
        """How the row is drawn."""
        return Look(None, self.zoom, self.ink)


class ReconstructQuery(_Query):
    """What ``/reconstruct`` takes beside the images."""

    columns: Whole | None = Field(None, description="Images in a row; all in one row if not given.")

    @property
    def look(self) -> Look:
        """How the grid is drawn."""
        return Look(self.columns, self.zoom, self.ink)


class UploadQuery(ReconstructQuery):
    """What ``POST /reconstruct`` takes beside the images."""

    invert: Invert = Field(
        "no", description="yes: dark on light becomes light on dark; auto: if the border is light; no: as is."
    )


def refuse_repeated_parameters(request: Request) -> None:
    """Refuse a query parameter that is given twice: which of the two is meant, a cache cannot know."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise InvalidParameter.of(
                echo(name),
                "each parameter once",
                f"{name} given twice",
                "Leave one of them out.",
                "given_twice",
            )
        seen.add(name)


def to_invalid_parameter(error: RequestValidationError, known: list[str]) -> InvalidParameter:
    """Turn the framework's findings into ours.

    Args:
        error: what did not validate.
        known: names of the parameters that the endpoint takes.
    """
    faults = []
    for found in error.errors()[:MAX_FAULTS]:
        name = echo(found["loc"][-1])
        context = found.get("ctx", {})
        received = echo(found.get("input"))
        if found["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
            near = near or [other for other in known if name.lower().startswith(other)][:1]
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
            faults.append(
                Fault(name, "a known parameter", name, f"Unknown parameter; {hint}", "unknown_parameter")
            )
        elif found["type"] == "refused":
            faults.append(Fault(name, context["expected"], received, context["remedy"], context["code"]))
        else:
            expected = str(context.get("expected", found["msg"]))
            faults.append(Fault(name, expected, received, f"Use {expected}.", found["type"]))
    return InvalidParameter(*faults)


async def read_files(request: Request) -> list[tuple[str, bytes]]:
    """Return the images in a request body: multipart fields called ``file``, or one raw ``image/*`` body.

    The body stays in memory and is never longer than the limit, whatever its headers say.

    Raises:
        UploadError: or one of its kinds: malformed, too large, of no known kind, no file in it.
    """
    settings = service_settings(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedUpload(
            "Content-Encoding",
            "a body that is not compressed",
            request.headers["content-encoding"],
            "Send the image as it is; images are compressed already.",
            "compressed_body",
        )
    if kind == "multipart/form-data":
        body = await _read_body(request, settings)
        return _files_of(parse_form(body, request.headers["content-type"], settings.max_upload_images))
    if kind.startswith("image/"):
        return [("body", await _read_body(request, settings))]
    raise UnsupportedUpload(
        "Content-Type",
        "multipart/form-data with a field file, or image/*",
        kind or "none",
        "Send a form (curl -F file=@shirt.png) or the file itself "
        "(curl --data-binary @shirt.png -H 'Content-Type: image/png').",
        "unsupported_content_type",
    )


def _files_of(parts: list[Part]) -> list[tuple[str, bytes]]:
    """Return the fields called ``file``, each with the name that errors give it."""
    found = [part for part in parts if part.name == "file"]
    if not found:
        names = ", ".join(dict.fromkeys(part.name for part in parts)) or "no fields"
        raise UploadError(
            "file", "at least one image in the field file", names, "Name the field file.", "no_file"
        )
    files = []
    for index, part in enumerate(found):
        name = "file" if len(found) == 1 else f"file[{index}]"
        if not part.is_file:
            remedy = "Attach a file (curl -F file=@shirt.png)."
            raise UploadError(name, "a file", "text", remedy, "not_a_file")
        files.append((name, part.content))
    return files


async def _read_body(request: Request, settings: Settings) -> bytes:
    """Return the request body, or give up as soon as it is over the limit."""
    limit = settings.max_upload_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit, f"{announced} bytes")
    pieces, received = [], 0
    async for piece in request.stream():
        received += len(piece)
        if received > limit:
            raise _too_large(limit, f"over {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(limit: int, received: str) -> UploadTooLarge:
    expected = f"at most {limit} bytes ({variable('max_upload_bytes')})"
    error = UploadTooLarge("body", expected, received, "Send fewer or smaller images.", "body_too_large")
    error.headers["Connection"] = "close"  # so that the rest of the body is not read only to be dropped
    return error


def service_settings(request: Request) -> Settings:
    """Return the service's settings."""
    settings: Settings = request.app.state.settings
    return settings


def service_engine(request: Request) -> Engine:
    """Return the door to computation.

    Raises:
        NotReady: the service has not started.
    """
    engine: Engine | None = request.app.state.engine
    if engine is None:
        raise NotReady("The models are being loaded.")
    return engine


def service_models(request: Request) -> Models:
    """Return the models.

    Raises:
        NotReady: the service has not started.
    """
    models: Models | None = request.app.state.models
    if models is None:
        raise NotReady("The models are being loaded.")
    return models


class ModelFinder:
    """Finds and, if need be, opens the model that a request names; bound to the service by a dependency."""

    def __init__(self, models: Models, default: str) -> None:
        self._models, self._default = models, default

    async def find(self, reference: str | None) -> Model:
        """Return the opened model of ``NAME`` or ``NAME@VERSION``, or the default model for None.

        Raises:
            ModelNotFound: there is none.
            ModelError: the version cannot be opened.
        """
        reference = reference or self._default
        while True:
            version = self._models.find(reference)
            opened = self._models.get_opened(version)
            if opened is not None:
                return opened
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._models.opener, self._models.get, version)
            except ModelError:
                if "@" in reference:
                    raise
                # A bare name now means the version before.


def model_finder(
    models: Annotated[Models, Depends(service_models)],
    settings: Annotated[Settings, Depends(service_settings)],
) -> ModelFinder:
    """Return what looks models up."""
    return ModelFinder(models, settings.default_model)


class Door:
    """The engine, for the client of one request: when the client leaves, its work is given up."""

    def __init__(self, receive: Receive, engine: Engine) -> None:
        self._receive, self._engine = receive, engine

    async def run(self, work: Work[T]) -> T:
        """Return what `work` returns; the request's body must have been read.

        Raises:
            ClientDisconnect: nobody waits for it any more.
        """
        future = self._engine.submit(work)
        if future.done():
            return future.result()
        watching: list[asyncio.Task[None]] = []

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            future.cancel()

        # A watcher costs more than most pictures take, so that only a client who waits gets one.
        loop = asyncio.get_running_loop()
        timer = loop.call_later(PATIENCE_SECONDS, lambda: watching.append(loop.create_task(watch())))
        try:
            return await future
        except asyncio.CancelledError:
            if watching and watching[0].done():
                raise ClientDisconnect from None
            future.cancel()  # the request's own task was
            raise
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()


def service_door(request: Request, engine: Annotated[Engine, Depends(service_engine)]) -> Door:
    """Return the door to computation for this request's client."""
    return Door(request.receive, engine)


SettingsDep = Annotated[Settings, Depends(service_settings)]
EngineDep = Annotated[Door, Depends(service_door)]
ModelsDep = Annotated[Models, Depends(service_models)]
FinderDep = Annotated[ModelFinder, Depends(model_finder)]
