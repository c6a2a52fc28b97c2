"""A request body -> the files in it: multipart fields called ``file``, or one raw ``image/*`` body.

A form is parsed in memory, by a thin layer over python-multipart's parser. It writes no temporary files,
counts fields and files, and refuses a body that stops early or goes on with another form. Text before the
first boundary and after the last is passed over (RFC 2046), so is an input for a file that was left empty.
A field of another name is refused: parameters stand in the query.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus

from pydantic_core import from_json  # several times as fast as the standard library with numbers
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.errors import Fault, MalformedUpload, UnsupportedUpload, UploadError, UploadTooLarge, echo
from app.pictures.files import encoding_of, sniff, still_encoded
from app.settings import Settings, variable

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns once for every bad body

MAX_PREAMBLE_BYTES = 4096  # and as many behind the last boundary
MAX_FIELDS = 16  # parts that are no files, or inputs that were left empty
MAX_FIELD_BYTES = 1024
MAX_OPTIONS = 50  # the header's parser takes time that grows faster than their number
MAX_JSON_VALUES = 1_000_000
MAX_JSON_LISTS = 30_000  # and as many objects; they take ten times as long to read as numbers
MAX_HEADER_BYTES = 16_384  # a line of a part's header: longer than any file name, which nobody reads
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"', re.DOTALL)
# A file's name in the form of RFC 5987. RFC 7578 forbids it, so the parser passes it over; some write it.
_EXTENDED_NAME = re.compile(rb";[ \t]*filename\*\d*\*?[ \t]*=", re.IGNORECASE)
_AS_IT_IS = {b"", b"7bit", b"8bit", b"binary", b"identity"}  # Content-Transfer-Encoding


class Body(NamedTuple):
    """What a request's body may be.

    Args:
        read: reads it, or refuses it.
        content: by media type, OpenAPI's schema of it.
    """

    read: Callable[[Request, Settings], Awaitable[Any]]
    content: dict[str, Any]


@dataclasses.dataclass
class Part:
    """One part of a form."""

    name: str = ""
    is_file: bool = False
    content: bytes = b""
    left_empty: bool = False  # an input for a file, without one


Files = list[tuple[str, bytes]]  # what errors call each, and its bytes


async def read_files(request: Request, settings: Settings) -> Files:
    """Return the images in a request body, each with the name that errors give it.

    The body stays in memory and is never longer than the limit, whatever its headers say.

    Raises:
        UploadError: or one of its kinds: malformed, too large, of no known kind, no file in it.
    """
    sent = await _read(request, settings)
    return [("body", sent)] if isinstance(sent, bytes) else _files_of(sent)


async def read_masked(request: Request, settings: Settings) -> tuple[Files, Files]:
    """Return the images in a request body, and the masks beside them, fields called ``mask``.

    Raises:
        UploadError: as ``read_files``, or there are masks, and not as many as images.
    """
    sent = await _read(request, settings, kinds=2)
    if isinstance(sent, bytes):
        return [("body", sent)], []
    files = _files_of(sent, ("file", "mask"))
    masks = [part.content for part in sent if part.name == "mask" and not part.left_empty]
    if masks and len(masks) != len(files):
        expected, remedy = f"{len(files)} of them, one for each image", "Send a mask for each, or none."
        raise UploadError.of("mask", expected, len(masks), remedy, "wrong_length")
    return files, [(f"mask[{index}]", content) for index, content in enumerate(masks)]


async def _read(request: Request, settings: Settings, kinds: int = 1) -> list[Part] | bytes:
    """Return the parts of a form, see ``parse_form``, or an image that is the body."""
    types = request.headers.getlist("content-type") or [""]
    if len(types) > 1:
        received, remedy = f"{len(types)} of them", "Send the header once."
        raise UnsupportedUpload.of("Content-Type", "one header", received, remedy, "content_type_twice")
    kind = types[0].partition(";")[0].strip().lower()
    refuse_compressed(request, "Send the image as it is; images are compressed already.")
    if kind == "multipart/form-data":
        body = await read_body(request, settings)
        return parse_form(body, request.headers["content-type"], settings.max_upload_images, kinds)
    if kind.startswith("image/"):
        return await read_body(request, settings)
    expected = "multipart/form-data with a field called file, or image/*"
    alone = "(curl --data-binary @shirt.png -H 'Content-Type: image/png')"
    remedy = f"Send a form (curl -F file=@shirt.png) or the file itself {alone}."
    raise UnsupportedUpload.of("Content-Type", expected, kind or "none", remedy, "unsupported_content_type")


def refuse_compressed(request: Request, remedy: str) -> None:
    """Refuse a request whose body is compressed as a whole, with what to do about it."""
    # Lines of one name are one list, and all of it holds.
    encoding = ", ".join(request.headers.getlist("content-encoding")) or "identity"
    if {each.strip().lower() for each in encoding.split(",")} != {"identity"}:
        expected = "a body that is not compressed"
        raise UnsupportedUpload.of("Content-Encoding", expected, encoding, remedy, "compressed_body")


def _files_of(parts: list[Part], known: tuple[str, ...] = ("file",)) -> Files:
    """Return the fields called ``file``, each with the name that errors give it; no others but `known`."""
    filled = [part for part in parts if not part.left_empty]
    found = [part for part in filled if part.name == "file"]
    if not found:
        names = ", ".join(dict.fromkeys(part.name for part in parts)) or "no fields"
        expected, remedy = "at least one image in a field called file", "The field's name must be file."
        if any(part.name == "file" for part in parts):
            names, remedy = "a field called file, without a file", "Choose a file, then send the form."
        raise UploadError.of("file", expected, names, remedy, "no_file")
    # A form's own field for its encoding (RFC 7578, section 4.6) is no parameter.
    unknown = {part.name: part for part in filled if part.name not in (*known, "_charset_")}
    if unknown:
        raise UploadError(*(_unknown(part, known) for part in unknown.values()))
    files = []
    for index, part in enumerate(found):
        name = "file" if len(found) == 1 else f"file[{index}]"
        if not part.is_file:
            remedy = "Attach a file (curl -F file=@shirt.png)."
            raise UploadError.of(name, "a file", "text", remedy, "not_a_file")
        files.append((name, part.content))
    return files


def _unknown(part: Part, known: tuple[str, ...]) -> Fault:
    """Return what is wrong with a field that the form has beside those that are known."""
    fields = " or ".join(known)
    remedy = f"The field's name must be {fields}."
    if not part.is_file:
        value = part.content.decode("utf-8", "replace")
        example = echo(f"?{quote_plus(part.name)}={quote_plus(value)}")
        remedy = f"Parameters stand in the query: send it as {example}, not in the form."
    return Fault(echo(part.name), f"a field called {fields}", echo(part.name), remedy, "unknown_field")


async def read_body(request: Request, settings: Settings) -> bytes:
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


def read_json(text: bytes, most_values: int = MAX_JSON_VALUES, most_lists: int = MAX_JSON_LISTS) -> Any:
    """Return what JSON holds.

    Whatever thread parses it, nothing else runs meanwhile, the event loop included: so it is refused if it
    is much more than a request needs.

    Args:
        text: the JSON.
        most_values: commas that it may have.
        most_lists: lists that it may have, and as many objects.

    Raises:
        ValueError: it is no JSON, holds a number that is not finite, is nested too deeply, or holds too much.
    """
    limits = (b",", most_values, "values"), (b"[", most_lists, "lists"), (b"{", most_lists, "objects")
    for mark, most, named in limits:
        if text.count(mark) > most:
            raise ValueError(f"more than {most} {named}")
    return from_json(text, allow_inf_nan=False)


def _too_large(limit: int, received: str) -> UploadTooLarge:
    expected = f"at most {limit} bytes ({variable('max_upload_bytes')})"
    error = UploadTooLarge.of("body", expected, received, "Send fewer or smaller images.", "body_too_large")
    error.headers["Connection"] = "close"  # so that the rest of the body is not read only to be dropped
    return error


def parse_form(body: bytes, content_type: str, max_files: int, kinds: int = 1) -> list[Part]:
    """Return the parts of a form in their order.

    Args:
        body: the whole request body.
        content_type: the request's header, which names the boundary.
        max_files: parts with a file name that are allowed, of each kind.
        kinds: of such parts, each with a name of its own.

    Raises:
        MalformedUpload: not a form, cut off, going on after its end, or with too many or too long fields.
        UploadError: too many files.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _malformed("no boundary in the Content-Type")
    end = b"\r\n--" + boundary + b"--"
    found, after = (b"\r\n" + body).partition(end)[1:]
    if not found:
        raise _malformed("no closing boundary at the end")
    line, _, epilogue = after.partition(b"\n")
    if line.strip(b" \t\r"):
        raise _malformed("text in the line of the closing boundary")
    if b"--" + boundary in epilogue:
        raise _malformed("a boundary after the closing boundary")
    if len(epilogue) > MAX_PREAMBLE_BYTES and epilogue.strip():
        raise _malformed(f"more than {MAX_PREAMBLE_BYTES} bytes after the closing boundary")
    start = body.find(b"--" + boundary)
    if start > MAX_PREAMBLE_BYTES:
        raise _malformed(f"no boundary within the first {MAX_PREAMBLE_BYTES} bytes")
    if start and body[start - 1] != ord("\n"):
        raise _malformed("a first boundary that does not begin a line")
    collector = _Collector(max_files, kinds)
    try:
        parser = MultipartParser(boundary, collector.callbacks, max_header_size=MAX_HEADER_BYTES)
        parser.write(body[start : len(body) - len(after)])
        parser.finalize()
    except FormParserError as error:
        raise _malformed(str(error)) from error
    return collector.parts


