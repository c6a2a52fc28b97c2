"""What one check has found."""

import dataclasses
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check has found.

    Attributes:
        check: its name, one or two words.
        state: ``warning``: the service runs, but not as it could; ``failed``: it does not.
        found: what there is, a line.
        remedy: what to do about it; empty if there is nothing to do.
    """

    check: str
    state: State
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.state != "ok") != bool(self.remedy):
            raise ValueError(f"{self.check}: a remedy goes with what is not ok, and with nothing else")
