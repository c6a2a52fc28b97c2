"""The Open Inference Protocol (KServe's V2, REST): encoder, decoder and draws of every model as tensors.

Rows are computed by the engine, like those of pictures, with the same admission, deadlines and counters; but
what leaves is not rounded to levels. Errors have the protocol's form, ``{"error": "..."}``.
``docs/inference-protocol.md`` tells how it is used.
"""

import functools
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.routing import Route

from app.engine.work import Rows, Steps, Work
from app.errors import (
    AddressNotFound,
    InvalidInference,
    MethodNotAllowed,
    ModelNotFound,
    Overloaded,
    VitrineError,
)
from app.http.clients import note_client
from app.http.endpoint import result_of
from app.http.middleware import BY_QUEUE, RawHeaders, Receive, Scope, Send, send_answer
from app.http.signatures import PARTS, Signature, names_of, split_name
from app.http.tensors import (
    LENGTH_HEADER,
    NUMBER_BYTES,
    InferenceRequest,
    read_request,
    write_answer,
)
from app.http.uploads import read_body, refuse_compressed
from app.models import Model
from app.service import Service
from app.settings import Settings

Answer = tuple[RawHeaders, bytes]
Respond = Callable[[Scope, Receive], Awaitable[Answer]]

EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "tensorflow_savedmodel"  # the one format that every version of the store has
SMALL_BODY = 65_536  # bytes; a longer one is read in a thread: its numbers may take the loop for milliseconds
NUMBER_CHARACTERS = 2  # that a number takes in JSON at least, with what parts it from the next
HEAVY_NUMBERS = 16_384  # to write so many as JSON takes a millisecond
_JSON = (b"content-type", b"application/json")


def routes(service: Service) -> list[Route]:
    """Return the protocol's routes; under ``/v2`` nothing else is answered."""
    protocol = InferenceProtocol(service)
    addresses = {
        "/v2": _Address("GET", protocol.server),
        "/v2/": _Address("GET", protocol.server),  # as the specification's OpenAPI document writes it
        "/v2/health/live": _Address("GET", protocol.live),
        "/v2/health/ready": _Address("GET", protocol.ready),
    }
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        addresses[path] = _Address("GET", protocol.model)
        addresses[f"{path}/ready"] = _Address("GET", protocol.model_ready)
        addresses[f"{path}/infer"] = _Address("POST", protocol.infer)
    addresses["/v2/{path:path}"] = _Address(None, protocol.unknown)
    return [Route(path, address) for path, address in addresses.items()]


class _Address:
    """One address of the protocol, a plain ASGI application; its errors have the protocol's form."""

    def __init__(self, method: str | None, respond: Respond) -> None:
        self._method = method
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["state"]["problem_body"] = as_error
        if self._method is not None and scope["method"] != self._method:
            raise MethodNotAllowed({self._method})
        headers, body = await self._respond(scope, receive)
        await send_answer(send, 200, headers, body)


def as_error(problem: VitrineError) -> tuple[bytes, bytes]:
    """Return the media type and the body of a refusal, in the protocol's form."""
    return b"application/json", to_json({"error": problem.detail})


def _told(content: dict[str, Any]) -> Answer:
    return [_JSON, (b"cache-control", b"no-cache")], to_json(content)


