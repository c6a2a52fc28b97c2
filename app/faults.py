"""What is wrong with a request, part by part, and the base of all errors, which makes an answer of it."""

import dataclasses
import encodings.unicode_escape  # noqa: F401  which escaping would import for the first fault
import functools
import json

MAX_ECHO = 80

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def echo(value: object) -> str:
    """Return what was received in printable ASCII and cut, so that it is safe in a log line or a header."""
    text = str(value) or "(empty)"
    escaped = text[: MAX_ECHO + 1].encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= MAX_ECHO else f"{escaped[: MAX_ECHO - 3]}..."


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    parameter: str  # its name as the client wrote it, or the multipart field, or ``body``
    expected: str  # what would have been right
    received: str  # what came, escaped and cut
    remedy: str  # what to do about it
    code: str  # a stable word for programs

    @property
    def summary(self) -> str:
        """What was expected and what came, in two sentences."""
        return f"expected {self.expected}. Received: {self.received}."


class VitrineError(Exception):
    """Base of the errors that become an ``application/problem+json`` answer."""

    status = 500
    kind = "internal-error"  # the last part of the problem's type
    title = "Something went wrong inside the service"

    def __init__(self, detail: str, *faults: Fault, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults
        self.headers = headers or {}

    def as_json(self, instance: str, request_id: str, root_path: str = "") -> bytes:
        """Return the body of an RFC 9457 problem.

        Args:
            instance: the path that was asked for, escaped and cut.
            request_id: that the log knows this request by: letters, digits, ``.``, ``_`` and ``-``.
            root_path: path under which clients find the service.
        """
        about, faults = self._constant_json
        kind = f'"type":"{root_path}/problems/{self.kind}"'
        own = f'"instance":{_as_json(root_path + instance)},"request_id":"{request_id}"'
        return f'{{{kind},{about[1:-1]},{own},"errors":{faults}}}'.encode()

    @functools.cached_property
    def _constant_json(self) -> tuple[str, str]:
        """What is the same in every answer, before and behind what is a request's own."""
        about = {"title": self.title, "status": self.status}
        faults = [dataclasses.asdict(fault) for fault in self.faults]
        return _as_json(about | {"detail": self.detail}), _as_json(faults)