class _Collector:
    """Gathers what the parser reports; its methods are named for the parser's events."""

    def __init__(self, max_files: int, kinds: int) -> None:
        self.parts: list[Part] = []
        self._max_files, self._kinds = max_files, kinds
        self._pieces: list[bytes] = []
        self._header: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self.part_begin,
            "on_header_field": self.header_field,
            "on_header_value": self.header_value,
            "on_header_end": self.header_end,
            "on_headers_finished": self.headers_finished,
            "on_part_data": self.part_data,
            "on_part_end": self.part_end,
        }

    def part_begin(self) -> None:
        self._pieces, self._header = [], {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._header[self._name.lower()] = self._value
        self._name = self._value = b""

    def headers_finished(self) -> None:
        disposition = self._header.get(b"content-disposition", b"")
        if disposition.count(b";") > MAX_OPTIONS:
            raise _malformed(f"a Content-Disposition of more than {MAX_OPTIONS} options")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part without a name")
        name, filename = options[b"name"].decode("utf-8", "replace"), options.get(b"filename")
        if filename is None and _EXTENDED_NAME.search(_QUOTED.sub(b"", disposition)):
            filename = b"a name"
        # A file needs no name (RFC 7578, section 4.2), if its type says that it is none of the texts.
        is_image = self._header.get(b"content-type", b"").strip().lower().startswith(b"image/")
        self.parts.append(Part(name, filename is not None or is_image, left_empty=filename == b""))

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def part_end(self) -> None:
        part = self.parts[-1]
        part.content = b"".join(self._pieces)
        part.left_empty &= not part.content
        if part.name == "file":
            self._check_encoding(part)
        if not part.is_file and len(part.content) > MAX_FIELD_BYTES:
            raise _malformed(f"a field of more than {MAX_FIELD_BYTES} bytes")
        files = [each.name for each in self.parts if each.is_file and not each.left_empty]
        if len(files) > self._kinds * self._max_files or files.count(part.name) > self._max_files:
            expected = f"at most {self._max_files} images ({variable('max_upload_images')})"
            received, remedy = f"more than {self._max_files}", "Send fewer images at once."
            raise UploadError.of("file", expected, received, remedy, "too_many_files")
        if len(self.parts) - len(files) > MAX_FIELDS:
            raise _malformed(f"more than {MAX_FIELDS} fields")

    def _check_encoding(self, part: Part) -> None:
        """Refuse a picture that was sent as text, by what its header says or by what it is."""
        declared = self._header.get(b"content-transfer-encoding", b"").strip().lower()
        if declared not in _AS_IT_IS and part.content and sniff(part.content) is None:
            raise still_encoded("file", declared.decode("latin-1"))
        if not part.is_file and (encoding := encoding_of(part.content)):
            raise still_encoded("file", encoding)


def _malformed(reason: str) -> MalformedUpload:
    expected, remedy = "a well-formed multipart/form-data body", "Let a library write the form."
    return MalformedUpload.of("body", expected, reason, remedy, "malformed")


BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "array", "minItems": 1, "items": BINARY["schema"]}},
}
_KINDS = {"contentType": ", ".join(f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "bmp"))}
FILES = Body(
    read_files,
    {"multipart/form-data": {"schema": _FORM, "encoding": {"file": _KINDS}}, "image/*": BINARY},
)
_MASKED = _FORM["properties"] | {"mask": {"type": "array", "items": BINARY["schema"]}}
_MASKED_FORM = _FORM | {"properties": _MASKED}
MASKED = Body(
    read_masked,
    {
        "multipart/form-data": {"schema": _MASKED_FORM, "encoding": dict.fromkeys(("file", "mask"), _KINDS)},
        "image/*": BINARY,
    },
)
