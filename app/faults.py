"""What is wrong with a request, part by part, as answers tell it."""

import dataclasses
import encodings.unicode_escape  # noqa: F401  which escaping would import for the first fault

MAX_ECHO = 80


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
