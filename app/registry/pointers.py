"""``<name>/current.json``: which versions of a model a store of objects has. It is written last.

The format is defined in ``model_store/README.md``. An object store has no renaming of folders: a version is
published when the pointer names it, and not before.
"""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.manifest import Digest
from app.registry.refusals import Refused

POINTER = "current.json"
MAX_POINTER_BYTES = 1_048_576
MAX_VERSIONS = 8_192

Number = Annotated[int, Field(strict=True, ge=1, le=999_999_999)]


class Listed(BaseModel):
    """A version that is published.

    Attributes:
        version: its number.
        digest: of its manifest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Number
    digest: Digest


class Pointer(BaseModel):
    """What a pointer says.

    Attributes:
        format: of the pointer; this reader knows 1 alone.
        model: its name.
        versions: those that are published, no number twice.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    model: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    versions: tuple[Listed, ...] = Field(min_length=1, max_length=MAX_VERSIONS)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Pointer":
        if len(self.digests) < len(self.versions):
            raise ValueError("versions: a number stands there twice")
        return self

    @property
    def digests(self) -> dict[int, str]:
        """By number, the digest of each version."""
        return {each.version: each.digest for each in self.versions}

    def with_version(self, number: int, digest: str) -> "Pointer":
        """Return a pointer that names one more version, in rising order."""
        versions = sorted((self.digests | {number: digest}).items())
        listed = tuple(Listed(version=each, digest=its) for each, its in versions)
        return Pointer(model=self.model, versions=listed)

    def as_json(self) -> bytes:
        """Return the content of ``current.json``."""
        return (json.dumps(self.model_dump(), indent=1) + "\n").encode()


def parse(content: bytes, name: str, where: str) -> Pointer:
    """Return what the pointer of the model `name` says; `where` it was found is told in errors.

    Raises:
        Refused: it is none, or another model's.
    """
    try:
        found = Pointer.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        told = ".".join(map(str, fault["loc"]))
        raise Refused(f"{where}: {told + ': ' if told else ''}{fault['msg']}") from None
    if found.model != name:
        raise Refused(f"{where}: model: expected {name}; found {found.model}")
    return found
