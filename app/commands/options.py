"""Options of the commands, made of the query models that read the same words over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from app.http.inspection import InspectQuery
from app.http.pictures import PICTURES
from app.http.queries import Plain, Query, documented
from app.http.uploads import FILES, Body
from app.pictures.formats import FORMATS

DEFAULT_URL = "http://127.0.0.1:8000"
BESIDE = {  # fields of forms that hold files beside those of the images
    "mask": "Picture that is white where pixels of an image are missing; one for each image, in their order.",
}
FLAGS = {("inspect", "verify")}  # parameters that are 0 or 1


class Asked(NamedTuple):
    """What one method of an address takes.

    Args:
        path: like ``/samples``.
        query: its parameters.
        body: what is sent to it; None: it is asked by GET.
    """

    path: str
    query: type[Plain]
    body: Body | None

    @property
    def beside(self) -> list[str]:
        """Fields of the form, beside those of the images, that files are sent in; like ``mask``."""
        form = {} if self.body is None else self.body.content.get("multipart/form-data", {})
        return [field for field in form.get("schema", {}).get("properties", ()) if field != "file"]


ADDRESSES = (
    *(Asked(endpoint.path, endpoint.query, endpoint.body) for endpoint in PICTURES),
    Asked("/inspect", InspectQuery, FILES),
)


def asked_by(name: str) -> list[Asked]:
    """Return what the address of a command takes, by each of its methods."""
    return [each for each in ADDRESSES if each.path == f"/{name}"]


def parameters_of(name: str) -> list[click.Parameter]:
    """Return the options and arguments of a command."""
    methods = asked_by(name)
    found: list[click.Parameter] = [click.Argument(["address"])] if name == "render" else []
    if name == "render" or any(each.body for each in methods):
        found += _sent(methods)
    fields: dict[str, dict[str, Any]] = {}
    for each in methods:
        for field in documented(each.query):
            field["help"] = _help_of(field)
            first = fields.setdefault(field["name"], field)
            if field["help"] != first["help"]:
                first["help"] += f" With files: {field['help']}"
    # What a command is for comes first, then what every picture takes.
    every = Query.model_fields
    ordered = sorted(fields.values(), key=lambda field: field["name"] in every)
    found += (_option(name, field, methods[0].query) for field in ordered)
    return [*found, *_own_options(formats_of(methods))]


def formats_of(methods: list[Asked]) -> list[str]:
    """Return the formats that answers of a command may have; no methods: any address may be asked."""
    if not methods:
        return list(FORMATS)
    return list(dict.fromkeys(name for each in methods for name in each.query.formats or ("json",)))


def _sent(methods: list[Asked]) -> list[click.Parameter]:
    """Return what names files to send."""
    kind = click.Path(exists=True, dir_okay=False, allow_dash=True)
    needed = bool(methods) and all(each.body for each in methods)
    metavar = "FILE..." if needed else "[FILE]..."
    files = click.Argument(["files"], nargs=-1, required=needed, type=kind, metavar=metavar)
    beside = dict.fromkeys(field for each in methods for field in each.beside)
    return [files, *(_beside(field, kind) for field in beside)]


def _beside(field: str, kind: click.Path) -> click.Option:
    """Return the option that names files to send in another field of the form, one for each image."""
    return click.Option([field, f"--{field}"], type=kind, multiple=True, metavar="FILE", help=BESIDE[field])


def _help_of(field: dict[str, Any]) -> str:
    """Return what the help says of a parameter."""
    described: str = field.get("description", "")
    default = field["schema"].get("default")
    return described if default is None else f"{described}  [default: {default}]"


def _option(command: str, field: dict[str, Any], query: type[Plain]) -> click.Option:
    """Return the option of a query's parameter; what it is given is sent as it was written."""
    name, schema = field["name"], field["schema"]
    spellings = [f"-{name}", f"--{name}"] if len(name) == 1 else [f"--{name}"]
    if (command, name) in FLAGS:
        described = field["description"].removeprefix("1: ")
        return click.Option([name, *spellings], is_flag=True, default=None, help=described)
    return click.Option(
        [name, *spellings],
        type=_type_of(name, schema, query),
        help=field["help"],
        metavar=_metavar_of(schema),
    )


def _type_of(name: str, schema: dict[str, Any], query: type[Plain]) -> click.ParamType[Any, Any]:
    choices = _choices(schema)
    if name == "format":
        choices = list(query.formats)
    return click.Choice(choices) if choices else click.STRING


def _metavar_of(schema: dict[str, Any]) -> str | None:
    """Return what stands for a value in the help; None: its choices, or a text."""
    kinds = {each.get("type") for each in _alternatives(schema)} - {"null", None}
    return {"integer": "INTEGER", "number": "NUMBER"}.get(str(kinds.pop())) if len(kinds) == 1 else None


def _choices(schema: dict[str, Any]) -> list[str]:
    return [choice for each in _alternatives(schema) for choice in each.get("enum", ())]


def _alternatives(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas of which a value has one."""
    yield schema
    yield from schema.get("anyOf", ())


def _own_options(formats: list[str]) -> list[click.Parameter]:
    """Return the options that say whom to ask, and where the answer goes."""
    out = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
    return [
        click.Option(
            ["out", "-o", "--out"],
            type=out,
            help=f"File to write; its end says the format: {', '.join(formats)}. - is standard output. If "
            "not given, standard output; if that is a terminal, a picture goes into a file called like the "
            "command.",
        ),
        click.Option(["force", "--force"], is_flag=True, help="Write over a file that is there."),
        click.Option(["as_json", "--json"], is_flag=True, help="Print what the answer says, as JSON."),
        click.Option(
            ["url", "--url"],
            envvar="VITRINE_URL",
            default=DEFAULT_URL,
            show_default=True,
            show_envvar=True,
            help="The service to ask.",
        ),
        click.Option(
            ["local", "--local"], is_flag=True, help="Ask no service: open the store's models here."
        ),
        click.Option(
            ["model_store", "--model-store"],
            type=click.Path(exists=True, file_okay=False),
            help="With --local: folder with the models; that of the settings if not given.",
        ),
    ]
