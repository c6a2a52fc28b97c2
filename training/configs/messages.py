"""What is wrong with a configuration, in one plain sentence."""

import difflib
import typing
from collections.abc import Iterable, Sequence
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
    "value_error": "{error}",
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
    """Refuse a configuration unless something holds.

    Raises:
        ConfigError: it does not.
    """
    if not holds:
        raise ConfigError(f"{key}: expected {expectation}. Received: {received!r}")


def explain(error: pydantic.ValidationError, model: Model) -> str:
    """Return the first unknown key, or all missing ones, or the first value that is refused, and why.

    Args:
        error: raised by `model`.
        model: of a whole configuration.
    """
    faults = error.errors()
    for fault in faults:
        if fault["type"] == "extra_forbidden":
            return _unknown(fault["loc"], fault["input"], model)
    missing = [_missing(fault, model) for fault in faults]
    names = [name for name in missing if name]
    if names:
        return f"missing {'key' if len(names) == 1 else 'keys'}: {', '.join(names)}"
    fault = faults[0]
    key, received = _dotted(_path(fault["loc"], model)), fault["input"]
    context = {name: _rounded(value) for name, value in fault.get("ctx", {}).items()}
    if fault["type"] == "union_tag_invalid":
        discriminator = model.model_fields[str(fault["loc"][0])].discriminator
        key, received = f"{key}.{discriminator}", received[discriminator]
    expectation = EXPECTED.get(fault["type"], "another value").format(**context)
    return f"{key}: expected {expectation}. Received: {received!r}"


def _rounded(value: Any) -> Any:
    return f"{value:.3g}" if isinstance(value, float) else value


def _missing(fault: Any, model: Model) -> str | None:
    if fault["type"] == "missing":
        return _dotted(_path(fault["loc"], model))
    if fault["type"] == "union_tag_not_found":
        return f"{fault['loc'][0]}.{model.model_fields[fault['loc'][0]].discriminator}"
    return None


def _unknown(loc: Sequence[int | str], received: Any, model: Model) -> str:
    """Return what to do with an unknown key: leave it out, or write it otherwise."""
    *path, key = _path(loc, model)
    here = _dotted([*path, key])
    kinds = _kinds(model, path)
    owners = [kind for kind, fields in kinds.items() if key in fields]
    if owners:
        those = " and ".join(filter(None, [", ".join(owners[:-1]), owners[-1]]))
        return f"{here}: belongs to {those} alone; leave it out. Received: {received!r}"
    if str(key) in GONE:
        return f"{here}: leave it out, as {GONE[str(key)]}. Received: {received!r}"
    former = FORMER.get(str(key))
    if not path and former:
        section, _, name = former.rpartition(".")
        return f"unknown key {key!r}; it is {former}: write {name!r} under [{section}]"
    known = kinds[str(loc[1])] if len(kinds) > 1 else next(iter(kinds.values()))
    near = difflib.get_close_matches(str(key), known, n=1)
    if near:
        return f"unknown key {here!r}; did you mean {_dotted([*path, near[0]])!r}?"
    return f"unknown key {here!r}; known here: {', '.join(known)}"


def _kinds(model: Model, path: Sequence[int | str]) -> dict[str, list[str]]:
    """Return the keys of each kind that the section at `path` may be; ``{"": keys}`` if it is of one."""
    if not path:
        return {"": list(model.model_fields)}
    field = model.model_fields[str(path[0])]
    members = [each for each in _members(field.annotation) if each is not type(None)]
    if len(path) > 1:
        return next(_kinds(each, path[1:]) for each in members if str(path[1]) in each.model_fields)
    if field.discriminator is None:
        return {"": list(members[0].model_fields)}
    return {
        tag: list(each.model_fields)
        for each in members
        for tag in typing.get_args(each.model_fields[str(field.discriminator)].annotation)
    }


def _members(annotation: Any) -> Iterable[Any]:
    return typing.get_args(annotation) or (annotation,)


def _path(loc: Sequence[int | str], model: Model) -> list[int | str]:
    """Return where a fault is, without the kind of the section, which pydantic puts behind its name."""
    field = model.model_fields.get(str(loc[0]))
    of_kind = field is not None and field.discriminator is not None
    return [loc[0], *loc[2:]] if of_kind else list(loc)


def _dotted(path: Iterable[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
