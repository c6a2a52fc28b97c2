"""Which versions of a model serve: ``<name>/labels.json``, which an operator changes and training never does.

The format is defined in ``model_store/README.md``. A file that cannot be used changes nothing: the reader
goes on with what it knew, and says why.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LABELS = "labels.json"
MAX_LABELS_BYTES = 65_536
MAX_PREVIOUS = 32  # versions that a model can go back to, one after the other

_REMEDY = "Put it right or delete it, and name the version again by vitrine models promote."

Number = Annotated[int, Field(strict=True, ge=1, le=999_999_999)]


class InvalidLabels(Exception):
    """A model's ``labels.json`` cannot be used; says why in one line."""


class Labels(BaseModel):
    """What a model's labels say.

    Attributes:
        stable: the version that the bare name means; None: the newest that can be served.
        canary: the version that a share of the requests for the bare name gets; None: there is none.
        canary_share: that share, in [0, 1].
        previous: versions that were stable before, the latest first; never one twice in a row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stable: Number | None = None
    canary: Number | None = None
    canary_share: float = Field(0.0, ge=0, le=1)
    previous: tuple[Number, ...] = Field((), max_length=MAX_PREVIOUS)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Labels":
        if self.canary is None and self.canary_share:
            raise ValueError("canary_share: expected 0 without a canary")
        return self

    def promoted(self, number: int) -> "Labels":
        """Return labels by which `number` is stable, and a canary no more; the stable one of now is kept."""
        before = () if self.stable in (None, number) else (self.stable,)
        return Labels(stable=number, previous=(*before, *self.previous)[:MAX_PREVIOUS])

    def rolled_back(self) -> "Labels | None":
        """Return labels by which the version before is stable; None if none is known."""
        if not self.previous:
            return None
        return Labels(stable=self.previous[0], previous=self.previous[1:])


def read(model: Path) -> Labels:
    """Return the labels of the model in the folder `model`; those of a model without the file say nothing.

    Raises:
        InvalidLabels: there is a file that cannot be used.
    """
    path = model / LABELS
    if path.is_symlink():
        raise InvalidLabels(f"{path}: a symbolic link; it must lie in the store itself")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LABELS_BYTES + 1)
    except FileNotFoundError:
        return Labels()
    except OSError as error:
        raise InvalidLabels(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MAX_LABELS_BYTES:
        raise InvalidLabels(f"{path}: over {MAX_LABELS_BYTES} bytes")
    return parse(content, str(path), f". {_REMEDY}")


def parse(content: bytes, where: str, remedy: str = "") -> Labels:
    """Return the labels of a file's content; `where` it was found and a remedy are told in errors.

    Raises:
        InvalidLabels: they cannot be used.
    """
    try:
        return Labels.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        told = ".".join(map(str, fault["loc"]))
        raise InvalidLabels(f"{where}: {told + ': ' if told else ''}{fault['msg']}{remedy}") from None


def write(model: Path, labels: Labels) -> None:
    """Write the labels of the model in the folder `model` in one step, flushed to the disk.

    Raises:
        OSError: they cannot be written; the former ones stand.
    """
    path = model / LABELS
    partial = model / f".{LABELS}-{os.getpid()}-{secrets.token_hex(4)}"
    content = json.dumps(labels.model_dump(exclude_defaults=True), indent=1) + "\n"
    try:
        with partial.open("xb") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
