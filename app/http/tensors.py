"""Bodies of the Open Inference Protocol: tensors as JSON numbers, or as bytes behind the JSON.

The format is https://github.com/kserve/open-inference-protocol (REST) with Triton's binary tensor data
extension: the header ``Inference-Header-Content-Length`` says where the JSON ends; tensors follow in their
order, little-endian. Here every tensor is FP32. Functions of bytes and arrays alone; every refusal names the
place in the request.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic_core import to_json  # several times as fast as the standard library with numbers

from app.engine.work import Array
from app.errors import InvalidInference, echo
from app.http.middleware import RawHeaders
from app.http.signatures import Signature, Tensor
from app.http.uploads import read_json
from app.settings import Settings, variable

T = TypeVar("T")

NUMBER_BYTES = 4  # of FP32
MAX_JSON_NUMBERS = 1_000_000  # in one answer: 20 MB of text
LENGTH_HEADER = "Inference-Header-Content-Length"
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
_NOT_OFFERED = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset", "classification")


@dataclasses.dataclass(frozen=True)
class InferenceRequest:
    """A checked request.

    Args:
        id: that the client gave it.
        inputs: in the order of the signature; each (B, row), float32.
        outputs: positions in the signature's outputs, as asked for, and whether each leaves as bytes.
    """

    id: str | None
    inputs: tuple[Array, ...]
    outputs: tuple[tuple[int, bool], ...]

    @property
    def rows(self) -> int:
        """Rows of every tensor."""
        return len(self.inputs[0])

    def json_numbers(self, signature: Signature) -> int:
        """Return how many numbers the answer writes as text."""
        return self.rows * sum(signature.outputs[k].numbers for k, binary in self.outputs if not binary)


def read_request(
    body: bytes, json_bytes: int | None, signature: Signature, limits: Settings
) -> InferenceRequest:
    """Return what a request body asks for.

    Args:
        body: all of it.
        json_bytes: its first bytes that are JSON; 0: none, and the body is the only input's bytes; None: all.
        signature: of the model that is asked.
        limits: what a request may ask for.

    Raises:
        InvalidInference: it is malformed, or does not fit the model or the limits.
    """
    if json_bytes == 0:
        request = _read_raw(body, signature, limits)
    else:
        try:
            content = read_json(body[:json_bytes])
        except ValueError as error:
            expected = "JSON, numbers finite and no more than 200 levels deep"
            remedy = "Let a library write it; send much of it in one list, or as bytes behind the JSON."
            raise _refused("body", expected, error, remedy, "not_json") from None
        _check(type(content) is dict, "body", "a JSON object", _shown(content), "Send an inference request.")
        inputs = _Inputs(signature, limits, body, len(body) if json_bytes is None else json_bytes)
        tensors = inputs.read(_member(content, "inputs", list, "", required=True))
        outputs = _read_outputs(content, signature)
        request = InferenceRequest(_member(content, "id", str, ""), tensors, outputs)
    _check_answer(request, signature, limits)
    return request


def _read_raw(body: bytes, signature: Signature, limits: Settings) -> InferenceRequest:
    """Return the request of a body that is the bytes of the only input, as many rows as there are."""
    inputs = signature.inputs
    remedy = f"Send JSON that describes them, and its length in {LENGTH_HEADER}."
    _check(len(inputs) == 1, LENGTH_HEADER, f"more than 0: the model has {len(inputs)} inputs", 0, remedy)
    row_bytes = NUMBER_BYTES * inputs[0].numbers
    rows, rest = divmod(len(body), row_bytes)
    expected = f"a multiple of {row_bytes} bytes, one row of {inputs[0].name} each"
    _check(rows > 0 and not rest, "body", expected, f"{len(body)} bytes", "Send whole rows of float32.")
    _check_rows(rows, f"rows of {inputs[0].name}", limits)
    tensor = _from_bytes(body, (rows, *inputs[0].row))
    _check_range(tensor, inputs[0])
    return InferenceRequest(None, (tensor,), tuple((k, True) for k in range(len(signature.outputs))))


class _Inputs:
    """Reads the input tensors of one request in their order, as their bytes follow each other.

    Args:
        signature: of the model that is asked.
        limits: what a request may ask for.
        body: the whole body.
        json_bytes: where the bytes of tensors begin in it.
    """

    def __init__(self, signature: Signature, limits: Settings, body: bytes, json_bytes: int) -> None:
        self._tensors = {tensor.name: tensor for tensor in signature.inputs}
        self._limits = limits
        self._body = body
        self._next = json_bytes

    def read(self, entries: list[Any]) -> tuple[Array, ...]:
        """Return every input of the signature, in its order, from the request's `entries`."""
        names = ", ".join(self._tensors)
        found: dict[str, Array] = {}
        for index, entry in enumerate(entries):
            where = f"inputs[{index}]"
            _check(type(entry) is dict, where, "an object", _shown(entry), "Describe a tensor.")
            name = _member(entry, "name", str, where, required=True)
            _check(name in self._tensors, f"{where}.name", f"one of {names}", name, "Name an input.")
            _check(name not in found, f"{where}.name", "each input once", f"{name} twice", "Leave one out.")
            found[name] = self._read_one(entry, where, self._tensors[name])
        missing = ", ".join(name for name in self._tensors if name not in found)
        _check(not missing, "inputs", names, f"no {missing}", "Send every input.")
        rows = {name: len(array) for name, array in found.items()}
        received = ", ".join(f"{count} of {name}" for name, count in rows.items())
        _check(len(set(rows.values())) == 1, "inputs", "as many rows of each", received, "Pair the rows.")
        left = len(self._body) - self._next
        remedy = f"Check {LENGTH_HEADER} and every binary_data_size."
        _check(left == 0, "body", "no bytes behind the last tensor", f"{left} more", remedy)
        return tuple(found[name] for name in self._tensors)

    def _read_one(self, entry: dict[str, Any], where: str, tensor: Tensor) -> Array:
        datatype = _member(entry, "datatype", str, where, required=True)
        _check(datatype == "FP32", f"{where}.datatype", "FP32", datatype, f"Send {tensor.name} as float32.")
        shape = self._read_shape(entry, where, tensor)
        size = _member(_parameters(entry, where), "binary_data_size", int, f"{where}.parameters")
        if size is None:
            array = _from_json(_member(entry, "data", list, where, required=True), shape, tensor.name)
        else:
            received = "both"
            _check("data" not in entry, where, "data or binary_data_size", received, "Leave one out.")
            array = self._take(size, f"{where}.parameters.binary_data_size", shape)
        _check_range(array, tensor)
        return array

    def _read_shape(self, entry: dict[str, Any], where: str, tensor: Tensor) -> tuple[int, ...]:
        shape = _member(entry, "shape", list, where, required=True)
        expected = f"[rows{''.join(f', {length}' for length in tensor.row)}]"
        fits = all(type(length) is int for length in shape) and tuple(shape[1:]) == tensor.row
        _check(fits and len(shape) > 0, f"{where}.shape", expected, shape, f"Shape {tensor.name} like this.")
        _check_rows(shape[0], f"{where}.shape[0]", self._limits)
        return tuple(shape)

    def _take(self, size: int, where: str, shape: tuple[int, ...]) -> Array:
        """Return the tensor of the next `size` bytes."""
        expected = f"{NUMBER_BYTES * math.prod(shape)}, {NUMBER_BYTES} bytes for each number of the shape"
        _check(size == NUMBER_BYTES * math.prod(shape), where, expected, size, "Send float32.")
        piece = self._body[self._next : self._next + size]
        remedy = f"Send them behind the JSON, and its length in {LENGTH_HEADER}."
        _check(len(piece) == size, where, f"{size} bytes behind the JSON", f"{len(piece)} left", remedy)
        self._next += size
        return _from_bytes(piece, shape)


