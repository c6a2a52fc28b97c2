"""Columns of tables of images, and what each holds."""

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from app.explore.scores import Score

Row = dict[str, Any]  # by the names of columns; one that is missing is not known


class Column(NamedTuple):
    """One column.

    Args:
        name: as files have it.
        kind: ``text``, or the name of a NumPy type.
        shape: of a value; (): a single one.
    """

    name: str
    kind: Literal["text", "int64", "float64", "float32", "bool"]
    shape: tuple[int, ...] = ()

    @property
    def missing(self) -> Any:
        """What stands for a value that is not known in an array of NumPy's."""
        if self.kind == "text":
            return ""
        filler = {"int64": 0, "bool": False}.get(self.kind, np.nan)
        return np.full(self.shape, filler, self.kind)


IMAGE = (Column("row", "int64"), Column("name", "text"), Column("label", "text"), Column("sha256", "text"))
BESIDE = (Column("notes", "text"), Column("error", "text"))


def _score(name: str) -> Column:
    kinds: dict[str, Literal["int64", "bool"]] = {"k": "int64", "posterior_confined": "bool"}
    return Column(name, kinds.get(name, "float64"))


# The numbers that the service tells of a score, in its order.
SCORES = (
    *IMAGE,
    *(_score(field.name) for field in dataclasses.fields(Score) if field.name != "surprise"),
    *BESIDE,
)


def codes_of(latent_dim: int, draws: int) -> tuple[Column, ...]:
    """Return the columns of codes of so many axes, with so many draws of each posterior."""
    return (
        *IMAGE,
        Column("kl", "float64"),
        Column("kl_by_axis", "float64", (latent_dim,)),
        Column("z_mean", "float32", (latent_dim,)),
        Column("z_log_var", "float32", (latent_dim,)),
        *([Column("draws", "float32", (draws, latent_dim))] if draws else ()),
        *BESIDE,
    )
