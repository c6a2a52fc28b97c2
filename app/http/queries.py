"""Query strings: strict parameter types, what every picture takes, and what is wrong with a query.

A parameter that an endpoint does not know, or that is given twice, is refused.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, quote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from app import latent
from app.errors import Fault, InvalidParameter, UnsupportedFormat, echo
from app.explore import points
from app.explore.labels import MAX_LABEL_CHARACTERS
from app.explore.points import MAX_CHARACTERS, NUMBER, SEPARATORS, parse, parse_all
from app.explore.seeds import MAX_WORD_CHARACTERS, read_seed, read_whole
from app.models import Model
from app.pictures.formats import FORMATS
from app.pictures.grids import GridStyle, Ink, Loop
from app.pictures.uploads import Invert

MAX_FAULTS = 8  # in one answer; a request with thousands is no honest mistake

_ASCII = bytes(range(128)).decode()
REFERENCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8}(-[0-9a-f]{12})?)?", re.ASCII)


def _refuse(code: str, expected: str, remedy: str) -> PydanticCustomError:
    context = {"code": code, "expected": expected, "remedy": remedy}
    return PydanticCustomError("refused", "{expected}", context)


def _whole(text: Any) -> int:
    if isinstance(text, str) and (number := read_whole(text)) is not None:
        return number
    raise _refuse("not_a_whole_number", "a whole number in digits", "Write digits only, like 21.")


def _number(text: Any) -> float:
    if isinstance(text, str) and NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text) + 0.0  # -0.0 becomes 0.0
    if isinstance(text, str) and "," in text:
        raise _refuse("not_a_number", "one number", "Use a point, not a comma, like 0.5.")
    raise _refuse("finite_number", "a finite number", "Write a number like 0.5.")


def _code(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        expected = f"at most {MAX_CHARACTERS} characters"
        raise _refuse("too_long", expected, "Give one number a latent axis.")
    for index, part in enumerate(text.split(",")):
        if not NUMBER.fullmatch(part) or not math.isfinite(float(part)):
            expected = f"finite numbers with commas between them; z[{index}] is {echo(part)}"
            raise _refuse("finite_number", expected, "Write numbers like 0,0.5,-1.")
    return text


def _seed(text: Any) -> int:
    try:
        return read_seed(text)
    except (TypeError, ValueError):
        expected = f"a whole number in digits, or a word of up to {MAX_WORD_CHARACTERS} characters"
        raise _refuse("not_a_seed", expected, "Write digits only, like 21, or a word, like tulip.") from None


def _point(text: Any, info: ValidationInfo) -> str:
    return _read_points(text, info, parse)


def _points(text: Any, info: ValidationInfo) -> str:
    return _read_points(text, info, parse_all)


def _read_points(text: Any, info: ValidationInfo, read: Callable[[str, str], object]) -> str:
    name = (info.field_name or "").rstrip("_")
    try:
        read(str(text), name)
    except InvalidParameter as refusal:
        fault = refusal.faults[0]
        raise _refuse(fault.code, f"{fault.expected}; {fault.received}", fault.remedy) from None
    return str(text)


def _reference(text: Any) -> str:
    if isinstance(text, str) and REFERENCE.fullmatch(text):
        return text
    expected = (
        "NAME, NAME@VERSION or NAME@VERSION-DIGEST, a name of lower-case letters, digits, '.', '_' and '-', "
        "a digest's first 12 hexadecimal digits in lower case"
    )
    raise _refuse("malformed_reference", expected, "Look up names and digests at /version.")


def _label(text: Any) -> str:
    if isinstance(text, str) and 0 < len(text) <= MAX_LABEL_CHARACTERS:
        return text
    raise _refuse("malformed_label", "a class' name or number", "Look up the classes at /version.")


def _text(pattern: str | None = None, most: int | None = None) -> WithJsonSchema:
    """Return the schema of a text: what it looks like as a whole, and how long it may be."""
    of_all = {} if pattern is None else {"pattern": f"^({pattern})$"}
    return WithJsonSchema({"type": "string", **of_all, **({} if most is None else {"maxLength": most})})


_POINT, _SENT_APART = points.pattern(), points.pattern(apart=SEPARATORS)
_WORD = {"type": "string", "minLength": 1, "maxLength": MAX_WORD_CHARACTERS}
_SEED = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": latent.MAX_SEED}, _WORD]}
_LABEL = {"type": "string", "minLength": 1, "maxLength": MAX_LABEL_CHARACTERS}

Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Code = Annotated[
    str, BeforeValidator(_code), _text(f"({NUMBER.pattern})(,({NUMBER.pattern}))*", MAX_CHARACTERS)
]
Label = Annotated[str, BeforeValidator(_label), WithJsonSchema(_LABEL)]
Seed = Annotated[int, BeforeValidator(_seed), WithJsonSchema(_SEED)]
PointText = Annotated[str, BeforeValidator(_point), _text(_POINT, MAX_CHARACTERS)]
PointsText = Annotated[str, BeforeValidator(_points), _text(f"{_SENT_APART}(;{_SENT_APART})*")]
Reference = Annotated[str, BeforeValidator(_reference), _text(REFERENCE.pattern)]
Inverted = Annotated[
    Invert,
    Field(
        description="yes: dark on light becomes light on dark, or back; auto: if the border is not of the "
        "model's own ground, dark or light, and never for a model of colour; no: as is."
    ),
]


class Plain(BaseModel):
    """Parameters of an address that asks no model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: ClassVar[tuple[str, ...]] = ()  # that answers may have; none: they have one


