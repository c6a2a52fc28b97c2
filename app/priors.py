"""Priors p(z): what the codes of a model are drawn from. NumPy only.

Each draws code k of a seed as a pure function of (seed, k), whatever the number asked for; see ``latent``.
"""

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from app import latent
from app.errors import ModelError
from app.latent import Latents
from app.store import Manifest, Version


@dataclasses.dataclass(frozen=True)
class StandardNormal:
    """N(0, I).

    Args:
        latent_dim: number of latent axes, D.
    """

    latent_dim: int

    @cached_property
    def centre(self) -> Latents:
        """Where a walk holds the other axes unless asked otherwise, (D,): zero."""
        return np.zeros(self.latent_dim, np.float32)

    def draw(
        self,
        seed: int,
        start: int,
        count: int,
        temperature: float = 1.0,
        label: int | None = None,  # noqa: ARG002  N(0, I) knows no classes
    ) -> Latents:
        """Return codes `start` to `start + count - 1` of a seed, z = temperature * epsilon.

        Returns:
            (count, D) float32.
        """
        codes = latent.standard_normal(seed, start, count, self.latent_dim)
        return codes if temperature == 1.0 else codes * np.float32(temperature)


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
        """Where a walk holds the other axes unless asked otherwise, (D,): the mean of the heaviest component.

        Of the first of them, if several weigh as much.

        Between components, where zero lies, a decoder was never trained, and what it gives is a ghost.
        """
        mean: Latents = self.means[np.argmax(self.weights)].astype(np.float32)
        return mean

    def draw(
        self, seed: int, start: int, count: int, temperature: float = 1.0, label: int | None = None
    ) -> Latents:
        """Return codes `start` to `start + count - 1` of a seed, z = m_k + temperature * C_k epsilon.

        Args:
            seed: 0 to 2**63 - 1.
            start: index of the first code.
            count: number of codes.
            temperature: scale of each component around its mean; the components keep their weights.
            label: a class whose components alone are drawn from; None: all.

        Returns:
            (count, D) float32.
        """
        weights = (
            self.weights if label is None else np.where(self.component_class == label, self.weights, 0.0)
        )
        reached = np.cumsum(weights)
        chosen = np.searchsorted(reached, latent.choices(seed, start, count) * reached[-1], side="right")
        epsilon = latent.standard_normal(seed, start, count, self.means.shape[1]).astype(np.float64)
        # One small product for each code: its rounding cannot depend on how many codes are asked for.
        shifted = np.matmul(self.cholesky[chosen], epsilon[:, :, None])[:, :, 0]
        codes: Latents = (self.means[chosen] + temperature * shifted).astype(np.float32)
        return codes


@dataclasses.dataclass(frozen=True)
class NormalizingFlow:
    """A mixture of Gaussians bent by affine couplings (Dinh et al. 2017).

    Layer l takes z to z * exp(tanh(W_s h + c_s)) + W_t h + c_t with h = max(0, V z + b). Zeros in V, W and c
    keep half of the axes as they are and feed the layer with those alone.

    Args:
        mixture: what the first layer is given.
        hidden: V, (L, H, D) float32.
        hidden_bias: b, (L, H) float32.
        moved: W_s above W_t, (L, 2 D, H) float32.
        moved_bias: c_s before c_t, (L, 2 D) float32.
    """

    mixture: GaussianMixture
    hidden: Latents
    hidden_bias: Latents
    moved: Latents
    moved_bias: Latents

    @cached_property
    def centre(self) -> Latents:
        """Where a walk holds the other axes unless asked otherwise, (D,): the mixture's centre, bent."""
        centre: Latents = self._bent(self.mixture.centre[None])[0]
        return centre

    def draw(
        self, seed: int, start: int, count: int, temperature: float = 1.0, label: int | None = None
    ) -> Latents:
        """Return codes `start` to `start + count - 1` of a seed; see ``GaussianMixture.draw``.

        The temperature is the mixture's: the layers bend what it gives.
        """
        return self._bent(self.mixture.draw(seed, start, count, temperature, label))

    def _bent(self, z: Latents) -> Latents:
        latent_dim = z.shape[1]
        layers = zip(self.hidden, self.hidden_bias, self.moved, self.moved_bias, strict=True)
        for hidden, hidden_bias, moved, moved_bias in layers:
            # Small products for each code alone, as in the mixture.
            units = np.maximum(np.matmul(hidden, z[:, :, None])[:, :, 0] + hidden_bias, 0)
            change = np.matmul(moved, units[:, :, None])[:, :, 0] + moved_bias
            z = z * np.exp(np.tanh(change[:, :latent_dim])) + change[:, latent_dim:]
        return z


Prior = StandardNormal | GaussianMixture | NormalizingFlow


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
        with np.load(path, allow_pickle=False) as arrays:
            mixture = _mixture({name: arrays[name] for name in _ARRAYS}, manifest)
            if manifest.prior.name == "gaussian_mixture":
                return mixture
            return _flow(mixture, {name: arrays[name] for name in _FLOW_ARRAYS}, manifest.latent_dim)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{version.reference}: {manifest.prior.path}: {error}") from error


_ARRAYS = ("weights", "means", "cholesky", "component_class")
_FLOW_ARRAYS = ("flow_hidden", "flow_hidden_bias", "flow_moved", "flow_moved_bias")


def _mixture(arrays: dict[str, npt.NDArray[Any]], manifest: Manifest) -> GaussianMixture:
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


def _flow(mixture: GaussianMixture, arrays: dict[str, npt.NDArray[Any]], latent_dim: int) -> NormalizingFlow:
    layers, units = (*arrays["flow_hidden_bias"].shape, 0, 0)[:2]
    shapes = (
        (layers, units, latent_dim),
        (layers, units),
        (layers, 2, latent_dim, units),
        (layers, 2, latent_dim),
    )
    for name, shape in zip(_FLOW_ARRAYS, shapes, strict=True):
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(f"{name}: expected {shape} float32, all finite; found {array.shape}")
    hidden, hidden_bias, moved, moved_bias = (np.ascontiguousarray(arrays[name]) for name in _FLOW_ARRAYS)
    return NormalizingFlow(
        mixture,
        hidden,
        hidden_bias,
        moved.reshape(layers, 2 * latent_dim, units),
        moved_bias.reshape(layers, 2 * latent_dim),
    )
