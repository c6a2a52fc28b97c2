"""One command: what it asks, of a service or of the same application in this process, and the answer."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx
from click.core import ParameterSource

from app.commands.exits import (
    EXIT_FAILURE,
    EXIT_NO_MODEL,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    errors_leave,
    leave,
)
from app.commands.options import Asked, asked_by, formats_of
from app.commands.output import JSON_TYPE, Output
from vitrine_client import AsyncClient, Picture, Request, VitrineError, errors, requests
from vitrine_client.requests import Answer

LOCAL = "http://local"  # the base of addresses in this process; nobody is asked by this name
OWN = ("address", "files", "out", "force", "as_json", "url", "local", "model_store")
NUMPY, JSON = b"\x93NUMPY", b"{"


def run(name: str, given: dict[str, Any]) -> None:
    """Run a command.

    Args:
        name: of the command.
        given: its arguments and options.
    """
    _check_whom(given)
    methods = asked_by(name)
    beside = dict.fromkeys(field for each in methods for field in each.beside)
    own = {*OWN, *beside}
    query = {key: value for key, value in given.items() if key not in own and value is not None}
    has_formats = any(each.query.formats for each in methods)
    # What has no other format than JSON is printed so, asked for or not.
    as_json = given["as_json"] and (name == "render" or has_formats)
    output = Output(name, given["out"], given["force"], as_json, formats_of(methods))
    suffix = None
    if has_formats:
        asked = output.format_of(query.get("format"))
        query |= {} if asked is None else {"format": asked}
        suffix = asked or methods[0].query.model_fields["format"].default
    output.check(suffix)
    files = _files_of(given, ("file", *beside))
    if name == "render":
        request = Request(given["address"], _read_any, files)
    else:
        request = _request(name, methods, query, files)
    picture = asyncio.run(_answer(request, given))
    output.write(picture, None if picture.url is None else picture.url.removeprefix(LOCAL))


def _check_whom(given: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other about who is to be asked."""
    source = click.get_current_context().get_parameter_source("url")
    if given["local"] and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--url or --local, not both.")
    if given["model_store"] is not None and not given["local"]:
        raise click.UsageError("--model-store goes with --local; a service has its own store.")


def _files_of(given: Mapping[str, Any], fields: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Return the files to send, each with its field of the form; ``file`` is that of the arguments."""
    paths = {field: given.get("files" if field == "file" else field, ()) for field in fields}
    if not paths["file"] and (alone := [field for field, named in paths.items() if named]):
        raise click.UsageError(f"--{alone[0]} goes with files to send.")
    return tuple((field, _content_of(path)) for field, named in paths.items() for path in named)


def _content_of(file: str) -> bytes:
    """Return the content of a file, or of standard input."""
    if file != "-":
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            leave(EXIT_USAGE, f"{click.format_filename(file)}: {error.strerror}")
    else:
        content = sys.stdin.buffer.read()
    if not content:
        what = "standard input" if file == "-" else click.format_filename(file)
        leave(EXIT_USAGE, f"{what} is empty; an image was expected")
    return content


def _request(
    name: str, methods: list[Asked], query: dict[str, Any], files: tuple[tuple[str, bytes], ...]
) -> Request[Picture]:
    """Return the request of a command."""
    method = next((each for each in methods if bool(each.body) == bool(files)), methods[0])
    known = {field.alias or field_name for field_name, field in method.query.model_fields.items()}
    if foreign := sorted(query.keys() - known):
        goes = "goes without files" if files else "goes with files to send"
        raise click.UsageError(f"--{foreign[0]} {goes}.")
    address = requests.address_of(f"/{name}", query)
    read = _read_picture if method.query.formats else _read_json
    if method.body is not None and len(files) == 1:
        for start, kind in ((NUMPY, "application/x-npy"), (JSON, "application/json")):
            if kind in method.body.content and files[0][1].lstrip().startswith(start):
                return Request(address, read, body=files[0][1], body_type=kind)
    return Request(address, read, files)


def _read_any(answer: Answer) -> Picture:
    """Return an answer; one that says that it is JSON is."""
    picture = requests.picture_of(answer)
    if picture.media_type == JSON_TYPE:
        requests.json_of(answer)
    return picture


def _read_picture(answer: Answer) -> Picture:
    """Return an answer that a model drew."""
    _read_any(answer)
    return requests.drawn_picture_of(answer)


def _read_json(answer: Answer) -> Picture:
    """Return an answer that is JSON."""
    requests.json_of(answer)
    return requests.picture_of(answer)


async def _answer(request: Request[Picture], given: Mapping[str, Any]) -> Picture:
    """Return what is answered, or end with the reason."""
    try:
        if given["local"]:
            return await _answer_here(request, given["model_store"])
        async with AsyncClient(given["url"]) as client:
            return await client.send(request)
    except VitrineError as error:
        leave(_code_of(error), _printable(_sentences(error)))


async def _answer_here(request: Request[Picture], model_store: str | None) -> Picture:
    """Return what the application answers in this process, without a socket."""
    with errors_leave():
        from app.main import create_app
        from app.settings import load_settings

        given = {} if model_store is None else {"model_store": model_store}
        app = create_app(load_settings(**given, decode="thread"))  # files of who asks: no process is started
        client = AsyncClient(LOCAL, transport=httpx.ASGITransport(app))
        async with app.router.lifespan_context(app), client:
            return await client.send(request)


def _code_of(error: VitrineError) -> int:
    if isinstance(error, errors.ModelNotFound):
        return EXIT_NO_MODEL
    if isinstance(error, errors.RequestRefused | errors.WrongAddress):
        return EXIT_USAGE
    return (
        EXIT_UNREACHABLE if isinstance(error, errors.Unreachable | errors.UnexpectedAnswer) else EXIT_FAILURE
    )


def _sentences(error: VitrineError) -> str:
    """Return what happened and what to do about it."""
    if isinstance(error, errors.Unreachable):
        return f"{error}; start one by vitrine serve, name another by --url, or ask none by --local"
    if isinstance(error, errors.UnexpectedAnswer):
        return f"{error}; see --url"
    # The details of most kinds end in the remedy.
    return str(error) if error.remedy in str(error) else f"{error} {error.remedy}"


def _printable(text: str) -> str:
    """Return a text in which nothing but itself can be meant for the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