class ModelQuery(Plain):
    """Parameters of an address that asks a model."""

    model: Reference | None = Field(
        None,
        description="Model: NAME for its newest version, NAME@VERSION for one for good, NAME@VERSION-DIGEST "
        "with the digest's first 12 digits for that one in whatever store.",
    )

    @property
    def others(self) -> dict[str, str]:
        """References of models beside ``model``, by the parameters that name them."""
        return {}

    @property
    def is_pinned(self) -> bool:
        """Whether every model's version is named, so that the answer can never change."""
        return self.model is not None and all(
            "@" in reference for reference in (self.model, *self.others.values())
        )


class StillQuery(ModelQuery):
    """Parameters of every picture."""

    zoom: Whole = Field(1, description="Integer scale of the pixels.", examples=[3])
    ink: Ink | None = Field(
        None,
        description="dark: 0 is drawn white, like ink on paper; light: as the data is. If not given, dark "
        "for a model of grey images on a dark ground, else light.",
    )
    format: str = Field("png", description=f"Format: {', '.join(FORMATS)}. It may stand behind the path too.")

    def style(self, model: Model, columns: int | None = None) -> GridStyle:
        """Return how a grid of `model`'s images is drawn; no columns: everything in one row.

        Raises:
            InvalidParameter: a still picture is to have what only animations have.
        """
        image = model.manifest.image
        blank = 0 if image.ground == "dark" else 255
        ink = self.ink or image.ink
        return GridStyle(columns, self.zoom, ink, self.format, blank, *self._played())

    def _played(self) -> tuple[int, Loop]:
        """Return the images a second of an animation, and how it goes on."""
        return 10, "forever"


class Query(StillQuery):
    """Parameters of a picture that may be an animation."""

    fps: Whole | None = Field(None, description="1 to 50: images a second of an animation; 10 if not given.")
    loop: Loop | None = Field(
        None, description="How an animation goes on: forever (if not given), once, or bounce: there and back."
    )

    formats: ClassVar = tuple(FORMATS)

    def _played(self) -> tuple[int, Loop]:
        for name in ("fps", "loop"):
            if getattr(self, name) is not None and not FORMATS[self.format].animated:
                animated = " or ".join(name for name, offered in FORMATS.items() if offered.animated)
                remedy = f"Leave {name} out, or ask for one of these."
                expected = f"format={animated} with it"
                raise InvalidParameter.of(name, expected, self.format, remedy, "not_animated")
        return 10 if self.fps is None else self.fps, self.loop or "forever"


SomeQuery = TypeVar("SomeQuery", bound=Plain)