def _from_bytes(piece: bytes, shape: tuple[int, ...]) -> Array:
    return np.frombuffer(piece, "<f4").astype(np.float32).reshape(shape)


def _from_json(data: list[Any], shape: tuple[int, ...], name: str) -> Array:
    """Return the tensor of numbers that are nested as its shape is, or follow each other in one list."""
    values = data
    remedy = f"Nest {name} as its shape is, or send one list of {math.prod(shape)} numbers."
    if len(shape) > 1 and data and type(data[0]) is list:
        lists = [data]
        for depth, length in enumerate(shape):
            for index, each in enumerate(lists):
                if type(each) is not list or len(each) != length:
                    where = _place(name, index, shape[:depth])
                    raise _refused(where, f"a list of {length}", _shown(each), remedy, "wrong_nesting")
            lists = values = list(itertools.chain.from_iterable(lists))
    _check(len(values) == math.prod(shape), name, f"{math.prod(shape)} numbers", len(values), remedy)
    if not set(map(type, values)) <= {int, float}:
        index = next(k for k, value in enumerate(values) if type(value) not in (int, float))
        where = _place(name, index, shape)
        raise _refused(where, "a number", _shown(values[index]), "Send numbers.", "not_a_number")
    try:
        array = np.array(values, np.float64)
    except OverflowError:
        array = np.array([float(min(max(value, -(10**300)), 10**300)) for value in values])
    with np.errstate(over="ignore"):  # it becomes infinite, and is refused
        return array.astype(np.float32).reshape(shape)


def _check_range(array: Array, tensor: Tensor) -> None:
    """Refuse a number that is not finite, or beyond what the tensor may hold."""
    if array.min() >= tensor.low and array.max() <= tensor.high:  # neither holds with a NaN
        return
    index = int(np.argmin((array >= tensor.low) & (array <= tensor.high)))
    value = float(array.flat[index])
    expected = tensor.limits if math.isfinite(value) else "a finite number"
    code = "out_of_range" if math.isfinite(value) else "finite_number"
    remedy = f"Send {tensor.name} as {tensor.limits}."
    raise _refused(_place(tensor.name, index, array.shape), expected, f"{value:g}", remedy, code)


