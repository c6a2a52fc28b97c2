"""Priors p(z): what the codes of a model are drawn from. NumPy only.

Each draws code k of a seed as a pure function of (seed, k), whatever the number asked for; see ``latent``.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from app import latent
from app.arrays import Arrays, read_arrays
from app.errors import ModelError
from app.latent import Latents
from app.manifest import Manifest
from app.store import Version

Doubles = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]
LOG_TWO_PI = math.log(2 * math.pi)


@dataclasses.dataclass(frozen=True)
class StandardNormal:
    """N(0, I)."""

    latent_dim: int  # number of latent axes, D

    @cached_property
    def centre(self) -> Latents:
        """Where a walk holds the other axes unless asked otherwise, (D,): zero."""
        return np.zeros(self.latent_dim, np.float32)

    def centre_of(self, label: int) -> Latents:  # noqa: ARG002  N(0, I) knows no classes
        """Return the centre of a class, (D,)."""
        return self.centre

    def draw(
        self,
        seed: int,
        start: int,
        count: int,
        temperature: float = 1.0,
        label: int | None = None,  # noqa: ARG002  N(0, I) knows no classes
    ) -> Latents:
        """Return codes `start` to `start + count - 1`, z = temperature * epsilon: (count, D) float32."""
        return self._scaled(latent.standard_normal(seed, start, count, self.latent_dim), temperature)

    def draw_firsts(
        self,
        seeds: Sequence[int],
        temperature: float = 1.0,
        label: int | None = None,  # noqa: ARG002
    ) -> Latents:
        """Return the first code of each of several seeds, as ``draw`` does: (N, D) float32."""
        return self._scaled(latent.standard_normal_of(seeds, self.latent_dim), temperature)

    def _scaled(self, codes: Latents, temperature: float) -> Latents:
        return codes if temperature == 1.0 else codes * np.float32(temperature)

    def classes(self, seed: int, start: int, count: int, label: int | None = None) -> Classes:  # noqa: ARG002
        """Return the classes of codes, (0,) int64: N(0, I) knows none."""
        return np.zeros(0, np.int64)

    def classes_of_firsts(self, seeds: Sequence[int], label: int | None = None) -> Classes:  # noqa: ARG002
        """Return the classes of first codes, (0,) int64: N(0, I) knows none."""
        return np.zeros(0, np.int64)

    def log_prob(self, z: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return log p(z) in nats of codes (N, D): (N,) float64."""
        squares: npt.NDArray[np.float64] = np.square(z, dtype=np.float64).sum(axis=1)
        return -0.5 * (squares + self.latent_dim * LOG_TWO_PI)


