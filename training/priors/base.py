"""What every prior p(z) has, and N(0, I), the prior while most models train.

While a model trains its prior is N(0, I). The codes that its encoder gives to real images fill only part of
that: the *aggregate posterior* q(z), the posterior averaged over the data, has holes where the decoder was
never trained. A prior that is fitted to draws of q(z given x) after training has none of those holes (Ghosh
et al. 2020; Dai & Wipf 2019 fit a second model instead). It is fitted to draws and not to posterior means, so
it is a proper p(z) for the bound as well: bits and samples come from the same prior.

D is the number of latent axes.
"""

import dataclasses
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.models import objectives
from training.runs import replacing
from training.types import Codes, Tensor

ARRAYS = "prior.npz"

Arrays = dict[str, npt.NDArray[Any]]


class Draws(NamedTuple):
    """Codes that a prior is fitted to: draws of q(z given x)."""

    z: Codes  # (N, D)
    labels: npt.NDArray[np.int64] | None  # (N,), the class of each; None: there are no classes
    names: tuple[str, ...]  # of the classes


class Prior:
    """What every prior has; one without arrays has nothing to save and nothing to say but its name."""

    name: ClassVar[str]  # in the manifest, and in ``registry.KINDS``
    label: ClassVar[str]  # in a table of the card
    classes: tuple[str, ...] = ()  # names of those that can be drawn alone

    @property
    def components(self) -> int:
        """Of how many densities it is a mixture."""
        return 1

    @classmethod
    def fitted(
        cls,
        draws: Draws,  # noqa: ARG003
        numbers: Sequence[int],  # noqa: ARG003
        rng: np.random.Generator,  # noqa: ARG003
    ) -> Iterator["Prior"]:
        """Yield priors of this kind that are fitted to codes; none of a kind that needs no fitting.

        Args:
            draws: of the training images.
            numbers: of components to try, as a configuration names them.
            rng: where fits begin.
        """
        return iter(())

    @classmethod
    def load(cls, folder: Path, latent_dim: int) -> Self:
        """Read what ``save`` wrote.

        Args:
            folder: of a run or a version.
            latent_dim: D.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a file, or not all of it.
            KeyError: it lacks an array.
        """
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write the arrays, if there are any, into ``prior.npz`` of a folder; see ``runs.replacing``."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats of codes (..., D), shape (...)."""
        raise NotImplementedError

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return `count` codes, (count, D) float32."""
        raise NotImplementedError

    def draw_labelled(
        self,
        count: int,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> tuple[Codes, npt.NDArray[np.int64]] | None:
        """Return codes as ``draw`` does, and the class of each, (count,); None: it knows no classes."""
        return None

    def draw_classes(self, rng: np.random.Generator) -> Codes | None:  # noqa: ARG002
        """Return a code of each of its classes, (classes, D) float32; None: it knows none.

        Raises:
            ValueError: nothing can be drawn of a class; names it.
        """
        return None

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> Self:
        """Return the same density over codes whose axis i is the old axis ``order[i]`` times ``signs[i]``."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what the card says it is, half a sentence."""
        return self.label

    @property
    def details(self) -> dict[str, Any]:
        """What the report of a fitted prior says beside its name."""
        return {}

    def manifest_entry(self) -> dict[str, Any]:
        """Return the manifest's ``prior``: its name, and where its arrays and classes are, if it has any."""
        return {"name": self.name}


@dataclasses.dataclass(frozen=True)
class StandardNormal(Prior):
    """N(0, I).

    Args:
        latent_dim: D.
    """

    latent_dim: int

    name = "standard_normal"
    label = "N(0, I)"

    @classmethod
    def load(cls, folder: Path, latent_dim: int) -> Self:  # noqa: ARG003
        """Return N(0, I), which is in no file."""
        return cls(latent_dim)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log N(z; 0, I); see ``Prior``."""
        zeros = tf.zeros_like(z)
        return objectives.log_normal(z, zeros, zeros)

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return codes; see ``Prior``."""
        return rng.standard_normal((count, self.latent_dim), dtype=np.float32)

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> Self:  # noqa: ARG002
        """Return itself: it is the same along every axis and in either direction."""
        return self


def write_arrays(folder: Path, arrays: Arrays) -> None:
    """Write ``prior.npz`` into a folder; see ``runs.replacing``."""
    with replacing(folder / ARRAYS) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # the stubs see flags


def read_arrays(folder: Path) -> Arrays:
    """Return what ``write_arrays`` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or not all of it.
    """
    try:
        with (folder / ARRAYS).open("rb") as content, np.load(content, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a whole .npz file: {error}") from error