def _place(name: str, index: int, shape: tuple[int, ...]) -> str:
    """Return how a refusal calls element `index`, counted in row-major order."""
    places = ",".join(str(place) for place in np.unravel_index(index, shape)) if shape else ""
    return f"{name}[{places}]" if places else name


def _read_outputs(content: dict[str, Any], signature: Signature) -> tuple[tuple[int, bool], ...]:
    """Return which outputs are asked for, and whether as bytes; all of them if the request names none."""
    binary = _member(_parameters(content, ""), "binary_data_output", bool, "parameters") or False
    names = [tensor.name for tensor in signature.outputs]
    found: dict[int, bool] = {}
    for index, entry in enumerate(_member(content, "outputs", list, "") or ()):
        where = f"outputs[{index}]"
        _check(type(entry) is dict, where, "an object", _shown(entry), "Name an output.")
        name = _member(entry, "name", str, where, required=True)
        _check(name in names, f"{where}.name", f"one of {', '.join(names)}", name, "Name an output.")
        position = names.index(name)
        _check(position not in found, f"{where}.name", "each output once", f"{name} twice", "Leave one out.")
        own = _member(_parameters(entry, where), "binary_data", bool, f"{where}.parameters")
        found[position] = binary if own is None else own
    return tuple(found.items()) or tuple((position, binary) for position in range(len(names)))


def _parameters(holder: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters of a request or a tensor; those that are not known have no effect."""
    found = _member(holder, "parameters", dict, where) or {}
    for name, value in found.items():
        place = f"{where}.parameters".lstrip(".")
        scalar = type(value) in (str, int, float, bool)
        _check(scalar, place, "text, numbers, true or false", _shown(value), "Send nothing else in them.")
        remedy = "Leave it out: the service does not offer it."
        _check(name not in _NOT_OFFERED, place, "parameters of the binary data extension", name, remedy)
    return found


def _member(holder: dict[str, Any], key: str, kind: type[T], where: str, *, required: bool = False) -> Any:
    """Return a member of an object, which must be of that kind; None if it is null or not there."""
    value = holder.get(key)
    if value is None and not required:
        return None
    place = f"{where}.{key}".lstrip(".")
    received = _shown(value) if key in holder else "nothing"
    _check(type(value) is kind, place, _KINDS[kind], received, "See /v2 in the API documentation.")
    return value


def _check_rows(rows: int, where: str, limits: Settings) -> None:
    most = limits.max_images
    _check(
        1 <= rows <= most, where, f"1..{most} ({variable('max_images')})", rows, "Send fewer rows at once."
    )


def _check_answer(request: InferenceRequest, signature: Signature, limits: Settings) -> None:
    """Refuse a request whose answer would be too large."""
    numbers = request.rows * sum(signature.outputs[k].numbers for k, _ in request.outputs)
    most = limits.max_pixels
    expected = f"an answer of at most {most} numbers ({variable('max_pixels')})"
    _check(numbers <= most, "inputs", expected, numbers, "Send fewer rows at once.")
    text = request.json_numbers(signature)
    expected = f"at most {MAX_JSON_NUMBERS} numbers as JSON"
    _check(text <= MAX_JSON_NUMBERS, "outputs", expected, text, "Ask for them by binary_data.")


def _check(holds: bool, where: str, expected: str, received: object, remedy: str) -> None:
    if not holds:
        raise _refused(where, expected, received, remedy, "invalid")


def _refused(where: str, expected: str, received: object, remedy: str, code: str) -> InvalidInference:
    return InvalidInference.of(echo(where), expected, received, remedy, code)


def _shown(value: object) -> str:
    """Return what a refusal says of something that came in JSON: of what may be large its kind alone."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if type(value) in (str, int, float) else _KINDS[type(value)]


def write_answer(
    about: dict[str, str], request: InferenceRequest, signature: Signature, result: Array
) -> tuple[RawHeaders, bytes]:
    """Return headers and body of the answer.

    Args:
        about: the members of the answer beside id and outputs.
        request: what was asked.
        signature: of the model that was asked.
        result: what its operation gave for the request's rows.
    """
    tensors: Sequence[Array] = signature.split(result)
    pieces: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for position, binary in request.outputs:
        array = tensors[position]
        outputs.append({"name": signature.outputs[position].name, "datatype": "FP32", "shape": array.shape})
        if binary:
            pieces.append(array.astype("<f4", copy=False).tobytes())
            outputs[-1]["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            outputs[-1]["data"] = array.reshape(-1).tolist()
    own: dict[str, Any] = about | ({} if request.id is None else {"id": request.id})
    text = to_json(own | {"outputs": outputs})
    if not pieces:
        return [(b"content-type", b"application/json")], text
    headers = [
        (b"content-type", b"application/octet-stream"),
        (LENGTH_HEADER.lower().encode(), b"%d" % len(text)),
    ]
    return headers, b"".join([text, *pieces])
