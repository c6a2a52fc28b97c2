"""What a job is: its files are a pure function of this, whichever processes make its shards."""

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_IMAGES = 10_000_000_000
MAX_SHARD_IMAGES = 1_000_000


class InvalidJob(Exception):
    """What was asked for cannot be done, or is not what is in the folder; says why in one line."""


class ShardedJob(BaseModel):
    """Something that is done for `count` images by a model, some of them at a time.

    Attributes:
        model: ``name@version-digest``.
        digest: of the version, all 64 digits.
        count: images.
        shard_images: in each shard, but the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    count: int = Field(ge=1, le=MAX_IMAGES)
    shard_images: int = Field(10_000, ge=1, le=MAX_SHARD_IMAGES)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.count // self.shard_images)

    def images(self, shard: int) -> range:
        """Return the numbers of a shard's images, from 0; the shard is numbered from 0 too."""
        first = shard * self.shard_images
        return range(first, min(self.count, first + self.shard_images))

    def stem(self, shard: int) -> str:
        """Return what a shard's files are called, without their ends."""
        return f"{shard:0{max(5, len(str(self.shards - 1)))}d}"

    def as_json(self) -> bytes:
        """Return what ``job.json`` holds."""
        return json.dumps(self.model_dump(), indent=2).encode() + b"\n"

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Return the job of these values.

        Raises:
            InvalidJob: it cannot be.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise InvalidJob(_told(error)) from None

    @classmethod
    def read(cls, content: bytes, where: str) -> Self:
        """Return the job that a ``job.json`` describes.

        Raises:
            InvalidJob: it is none of this kind; `where` says which file.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise InvalidJob(f"{where}: {_told(error)}") from None

    def differences(self, other: Self) -> list[str]:
        """Return what differs from another one, each as ``name: this, not that``."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]


def _told(error: ValidationError) -> str:
    """Return what is wrong, behind the name of the value that is."""
    fault = error.errors()[0]
    name = ".".join(str(part) for part in fault["loc"])
    return f"{name + ': ' if name else ''}{fault['msg'].removeprefix('Value error, ')}"
