"""From an answer that is no success to the error that it stands for."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from vitrine_client import access_errors  # noqa: F401  which has kinds too
from vitrine_client.errors import Fault, RequestRefused, ServiceFailed, UnexpectedAnswer, VitrineError


def _kinds(base: type[VitrineError]) -> dict[str, type[VitrineError]]:
    found = {base.kind: base} if base.kind else {}
    for each in base.__subclasses__():
        found |= _kinds(each)
    return found


KINDS = _kinds(VitrineError)


def error_of(
    url: str, status: int, headers: Mapping[str, str], content: bytes, retry_after: float | None
) -> VitrineError:
    """Return the error that an answer with a status from 400 on stands for."""
    problem: Any = None
    if "json" in headers.get("content-type", ""):
        with contextlib.suppress(ValueError):
            problem = json.loads(content)
    if not isinstance(problem, dict) or not isinstance(problem.get("type"), str):
        text = f"{url}: status {status}, and not why: what answers there is no Vitrine, or a proxy before one"
        return UnexpectedAnswer(text, status=status, retry_after=retry_after)
    kind = problem["type"].rpartition("/")[2]
    # A kind that came after this package is still one of the two.
    known = KINDS.get(kind, RequestRefused if status < 500 else ServiceFailed)
    faults = problem.get("errors")
    return known(
        str(problem.get("detail", "")),
        status=status,
        title=str(problem.get("title", "")),
        errors=tuple(map(_fault, faults)) if isinstance(faults, list) else (),
        request_id=str(problem.get("request_id", "")),
        retry_after=retry_after,
    )


def _fault(found: Any) -> Fault:
    entries = found if isinstance(found, dict) else {}
    return Fault(*(str(entries.get(name, "")) for name in Fault._fields))
