"""A mixture of Gaussians with full covariances, fitted to draws of q(z given x).

D is the number of latent axes, K the number of components.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data
from training.priors.base import ARRAYS, Arrays, Draws, Prior, read_arrays, write_arrays
from training.types import Codes, Doubles, Tensor

MAX_ITERATIONS = 100
LEAST_VARIANCE = 1e-6  # of an axis in which a few codes are equal
LEAST_GAIN = 1e-3  # nats a code: below it another iteration is not worth its time
BATCH = 20_000  # codes whose responsibilities are held in memory at once


@dataclasses.dataclass(frozen=True)
class GaussianMixture(Prior):
    """sum_k w_k N(z; m_k, C_k C_k^T).

    Args:
        weights: w, (K,), positive, their sum one.
        means: m, (K, D).
        cholesky: C, (K, D, D), lower triangular.
        classes: names of the classes that components belong to; empty: to none.
        component_class: (K,), the class of each component; empty where there are no classes.
    """

    weights: Doubles
    means: Doubles
    cholesky: Doubles
    classes: tuple[str, ...] = ()
    component_class: npt.NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))

    name = "gaussian_mixture"
    label = "the fitted mixture"

    @classmethod
    def fitted(
        cls, draws: Draws, numbers: Sequence[int], rng: np.random.Generator
    ) -> Iterator["GaussianMixture"]:
        """Yield a mixture for each number of Gaussians; see ``Prior``.

        Where images have classes, every class gets a mixture of its own, an equal share of the components,
        and the whole weighs the classes by their share of the data: a class can then be asked for.
        """
        z, labels, names = draws
        classes = 1 if labels is None else len(np.unique(labels))
        for number in dict.fromkeys(max(1, number // classes) * classes for number in numbers):
            yield fit(z, number, rng) if labels is None else fit_per_class(z, labels, names, number, rng)

    @classmethod
    def load(cls, folder: Path, latent_dim: int) -> Self:  # noqa: ARG003  the arrays say it
        """Read a mixture; see ``Prior``."""
        arrays = read_arrays(folder)
        return cls(
            weights=arrays["weights"],
            means=arrays["means"].astype(np.float64),
            cholesky=arrays["cholesky"].astype(np.float64),
            classes=tuple(str(name) for name in arrays["classes"]),
            component_class=arrays["component_class"],
        )

    def save(self, folder: Path) -> None:
        """Write the arrays; their format is that of model_store/README.md."""
        arrays: Arrays = {
            "weights": self.weights,
            "means": self.means.astype(np.float32),
            "cholesky": self.cholesky.astype(np.float32),
            "component_class": self.component_class,
            "classes": np.array(self.classes, dtype=np.str_),
        }
        write_arrays(folder, arrays)

    @property
    def components(self) -> int:
        """K."""
        return len(self.weights)

    @property
    def details(self) -> dict[str, Any]:
        """What the report says of a mixture; see ``Prior``."""
        return {"components": self.components, "classes": self.classes}

    def describe(self) -> str:
        """Return the card's words for it; see ``Prior``."""
        many = f"a mixture of {self.components} Gaussians" if self.components > 1 else "a Gaussian"
        shared = f", shared by {len(self.classes)} classes" if self.classes else ""
        return f"{many} with full covariances{shared}"

    def manifest_entry(self) -> dict[str, Any]:
        """Return the manifest's ``prior``; see ``Prior``."""
        return {"name": self.name, "path": ARRAYS, "classes": list(self.classes)}

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the mixture's log-density; see ``Prior``."""
        return tf.reduce_logsumexp(self.log_joint(z), axis=-1)

    def log_joint(self, z: Tensor) -> Tensor:
        """Return log w_k + log N(z; m_k, C_k C_k^T) of codes (..., D), shape (..., K)."""
        latent_dim = self.means.shape[1]
        whiten = np.linalg.inv(self.cholesky)  # rows of C^-1, so that |C^-1 (z - m)|^2 is the distance
        flat = tf.reshape(z, (-1, latent_dim))
        # One product for all components: (N, D) x (D, K D).
        stacked = whiten.transpose(2, 0, 1).reshape(latent_dim, -1).astype(np.float32)
        offset = np.einsum("kij,kj->ki", whiten, self.means).astype(np.float32)
        white = tf.reshape(flat @ stacked, (-1, *self.means.shape)) - offset
        log_scale = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        constant = np.log(self.weights) - log_scale - 0.5 * latent_dim * math.log(2 * math.pi)
        log_joint = constant.astype(np.float32) - 0.5 * tf.reduce_sum(tf.square(white), axis=-1)
        return tf.reshape(log_joint, (*z.shape[:-1], len(self.weights)))

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return codes; see ``Prior``."""
        return self._draw_from(rng.choice(len(self.weights), size=count, p=self.weights), rng)

    def draw_labelled(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Codes, npt.NDArray[np.int64]] | None:
        """Return codes and the class of the component that each is drawn from; see ``Prior``."""
        if not self.classes:
            return None
        chosen = rng.choice(len(self.weights), size=count, p=self.weights)
        return self._draw_from(chosen, rng), self.component_class[chosen].astype(np.int64)

    def draw_classes(self, rng: np.random.Generator) -> Codes | None:
        """Return a code of each class, of its component of the highest weight; see ``Prior``."""
        chosen = []
        for number, name in enumerate(self.classes):
            own = np.flatnonzero(self.component_class == number)
            if not len(own):
                raise ValueError(f"class {name} has no component: no image of it was trained on")
            chosen.append(own[np.argmax(self.weights[own])])
        return self._draw_from(np.array(chosen), rng) if chosen else None

    def _draw_from(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Codes:
        noise = rng.standard_normal((len(chosen), self.means.shape[1]))
        shifted = np.einsum("nij,nj->ni", self.cholesky[chosen], noise)
        codes: Codes = (self.means[chosen] + shifted).astype(np.float32)
        return codes

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> "GaussianMixture":
        """Return the same density over codes whose axis i is the old axis ``order[i]`` times ``signs[i]``."""
        turned = np.asarray(signs)[:, None] * self.cholesky[:, order, :]
        covariances = turned @ turned.transpose(0, 2, 1)
        means = np.asarray(signs) * self.means[:, order]
        cholesky = np.linalg.cholesky(covariances).astype(np.float64)
        return dataclasses.replace(self, means=means, cholesky=cholesky)


def fit_per_class(
    z: Codes, labels: npt.NDArray[np.int64], names: tuple[str, ...], components: int, rng: np.random.Generator
) -> GaussianMixture:
    """Fit one mixture to the codes of each class, and join them by the classes' shares.

    Args:
        z: (N, D).
        labels: (N,), the class of each code.
        names: the classes' names; one without codes is no class of the mixture: nothing could be drawn of it.
        components: K of the whole; each class gets an equal share, at least one.
        rng: where the fits begin.
    """
    present = np.unique(labels)
    each = max(1, components // len(present))
    parts = [fit(z[labels == label], each, rng) for label in present]
    shares = [float(np.mean(labels == label)) for label in present]
    return GaussianMixture(
        weights=np.concatenate([share * part.weights for share, part in zip(shares, parts, strict=True)]),
        means=np.concatenate([part.means for part in parts]),
        cholesky=np.concatenate([part.cholesky for part in parts]),
        classes=tuple(names[label] for label in present),
        component_class=np.repeat(np.arange(len(present)), [part.components for part in parts]),
    )


def fit(z: Codes, components: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit a mixture of Gaussians with full covariances by expectation maximisation.

    The covariances have an inverse Wishart prior worth D + 2 codes, so that a component with few codes keeps
    a sensible shape; with many codes it does not matter.

    Args:
        z: (N, D).
        components: K; fewer if there are fewer than 2 D + 2 codes for each.
        rng: where it begins.
    """
    count, latent_dim = z.shape
    components = max(1, min(components, count // (2 * latent_dim + 2)))
    spread = np.atleast_2d(np.cov(z, rowvar=False, bias=True))
    if count < 2 * latent_dim + 2:  # how axes vary together cannot be known, and would not be invertible
        spread = np.diag(np.maximum(np.diag(spread), LEAST_VARIANCE))
    centres = _spread_out(z, components, rng)
    nearest = np.concatenate([_nearest(batch, centres) for batch in data.batches(z, BATCH)])
    responsibility = np.eye(components, dtype=np.float32)
    hard = _moments(z, lambda start, batch: responsibility[nearest[start : start + len(batch)]])
    mixture = _maximise(hard, spread)
    before = -math.inf
    for _ in range(MAX_ITERATIONS):
        total = 0.0

        def expect(start: int, batch: Codes) -> Codes:  # noqa: ARG001  the other caller needs it
            nonlocal total
            log_joint = mixture.log_joint(tf.constant(batch))  # noqa: B023  called before it changes
            log_prob = tf.reduce_logsumexp(log_joint, axis=-1, keepdims=True)
            total += float(np.sum(log_prob, dtype=np.float64))
            return np.asarray(tf.exp(log_joint - log_prob))

        mixture = _maximise(_moments(z, expect), spread)
        if total / count - before < LEAST_GAIN:
            break
        before = total / count
    return mixture


_Moments = tuple[Doubles, Doubles, Doubles]


def _moments(z: Codes, responsibilities: Callable[[int, Codes], Codes]) -> _Moments:
    """Return each component's share of the codes: number (K,), sum (K, D), sum of squares (K, D, D)."""
    number, first, second = np.zeros(()), np.zeros(()), np.zeros(())
    for start in range(0, len(z), BATCH):
        batch = z[start : start + BATCH]
        weight = responsibilities(start, batch).astype(np.float64)
        # A component may lie hundreds of its widths from the origin: its squares are then nearly all mean.
        batch = batch.astype(np.float64)
        number = number + weight.sum(axis=0)
        first = first + weight.T @ batch
        second = second + np.stack([(batch * column[:, None]).T @ batch for column in weight.T])
    return number, first, second


def _maximise(moments: _Moments, spread: Doubles) -> GaussianMixture:
    number, first, second = moments
    latent_dim = len(spread)
    number = np.maximum(number, 1e-6)  # a component that lost every code keeps its share of the prior's
    means = first / number[:, None]
    scatter = second - number[:, None, None] * means[:, :, None] * means[:, None, :]
    pseudo = latent_dim + 2
    # The pseudo-codes are as tight as one of K equal parts of the whole would be in D dimensions.
    shape = spread / len(number) ** (2 / latent_dim)
    covariances = (scatter + pseudo * shape) / (number + pseudo)[:, None, None]
    return GaussianMixture(number / number.sum(), means, np.linalg.cholesky(covariances))


def _spread_out(z: Codes, components: int, rng: np.random.Generator) -> Codes:
    """Return codes to begin with, each drawn by its squared distance from those before (k-means++)."""
    some = z[rng.choice(len(z), size=min(len(z), BATCH), replace=False)]
    chosen = [some[rng.integers(len(some))]]
    distance = np.full(len(some), np.inf)
    while len(chosen) < components:
        distance = np.minimum(distance, np.sum((some - chosen[-1]) ** 2, axis=1, dtype=np.float64))
        chosen.append(some[rng.choice(len(some), p=distance / distance.sum())])
    return np.stack(chosen)


def _nearest(z: Codes, centres: Codes) -> npt.NDArray[np.int64]:
    nearest: npt.NDArray[np.int64] = np.argmin(np.sum(centres**2, axis=1) - 2 * z @ centres.T, axis=1)
    return nearest
