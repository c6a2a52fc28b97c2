"""What is wrong with a configuration, in one plain sentence."""

import difflib
import typing
from types import NoneType
from typing import Any

import pydantic

from training.configs.flat import FORMER, GONE
from training.errors import ConfigError

EXPECTED = {  # by pydantic's type of error; in braces, its context
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "model_type": "a section, not a value",
    "model_attributes_type": "a section, not a value",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "too_short": "{min_length} or more values",
    "too_long": "at most {max_length} values",
    "union_tag_invalid": "one of {expected_tags}",
}

Model = type[pydantic.BaseModel]


def require(holds: bool, key: str, expectation: str, received: Any) -> None:
    """Raise a ``ConfigError`` about a key unless something holds."""
    if not holds:
        raise ConfigError(f"{key}: expected {expectation}. Received: {received!r}")


def explain(error: pydantic.ValidationError, model: Model) -> str:
    """Return the first unknown key, or all missing ones, or the first value that `model` refused, and why."""
    faults: list[Any] = list(error.errors())
    for fault in faults:
        if fault["type"] == "extra_forbidden":
            return _unknown(fault, model)
    missing = [_key(fault, model) for fault in faults if fault["type"] in ("missing", "union_tag_not_found")]
    if missing:
        return f"missing {'key' if len(missing) == 1 else 'keys'}: {', '.join(missing)}"
    fault, context = faults[0], faults[0].get("ctx", {})
    received = fault["input"]
    if fault["type"] == "union_tag_invalid":
        received = received[context["discriminator"].strip("'")]
    shown = {name: f"{each:.3g}" if isinstance(each, float) else each for name, each in context.items()}
    expectation = EXPECTED.get(fault["type"], "another value").format(**shown)
    return f"{_key(fault, model)}: expected {expectation}. Received: {received!r}"


def _key(fault: Any, model: Model) -> str:
    """Return a fault's dotted key, without the kind of the section, which pydantic puts behind its name."""
    section, *path = fault["loc"]
    field = model.model_fields.get(section)
    if field and field.discriminator:
        path = path[1:] or ([field.discriminator] if fault["type"].startswith("union_tag") else [])
    return f"{section}" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _unknown(fault: Any, model: Model) -> str:
    """Return what to do with an unknown key: leave it out, or write it otherwise."""
    here, received, (*path, key) = _key(fault, model), fault["input"], fault["loc"]
    section, kinds = _section(path, model)
    owners = [kind for kind, other in kinds.items() if key in other.model_fields]
    if owners:
        those = " and ".join(filter(None, [", ".join(owners[:-1]), owners[-1]]))
        return f"{here}: belongs to {those} alone; leave it out. Received: {received!r}"
    if key in GONE:
        return f"{here}: leave it out, as {GONE[key]}. Received: {received!r}"
    if not path and key in FORMER:
        place, _, name = FORMER[key].rpartition(".")
        return f"unknown key {key!r}; it is {FORMER[key]}: write {name!r} under [{place}]"
    near = difflib.get_close_matches(key, section.model_fields, n=1)
    if near:
        return f"unknown key {here!r}; did you mean {here.removesuffix(key) + near[0]!r}?"
    return f"unknown key {here!r}; known here: {', '.join(section.model_fields)}"


def _section(path: list[str], model: Model) -> tuple[Model, dict[str, Model]]:
    """Return the section at `path`, names and kinds in turn, and what each kind of it would be."""
    section: Any = model
    kinds: dict[str, Model] = {}
    for part in path:
        if part in kinds:
            section = kinds[part]
            continue
        field = section.model_fields[part]
        members = [each for each in typing.get_args(field.annotation) if each is not NoneType]
        if field.discriminator is None:
            section, kinds = (members or [field.annotation])[0], {}
        else:
            tags = [typing.get_args(each.model_fields[field.discriminator].annotation) for each in members]
            kinds = {tag: each for each, names in zip(members, tags, strict=True) for tag in names}
    return section, kinds
