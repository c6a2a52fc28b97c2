"""What a data set is: its files are a pure function of this, whichever processes draw its shards."""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app import latent
from app.images import Asked, Render

Format = Literal["webdataset", "parquet", "png"]

MAX_IMAGES = 10_000_000_000
MAX_SHARD_IMAGES = 1_000_000


class InvalidJob(Exception):
    """What was asked for cannot be a data set, or is not what is in the folder; says why in one line."""


class Job(BaseModel):
    """A data set: the first image of each of `count` seeds from `first_seed` on.

    Attributes:
        model: ``name@version-digest``.
        digest: of the version, all 64 digits.
        first_seed: 0 to 2^63 - 1.
        count: images.
        shard_images: in each shard, but the last.
        format: of the shards.
        temperature, render, label, prior: as ``app.images.Asked`` has them; `render` is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    first_seed: int = Field(ge=0, le=latent.MAX_SEED)
    count: int = Field(ge=1, le=MAX_IMAGES)
    shard_images: int = Field(10_000, ge=1, le=MAX_SHARD_IMAGES)
    format: Format = "webdataset"
    temperature: float = 1.0
    render: Render
    label: str | None = None
    prior: Literal["standard_normal", "gaussian_mixture"] | None = None

    @model_validator(mode="after")
    def _has_its_seeds(self) -> "Job":
        if self.first_seed + self.count - 1 > latent.MAX_SEED:
            raise ValueError("seeds: expected at most 2^63 - 1")
        return self

    @property
    def asked(self) -> Asked:
        """What is asked of every image."""
        return Asked(self.temperature, self.render, self.label, self.prior)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.count // self.shard_images)

    def seeds(self, shard: int) -> range:
        """Return the seeds of a shard, numbered from 0."""
        end = self.first_seed + self.count
        first = self.first_seed + shard * self.shard_images
        return range(first, min(end, first + self.shard_images))

    def key(self, seed: int) -> str:
        """Return what an image's files are called, without their ends; all keys are as long."""
        return f"{seed:0{len(str(self.first_seed + self.count - 1))}d}"

    def stem(self, shard: int) -> str:
        """Return what a shard's files are called, without their ends."""
        return f"{shard:0{max(5, len(str(self.shards - 1)))}d}"

    def as_json(self) -> bytes:
        """Return what ``job.json`` holds."""
        return json.dumps(self.model_dump(), indent=2).encode() + b"\n"

    @classmethod
    def of(cls, **given: Any) -> "Job":
        """Return the data set of these values.

        Raises:
            InvalidJob: it cannot be.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise InvalidJob(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    @classmethod
    def read(cls, content: bytes, where: str) -> "Job":
        """Return the data set that a ``job.json`` describes.

        Raises:
            InvalidJob: it is none; `where` says which file.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise InvalidJob(f"{where}: {error.errors()[0]['msg']}") from None

    def differences(self, other: "Job") -> list[str]:
        """Return what differs from another one, each as ``name: this, not that``."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]
