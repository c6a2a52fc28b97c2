"""What a data set is: its files are a pure function of this, whichever processes draw its shards."""

from typing import Literal

from pydantic import Field, model_validator

from app import latent
from app.images import Asked, Render
from app.jobs.job import ShardedJob

Format = Literal["webdataset", "parquet", "png"]


class Job(ShardedJob):
    """A data set: the first image of each of `count` seeds from `first_seed` on.

    Attributes:
        first_seed: 0 to 2^63 - 1.
        format: of the shards.
        temperature, render, label, prior: as ``app.images.Asked`` has them; `render` is told.
    """

    first_seed: int = Field(ge=0, le=latent.MAX_SEED)
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

    def seeds(self, shard: int) -> range:
        """Return the seeds of a shard, numbered from 0."""
        images = self.images(shard)
        return range(self.first_seed + images.start, self.first_seed + images.stop)

    def key(self, seed: int) -> str:
        """Return what an image's files are called, without their ends; all keys are as long."""
        return f"{seed:0{len(str(self.first_seed + self.count - 1))}d}"