class InferenceProtocol:
    """What the protocol's addresses answer, each from a request's scope and body."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def server(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Say which server this is."""
        return _told(
            {"name": "vitrine", "version": metadata.version("vitrine-vae"), "extensions": EXTENSIONS}
        )

    async def live(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Say that the process is alive."""
        return _told({"live": True})

    async def ready(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Say that the default model computes; the specification calls it live, and KServe's client ready."""
        await self._service.check()
        return _told({"live": True, "ready": True})

    async def model(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Describe a model: its versions, what it takes and what it gives."""
        found, part = await self._find(scope)
        signature = PARTS[part](found)
        name = found.version.name
        return _told(
            {
                "name": f"{name}.{part}",
                "versions": self._versions(name),
                "platform": PLATFORM,
                "inputs": [tensor.describe() for tensor in signature.inputs],
                "outputs": [tensor.describe() for tensor in signature.outputs],
            }
        )

    async def model_ready(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Say that a model is ready; a version that nobody has asked for yet is opened for it."""
        found, part = await self._find(scope)
        return _told({"name": f"{found.version.name}.{part}", "ready": True})

    async def unknown(self, scope: Scope, receive: Receive) -> Answer:  # noqa: ARG002
        """Refuse what is no address of the protocol."""
        raise AddressNotFound("Not of the protocol. GET /v2/models/NAME describes a model.")

    async def infer(self, scope: Scope, receive: Receive) -> Answer:
        """Compute the outputs of a model."""
        service = self._service
        engine = service.engine  # before anything is awaited: the service may end meanwhile
        model, part = await self._find(scope)
        request = Request(scope, receive)
        refuse_compressed(request, "Send the tensors as they are.")
        json_bytes = _json_bytes(request)
        body = await read_body(request, service.settings)
        if json_bytes is not None and json_bytes > len(body):
            remedy = "Send the length of the JSON alone."
            expected = f"at most {len(body)}, the bytes of the body"
            raise InvalidInference.of(LENGTH_HEADER, expected, json_bytes, remedy, "out_of_range")
        version = model.version
        about = {"model_name": f"{version.name}.{part}", "model_version": str(version.number)}
        work = infer(PARTS[part](model), about, body, json_bytes, service.settings)
        note_client(scope)
        try:
            headers, answer = await result_of(engine.submit(work), receive)
        except Overloaded as refusal:
            scope["state"][BY_QUEUE] = refusal
            raise
        own = [(b"x-model", version.reference.encode()), (b"cache-control", b"no-store")]
        return [*headers, *own], answer

    async def _find(self, scope: Scope) -> tuple[Model, str]:
        """Return the opened model that an address names, and which part of it."""
        models = self._service.models
        name, version = scope["path_params"]["model"], scope["path_params"].get("version")
        meant = split_name(name)
        if meant is not None:
            store_name, part = meant
            reference = store_name if version is None else f"{store_name}@{version}"
            try:
                return await self._service.find(reference), part
            except ModelNotFound:
                pass  # it would tell of the store's names
        known = [
            f"{each} (versions: {', '.join(self._versions(store_name))})"
            for store_name in models.store.versions
            for each in names_of(store_name)
        ]
        raise ModelNotFound(name if version is None else f"{name}, version {version}", known)

    def _versions(self, name: str) -> list[str]:
        """Return the versions of a model that can be served."""
        models = self._service.models
        rejected = models.rejected
        numbers = [version.number for version in models.store.versions[name]]
        return [str(number) for number in numbers if f"{name}/{number}" not in rejected]


def _json_bytes(request: Request) -> int | None:
    """Return how many bytes of the body are JSON, by its header; None: there is none, and all are."""
    given = request.headers.getlist(LENGTH_HEADER)
    if not given:
        return None
    if len(given) > 1 or not (given[0].isascii() and given[0].isdecimal()) or len(given[0]) > 12:
        received, remedy = ", ".join(given), "Send the length of the JSON in bytes."
        raise InvalidInference.of(LENGTH_HEADER, "one whole number", received, remedy, "not_a_whole_number")
    return int(given[0])


def infer(
    signature: Signature, about: dict[str, str], body: bytes, json_bytes: int | None, limits: Settings
) -> Work[Answer]:
    """Return the work of an inference request, whose answer is headers and body.

    A small body is read here. A large one is read in the work's first step, which a thread does; until then
    the work counts for the most rows that its length can hold.

    Args:
        signature: of the model that is asked.
        about: the model's name and version, as the answer writes them.
        body: of the request.
        json_bytes: see ``app.http.tensors.read_request``.
        limits: what a request may ask for.

    Raises:
        InvalidInference: the request cannot be used; of a large body the work raises it.
    """
    read = functools.partial(read_request, body, json_bytes, signature, limits)

    def steps(request: InferenceRequest | None) -> Steps[Answer]:
        checked = read() if request is None else request
        result = yield Rows.of(signature.operation, *checked.inputs)
        return write_answer(about, checked, signature, result)

    operations = (signature.operation,)
    if len(body) > SMALL_BODY:
        rows = _most_rows(signature, len(body), json_bytes, limits)
        return Work(functools.partial(steps, None), rows, operations, heavy=True, upload_cost=len(body))
    request = read()
    heavy = request.json_numbers(signature) > HEAVY_NUMBERS
    return Work(functools.partial(steps, request), request.rows, operations, heavy)


def _most_rows(signature: Signature, length: int, json_bytes: int | None, limits: Settings) -> int:
    """Return how many rows a body of that length can hold."""
    text = length if json_bytes is None else json_bytes
    numbers = text // NUMBER_CHARACTERS + (length - text) // NUMBER_BYTES
    return max(1, min(limits.max_images, numbers // signature.inputs[0].numbers))
