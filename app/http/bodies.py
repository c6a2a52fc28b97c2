"""Request bodies that hold points or codes: JSON, NumPy's format, or images whose codes are meant."""

import asyncio
import functools
import io
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from starlette.requests import Request

from app.errors import InvalidParameter, MalformedUpload, UnsupportedUpload, UploadError, echo
from app.explore.grids import MAX_CODE
from app.explore.points import MAX_CHARACTERS, Place, Point, Term, check_terms, parse, pattern
from app.http.uploads import BINARY, FILES, Body, read_body, read_files, read_json, refuse_compressed
from app.settings import Settings

NUMPY_TYPES = ("application/x-npy", "application/octet-stream")
MAX_AXES = 4096  # far more than any model has
MAX_VALUES = 200_000  # numbers and points in a JSON body; as bytes there may be more
FLOATS = ("<f4", "<f8", ">f4", ">f8", "<f2")
MAX_HEADER_BYTES = 4096
MAX_ALL_CHARACTERS = 262_144  # of all points in a body: to read so many takes a tenth of a second
SMALL_BODY = 8192  # bytes of JSON; more are read in a thread
# One thread: while several compete for the interpreter, the event loop waits for each of them.
_READER = ThreadPoolExecutor(1, "reading")


class SentPoints(NamedTuple):
    """What a body holds: points, or images.

    Args:
        points: by their names or as codes; not checked against a model.
        files: what errors call each image, and its bytes.
    """

    points: tuple[Point, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()


async def read_points(request: Request, settings: Settings) -> SentPoints:
    """Return the points, codes or images in a request body.

    Raises:
        UploadError: or one of its kinds: malformed, too large, of no known kind, too many.
        InvalidParameter: a text is no point.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        refuse_compressed(request, "Send the points as they are.")
        body = await read_body(request, settings)
        if len(body) > SMALL_BODY:
            reading = functools.partial(_points_of, body, settings.max_images)
            return SentPoints(await asyncio.get_running_loop().run_in_executor(_READER, reading))
        return SentPoints(_points_of(body, settings.max_images))
    if kind in NUMPY_TYPES:
        refuse_compressed(request, "Send the array as it is.")
        return SentPoints(_codes_of(await read_body(request, settings), settings.max_images))
    if kind.startswith(("multipart/", "image/")):
        return SentPoints(files=tuple(await read_files(request, settings)))
    expected = "application/json, application/x-npy, a form or image/*"
    remedy = 'Send {"points": ["seed:42/3"]}, {"codes": [[0, 0.5]]} or an array as numpy.save writes it.'
    raise UnsupportedUpload.of("Content-Type", expected, kind or "none", remedy, "unsupported_content_type")


_POINT = {"type": "string", "pattern": f"^({pattern()})$", "maxLength": MAX_CHARACTERS}
_CODE = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "number", "minimum": -MAX_CODE, "maximum": MAX_CODE},
}
_POINTS = {
    "type": "object",
    "description": "Points by their names, or codes: one number a latent axis.",
    "properties": {
        name: {"type": "array", "minItems": 1, "items": items}
        for name, items in {"points": _POINT, "codes": _CODE}.items()
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
POINTS = Body(
    read_points,
    {"application/json": {"schema": _POINTS}, **dict.fromkeys(NUMPY_TYPES, BINARY), **FILES.content},
)


def _points_of(body: bytes, most: int) -> tuple[Point, ...]:
    """Return the points of a JSON body."""
    try:
        content = read_json(body, MAX_VALUES, 2 + most)
    except ValueError as error:
        raise _malformed("JSON, which has no NaN and no Infinity", str(error)) from None
    if not isinstance(content, dict) or len(content) != 1 or not content.keys() <= {"points", "codes"}:
        raise _malformed('an object with "points" or "codes"', echo(content))
    (name, values), *_ = content.items()
    if not isinstance(values, list) or not values:
        raise _malformed(f"{name}: a list of at least one", echo(values))
    _check_number(name, len(values), most)
    if name == "codes":
        return tuple(_point_of(code, f"codes[{number}]") for number, code in enumerate(values))
    for number, text in enumerate(values):
        if not isinstance(text, str):
            raise _malformed(f"points[{number}]: a text", echo(text))
    check_terms(sum(text.count("~") + 1 for text in values), "points")
    if (written := sum(map(len, values))) > MAX_ALL_CHARACTERS:
        remedy = 'Send {"codes": [[0, 0.5]]}, or an array as numpy.save writes it.'
        expected, received = f"at most {MAX_ALL_CHARACTERS} characters in all", f"{written} characters"
        raise InvalidParameter.of("points", expected, received, remedy, "too_long")
    return tuple(parse(text, f"points[{number}]") for number, text in enumerate(values))


def _point_of(code: Any, parameter: str) -> Point:
    if not isinstance(code, list):
        raise _malformed(f"{parameter}: a list of numbers", echo(code))
    if len(code) > MAX_AXES:
        raise _malformed(f"{parameter}: a number for each latent axis", f"{len(code)} numbers")
    for axis, value in enumerate(code):
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise _malformed(f"{parameter}[{axis}]: a finite number", echo(value))
    return Point((Term(1.0, Place("z", code=tuple(map(float, code)))),), parameter)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _codes_of(body: bytes, most: int) -> tuple[Point, ...]:
    """Return the codes of an array as ``numpy.save`` writes it; nothing of its size is taken at its word."""
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, by_columns, kind = read[version](stream, max_header_size=MAX_HEADER_BYTES)
    # The header is an expression of Python's, whose parsers give up with a dozen kinds of exception.
    except Exception as error:
        raise _malformed("an array as numpy.save writes it", str(error) or "a nested header") from None
    if kind.str not in FLOATS or len(shape) != 2 or {*map(type, shape)} != {int} or min(shape) < 0:
        raise _malformed("an array of floats, one row an image", f"{kind} of {echo(shape)}")
    content = stream.read()
    if len(content) != shape[0] * shape[1] * kind.itemsize:
        raise _malformed(f"{shape[0] * shape[1] * kind.itemsize} bytes of numbers", f"{len(content)} bytes")
    _check_number("codes", shape[0], most)
    codes = np.frombuffer(content, kind).reshape(shape, order="F" if by_columns else "C")
    for row, column in np.argwhere(~np.isfinite(codes))[:1].tolist():
        raise _malformed(f"codes[{row}][{column}]: a finite number", str(codes[row, column]))
    return tuple(
        Point((Term(1.0, Place("z", code=tuple(code))),), f"codes[{number}]")
        for number, code in enumerate(codes.astype(np.float64).tolist())
    )


def _check_number(name: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        expected = f"1..{most} (the limit is VITRINE_MAX_IMAGES)"
        raise UploadError.of(name, expected, number, f"Send 1 to {most}.", "out_of_range")


def _malformed(expected: str, received: str) -> MalformedUpload:
    remedy = "See /docs for an example of the body."
    return MalformedUpload.of("body", expected, received, remedy, "malformed")
