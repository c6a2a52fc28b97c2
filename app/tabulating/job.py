"""What a table of images is: its files are a pure function of this and of the images."""

from typing import Literal

from pydantic import Field

from app import latent
from app.jobs.job import ShardedJob
from app.pictures.uploads import Invert

Kind = Literal["score", "encode"]
Format = Literal["parquet", "csv", "npz"]


class TableJob(ShardedJob):
    """A row for each image.

    Attributes:
        kind: ``score``, how unusual each is; ``encode``, its posterior.
        images_sha256: of the images' names and sizes; see ``app.tabulating.images``.
        format: of the shards.
        invert: see ``app.pictures.uploads``.
        k: draws of each image's posterior: for a score, those that are weighted; else those in the table.
        seed: of their noise.
    """

    kind: Kind
    images_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    format: Format = "parquet"
    invert: Invert = "no"
    k: int = Field(ge=0, le=1_000_000)
    seed: int = Field(ge=0, le=latent.MAX_SEED)