def read(kind: type[SomeQuery], query_string: bytes, suffix: str | None = None) -> SomeQuery:
    """Return what a query string asks for.

    Args:
        kind: what the endpoint takes.
        query_string: as it came.
        suffix: the format that the path ends in, one that is offered; None: it ends in none.

    Raises:
        InvalidParameter: a parameter is malformed, unknown or given twice.
        UnsupportedFormat: no such picture format.
    """
    values: dict[str, str] = {}
    # Bytes that should have been escaped are UTF-8, as the escapes are.
    text = query_string.decode() if query_string.isascii() else quote(query_string, safe=_ASCII)
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in values:  # which of the two is meant, a cache cannot know
            received, remedy = f"{name} given twice", "Leave one of them out."
            raise InvalidParameter.of(echo(name), "each parameter once", received, remedy, "given_twice")
        values[name] = value
    if suffix is not None:
        values.setdefault("format", suffix)
    try:
        query = kind.model_validate(values)
    except ValidationError as error:
        raise _invalid_parameters(error, kind) from None
    if kind.formats:
        received = values.get("format", kind.formats[0])
        check_format(received, kind.formats)
        if suffix not in (None, received):
            raise contradictory("format", f"{suffix}, as the path says", received, "Leave one of them out.")
    return query


def check_format(received: str, offered: Iterable[str] = FORMATS) -> None:
    """Refuse a format that is not offered."""
    if received not in offered:
        raise UnsupportedFormat(received, offered)


def documented(
    kind: type[Plain], ranges: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return the parameters of a query as OpenAPI describes them.

    Args:
        kind: the query.
        ranges: by parameter, what its schema has beside, as its range.
    """
    schema = kind.model_json_schema()
    found = []
    for name, field in schema["properties"].items():
        shape = _of_a_text(field) | dict((ranges or {}).get(name, {}))
        if name == "format":
            shape["enum"] = list(kind.formats)
        about = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        found.append(about | {"schema": shape})
        if description := shape.pop("description", ""):
            found[-1]["description"] = description
        if examples := shape.pop("examples", ()):
            found[-1]["example"] = examples[0]
    return found


def _of_a_text(field: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema without null, which no query can write: a parameter is left out instead."""
    kept = {name: value for name, value in field.items() if name not in ("anyOf", "title")}
    if kept.get("default", ...) is None:
        del kept["default"]
    kinds = [each for each in field.get("anyOf", ()) if each != {"type": "null"}]
    return kinds[0] | kept if len(kinds) == 1 else kept | ({"anyOf": kinds} if kinds else {})


def _invalid_parameters(error: ValidationError, kind: type[Plain]) -> InvalidParameter:
    """Return our own error for what did not validate as a query of this kind."""
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    known = [name.rstrip("_") for name in kind.model_fields]
    faults = []
    for found in error.errors()[:MAX_FAULTS]:
        name, context, received = echo(found["loc"][-1]), found.get("ctx", {}), echo(found.get("input"))
        if found["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
            near = near or [other for other in known if name.lower().startswith(other)][:1]
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
            remedy = f"Unknown parameter; {hint}"
            faults.append(Fault(name, "a known parameter", name, remedy, "unknown_parameter"))
        elif found["type"] == "missing":
            faults.append(_missing(name, fields[name]))
        elif found["type"] == "refused":
            faults.append(Fault(name, context["expected"], received, context["remedy"], context["code"]))
        else:
            expected = str(context.get("expected", found["msg"]))
            faults.append(Fault(name, expected, received, f"Use {expected}.", found["type"]))
    return InvalidParameter(*faults)


def _missing(name: str, field: FieldInfo) -> Fault:
    """Return what is wrong if a parameter is not given without which there is nothing to answer."""
    about = str(field.description).removesuffix(".")
    like = f"it, like {name}={field.examples[0]}" if field.examples else "one of those at /models.json"
    return Fault(name, about[0].lower() + about[1:], "(not given)", f"Name {like}.", "missing")


def contradictory(name: str, expected: str, received: str, remedy: str) -> InvalidParameter:
    """Return the refusal of parameters that rule each other out."""
    return InvalidParameter.of(name, expected, received, remedy, "contradictory")
