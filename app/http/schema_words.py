"""JSON schemas -> words: what a value may be, and the fields that a body has."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.explore import points
from app.explore.points import NUMBER, SEPARATORS
from app.http.queries import REFERENCE

Schema = dict[str, Any]

KINDS = {"integer": "whole number", "boolean": "true or false", "string": "text"}
_POINT, _SENT_APART = points.pattern(), points.pattern(apart=SEPARATORS)
# What a text is, where its pattern is too long to be read.
TEXTS = {
    f"^({REFERENCE.pattern})$": "model",
    f"^({_POINT})$": "point",
    f"^({_SENT_APART}(;{_SENT_APART})*)$": "points with ; between them",
    f"^(({NUMBER.pattern})(,({NUMBER.pattern}))*)$": "numbers with commas between them",
}
LARGE = 10**9  # from which on a number is told as a power


class Words(NamedTuple):
    """What a value may be.

    Args:
        kind: like ``whole number``.
        range: like ``1 to 400``; empty: any of its kind.
        choices: the values that there are; empty: any of its kind.
        default: what stands for it if it is not given; empty: nothing.
    """

    kind: str
    range: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""


class Entry(NamedTuple):
    """A field of a body.

    Args:
        name: its way from the body, like ``inputs[].name``.
        words: what it may be.
        required: whether the object that it is in must have it.
        description: its meaning, as CommonMark.
    """

    name: str
    words: Words
    required: bool
    description: str


def words_of(schema: Schema) -> Words:
    """Return what a value of a schema may be."""
    default = number(schema["default"]) if schema.get("default") is not None else ""
    if "enum" in schema:
        return Words("one of", choices=tuple(map(number, schema["enum"])), default=default)
    if kinds := schema.get("anyOf"):
        each = [words_of(kind) for kind in kinds]
        told = " or ".join(f"{one.kind}, {one.range}" if one.range else one.kind for one in each)
        choices = tuple(choice for one in each for choice in one.choices)
        return Words(told, choices=choices, default=default)
    return Words(_kind(schema), _range(schema), default=default)


def _kind(schema: Schema) -> str:
    """Return what a value is called, whatever its size."""
    named = schema.get("type", "any value")
    if isinstance(named, list):
        return " or ".join(KINDS.get(str(kind), str(kind)) for kind in named)
    if schema.get("format") == "binary":
        return "bytes"
    if named == "array":
        inner, count = words_of(schema.get("items", {})), _between(schema, "minItems", "maxItems")
        each = ", ".join(filter(None, (inner.kind, inner.range)))
        return f"list ({count}): {each}" if count else f"list: {each}"
    return TEXTS.get(schema.get("pattern", ""), KINDS.get(named, str(named)))


def _range(schema: Schema) -> str:
    """Return how large or how long a value may be; empty: nothing says, or its kind does."""
    if length := _between(schema, "minLength", "maxLength"):
        return f"{length} characters" if "maxLength" in schema else ""  # of 1 or more, nobody needs to know
    return _between(schema, "minimum", "maximum")


def _between(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if high is None:
        return "" if low is None else f"{number(low)} or more"
    return f"up to {number(high)}" if low is None else f"{number(low)} to {number(high)}"


def number(value: Any) -> str:
    """Return a value as text: 8.0 as 8, and 9223372036854775807 as 2^63-1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or value < LARGE:
        return str(value)
    for less, said in ((0, ""), (1, "-1")):
        whole = value + less
        if whole.bit_count() == 1:
            return f"2^{whole.bit_length() - 1}{said}"
        digits = str(whole)
        if digits.rstrip("0") == "1":
            return f"10^{len(digits) - 1}{said}"
    return str(value)


def entries(schema: Schema, within: str = "") -> Iterator[Entry]:
    """Yield the fields of an object, those of objects in it behind each; none of what is no object.

    Args:
        schema: of the object.
        within: what names of fields begin with.
    """
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield Entry(within + name, words_of(field), required, field.get("description", ""))
        items = field.get("items", {})
        if "properties" in field:
            yield from entries(field, f"{within}{name}.")
        elif "properties" in items:
            yield from entries(items, f"{within}{name}[].")
