"""Operations of the OpenAPI document -> requests that open: an address, and the lines that ask for it.

The lines are for curl, for the Python client and for the command line. They begin an address with ``BASE``,
for which the page that shows them puts the service's own.
"""

import json
import re
from typing import Any, NamedTuple
from urllib.parse import quote

from app.http.pictures import PICTURES

Schema = dict[str, Any]

BASE = "\ue000"  # of Unicode's private use: no document has it
JSON = "application/json"
NAMED = frozenset({*(endpoint.path for endpoint in PICTURES), "/inspect"})  # with a method and a command
METHODS = {"/map": "latent_map"}  # of the client, where it is not called like the address
_AS_THEY_ARE = "!$()*,/:;@~"  # characters of a value that an address may hold unescaped
# What drawings have and numbers do not: examples of addresses that give numbers leave it out.
OF_DRAWINGS = {"zoom"}
# What only some models have, while examples are for all.
OF_SOME_MODELS = ("example:",)
PICTURE = "picture.png"  # the file that examples send
FLAG = ("/inspect", "verify")  # what is 0 or 1 in an address, and yes or no elsewhere


class Lines(NamedTuple):
    """A request as people copy it.

    Args:
        title: by what it is sent.
        text: one line or several.
    """

    title: str
    text: str


class Example(NamedTuple):
    """A request that the service answers.

    Args:
        method: GET or POST.
        path: the address without its query, with places filled in.
        query: parameters by name.
        answers: media type of the answer; empty: it leads elsewhere.
    """

    method: str
    path: str
    query: dict[str, Any]
    answers: str

    @property
    def address(self) -> str:
        """Path and query, from the service's root on, as browsers and commands take it."""
        asked = "&".join(
            f"{name}={quote(str(value), safe=_AS_THEY_ARE)}" for name, value in self.query.items()
        )
        return f"{self.path}?{asked}" if asked else self.path

    @property
    def file(self) -> str:
        """Name of a file for the answer; empty: it is text to be read."""
        return f"{_name(self.path)}.png" if self.answers.startswith("image/") else ""


def example_of(path: str, method: str, operation: Schema, model: str | None = None) -> Example:
    """Return a request with every example that the operation's parameters have and every model takes.

    Args:
        path: the operation's, with places in braces.
        method: ``get`` or ``post``.
        operation: as OpenAPI describes it.
        model: reference of the model to ask; None: the default.
    """
    answers = next(iter(operation["responses"].get("200", {}).get("content", ())), "")
    places, query = {}, {} if model is None else {"model": model}
    # What a picture is of comes first, then how it is drawn.
    for parameter in sorted(operation.get("parameters", ()), key=lambda each: each["name"] in OF_DRAWINGS):
        name, value = parameter["name"], parameter.get("example")
        if value is None or str(value).startswith(OF_SOME_MODELS):
            continue
        if parameter["in"] == "path":
            places[name] = quote(str(value), safe=_AS_THEY_ARE + "=")
        elif name not in OF_DRAWINGS or answers.startswith("image/"):
            query[name] = value
    filled = re.sub(r"{(\w+)}", lambda place: places[place[1]], path)
    return Example(method.upper(), filled, query, answers)


def lines_of(example: Example, operation: Schema) -> list[Lines]:
    """Return the lines that ask for an example, each with its title; bodies that examples have are sent."""
    if example.method == "GET":
        curl = ["curl"]
        if not example.answers:
            curl.append("-L")
        if example.file:
            curl += ["-o", example.file]
        asked = " ".join([*curl, quoted(BASE + example.address)])
        return [
            Lines("curl", asked),
            Lines("Python", _python(example)),
            Lines("Command line", _command(example)),
        ]
    found = []
    content = operation["requestBody"]["content"]
    sent = content.get("image/*", {}).get("examples", {}).get("picture")
    if sent:
        found += _sending_a_picture(example, sent["externalValue"])
    for name, value in _values(content.get(JSON, {})):
        curl = [f"curl -H 'Content-Type: {JSON}'"]
        if example.file:
            curl.append(f"-o {example.file}")
        curl.append(f"-d {quoted(json.dumps(value))}")
        title = f"curl, {name} as JSON" if name else "curl"
        found.append(Lines(title, " ".join([*curl, quoted(BASE + example.address)])))
    return found


def _values(media: Schema) -> list[tuple[str, Any]]:
    """Return the examples of a body by their names."""
    alone = [("", media["example"])] if "example" in media else []
    return [*alone, *((name, each["value"]) for name, each in media.get("examples", {}).items())]


def _sending_a_picture(example: Example, source: str) -> list[Lines]:
    """Return the lines that send a picture of the service's own.

    Args:
        example: what it is sent to.
        source: its address, from the service's root.
    """
    out = f"-o {example.file} " if example.file else ""
    fetch = f"curl -o {PICTURE} {quoted(f'{BASE}/{source}')}\n"
    curl = f"{fetch}curl -F file=@{PICTURE} {out}{quoted(BASE + example.address)}"
    return [Lines("curl", curl), *_by_our_own(example, PICTURE)]


def _by_our_own(example: Example, file: str | None = None) -> list[Lines]:
    """Return the lines for the client and for the command; a file is sent if it is named."""
    return [Lines("Python", _python(example, file)), Lines("Command line", _command(example, file))]


def _python(example: Example, file: str | None = None) -> str:
    """Return the lines for the Python client."""
    given = [] if file is None else [json.dumps(file)]
    if example.path in NAMED:
        query = dict(example.query)
        method = METHODS.get(example.path, _name(example.path))
        if method == "decode":
            given += [json.dumps(point) for point in str(query.pop("points", "")).split(";") if point]
        given += [
            f"{_keyword(name)}={bool(value) if (example.path, name) == FLAG else json.dumps(value)}"
            for name, value in query.items()
        ]
        if file is not None and method == "decode":
            given[0] = f"images=[{given[0]}]"
    else:
        method, given = "render", [json.dumps(example.address), *given]
    call = f"client.{method}({', '.join(given)})"
    if example.file:
        call = f'{call}.save("{example.file}")'
    else:
        read = "" if method != "render" else ".json()" if "json" in example.answers else ".content"
        call = f"print({call}{read})"
    return f'from vitrine_client import Client\n\nclient = Client("{BASE}")\n{call}'


def _command(example: Example, file: str | None = None) -> str:
    """Return the line for a shell."""
    parts = ["vitrine"]
    if example.path in NAMED:
        parts.append(_name(example.path))
        parts += [file] if file else []
        for name, value in example.query.items():
            dashes = "-" if len(name) == 1 else "--"
            parts += (
                [f"{dashes}{name}"]
                if (example.path, name) == FLAG
                else [f"{dashes}{name}", _bare(str(value))]
            )
    else:
        parts += ["render", quoted(example.address)]
    parts += ["--url", quoted(BASE)]
    return " ".join([*parts, "-o", example.file] if example.file else parts)


def _keyword(name: str) -> str:
    return f"{name}_" if name in ("from", "with") else name


def _name(path: str) -> str:
    """Return what the last part of a path is called, without a suffix."""
    return path.rpartition("/")[2].partition(".")[0]


def _bare(value: str) -> str:
    """Return a value as a shell takes it: quoted if it must be."""
    return value if re.fullmatch(r"[A-Za-z0-9@:._,/-]+", value) else quoted(value)


def quoted(value: str) -> str:
    """Return a text as a shell takes it, in quotes."""
    return "'" + value.replace("'", "'\"'\"'") + "'"