@dataclasses.dataclass(frozen=True)
class GaussianMixture:
    """sum_k w_k N(z; m_k, C_k C_k^T).

    Args:
        weights: w, (K,), positive, their sum one.
        means: m, (K, D).
        cholesky: C, (K, D, D), lower triangular.
        component_class: (K,), the class of each component; empty where there are no classes.
    """

    weights: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    cholesky: npt.NDArray[np.float64]
    component_class: npt.NDArray[np.int64]

    @cached_property
    def centre(self) -> Latents:
        """Where a walk holds the other axes unless asked otherwise, (D,): the highest-weight mean.

        Of the first of them, if several weigh as much. Between components, where zero lies, a decoder was
        never trained.
        """
        mean: Latents = self.means[np.argmax(self.weights)].astype(np.float32)
        return mean

    def centre_of(self, label: int) -> Latents:
        """Return the highest-weight mean of a class, (D,)."""
        mean: Latents = self.means[
            np.argmax(np.where(self.component_class == label, self.weights, 0.0))
        ].astype(np.float32)
        return mean

    def shifted(self, codes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return where a step of mean shift leads from each of `codes`, (N, D): uphill on the density.

        It is (sum_k r_k P_k)^-1 sum_k r_k P_k m_k with the precisions P_k and the responsibilities r_k of the
        components for a code (Carreira-Perpinan 2000, section 3).
        """
        precisions, pulling = self._precisions
        log_joint = self._log_joint(codes)
        shares = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        latent_dim = self.means.shape[1]
        mixed = (shares @ precisions.reshape(len(self.means), -1)).reshape(-1, latent_dim, latent_dim)
        shifted: npt.NDArray[np.float64] = np.linalg.solve(mixed, (shares @ pulling)[:, :, None])[:, :, 0]
        return shifted

    @cached_property
    def _reached(self) -> dict[int | None, npt.NDArray[np.float64]]:
        """By class, the sums of the weights up to each component."""
        return {}

    def draw(
        self, seed: int, start: int, count: int, temperature: float = 1.0, label: int | None = None
    ) -> Latents:
        """Return codes `start` to `start + count - 1`, z = m_k + temperature * C_k epsilon.

        The components keep their weights at every temperature; with a `label`, those of its class alone are
        drawn from. The codes are (count, D) float32.
        """
        chosen = self._chosen(latent.choices(seed, start, count), label)
        epsilon = latent.standard_normal(seed, start, count, self.means.shape[1])
        return self._placed(chosen, epsilon, temperature)

    def draw_firsts(
        self, seeds: Sequence[int], temperature: float = 1.0, label: int | None = None
    ) -> Latents:
        """Return the first code of each of several seeds, as ``draw`` does: (N, D) float32."""
        chosen = self._chosen(latent.choices_of(seeds), label)
        return self._placed(chosen, latent.standard_normal_of(seeds, self.means.shape[1]), temperature)

    def classes(self, seed: int, start: int, count: int, label: int | None = None) -> Classes:
        """Return the class of the component of each code that ``draw`` returns, (count,) int64.

        It is (0,) where components have no class.
        """
        return self._classes_of(self._chosen(latent.choices(seed, start, count), label))

    def classes_of_firsts(self, seeds: Sequence[int], label: int | None = None) -> Classes:
        """Return the class of the component of each code of ``draw_firsts``; see ``classes``."""
        return self._classes_of(self._chosen(latent.choices_of(seeds), label))

    def _classes_of(self, chosen: npt.NDArray[np.intp]) -> Classes:
        return self.component_class[chosen] if len(self.component_class) else self.component_class

    def _chosen(self, choices: Doubles, label: int | None) -> npt.NDArray[np.intp]:
        """Return the component that each number in (0, 1) chooses, of a class or of all."""
        reached = self._reached.get(label)
        if reached is None:
            of_class = True if label is None else self.component_class == label
            reached = self._reached[label] = np.cumsum(np.where(of_class, self.weights, 0.0))
        chosen: npt.NDArray[np.intp] = np.searchsorted(reached, choices * reached[-1], side="right")
        return chosen

    def _placed(self, chosen: npt.NDArray[np.intp], normals: Latents, temperature: float) -> Latents:
        """Return m_k + temperature * C_k epsilon of the chosen components, (N, D) float32."""
        epsilon = normals.astype(np.float64)
        # One small product for each code: its rounding cannot depend on how many codes are asked for.
        shifted = np.matmul(self.cholesky[chosen], epsilon[:, :, None])[:, :, 0]
        codes: Latents = (self.means[chosen] + temperature * shifted).astype(np.float32)
        return codes

    def log_prob(self, z: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return log p(z) in nats of codes (N, D): (N,) float64."""
        log_density: Doubles = np.logaddexp.reduce(self._log_joint(z), axis=1)
        return log_density

    def _log_joint(self, z: npt.NDArray[Any]) -> Doubles:
        """Return log w_k N(z; m_k, C_k C_k^T) in nats, (N, K), of codes (N, D)."""
        whiten, log_scale = self._whitening
        log_joint: Doubles = np.empty((len(z), len(self.weights)))
        for component, (rows, mean) in enumerate(zip(whiten, self.means, strict=True)):
            # |C^-1 (z - m)|^2 is the squared Mahalanobis distance.
            np.square((z - mean) @ rows.T).sum(axis=1, out=log_joint[:, component])
        log_joint *= -0.5
        log_joint += np.log(self.weights) - log_scale - 0.5 * self.means.shape[1] * LOG_TWO_PI
        return log_joint

    @cached_property
    def _precisions(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """P_k of each component, (K, D, D), and P_k m_k, (K, D)."""
        whiten, _ = self._whitening
        precisions = np.matmul(whiten.transpose(0, 2, 1), whiten)
        return precisions, np.matmul(precisions, self.means[:, :, None])[:, :, 0]

    @cached_property
    def _whitening(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """C^-1 of each component, (K, D, D), and log |C|, (K,)."""
        log_scale: npt.NDArray[np.float64] = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        whiten: npt.NDArray[np.float64] = np.linalg.inv(self.cholesky).astype(np.float64)
        return whiten, log_scale


Prior = StandardNormal | GaussianMixture


def open_prior(version: Version) -> Prior:
    """Return the prior that a version's manifest names.

    Raises:
        ModelError: its file is not what the manifest says.
    """
    manifest = version.manifest
    if manifest.prior.path is None:
        return StandardNormal(manifest.latent_dim)
    path = version.folder / manifest.prior.path
    try:
        return _MADE_OF[manifest.prior.name](read_arrays(path), manifest)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: {manifest.prior.path}: {error}") from error


_ARRAYS = ("weights", "means", "cholesky", "component_class")


def _mixture(arrays: Arrays, manifest: Manifest) -> GaussianMixture:
    components, latent_dim = len(arrays["weights"]), manifest.latent_dim
    classes = manifest.prior.classes
    shapes = ((components,), (components, latent_dim), (components, latent_dim, latent_dim))
    for name, shape in zip(_ARRAYS, shapes, strict=False):
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: expected {shape}, all finite; found {arrays[name].shape}")
    weights = arrays["weights"].astype(np.float64)
    if not components or weights.min() <= 0 or abs(weights.sum() - 1) > 1e-6:
        raise ValueError("weights: expected positive numbers whose sum is 1")
    component_class = arrays["component_class"]
    if classes and set(component_class.tolist()) - set(range(len(classes))):
        raise ValueError(f"component_class: expected 0 to {len(classes) - 1}")
    if component_class.shape != ((components,) if classes else (0,)):
        raise ValueError(f"component_class: expected one for each of {components} components")
    return GaussianMixture(
        weights, arrays["means"].astype(np.float64), arrays["cholesky"].astype(np.float64), component_class
    )


# By a prior's name in the manifest: what makes it of its arrays.
_MADE_OF: dict[str, Callable[[Arrays, Manifest], Prior]] = {
    "gaussian_mixture": _mixture,
}
