"""A prior that is bent into shape: a mixture of Gaussians behind affine coupling layers.

A mixture fits where the codes of real images lie, and is made of ellipsoids all the same. A chain of affine
couplings (RealNVP; Dinh, Sohl-Dickstein & Bengio 2017) bends it further and stays a density that is known
exactly: log p(z) = log p(u) - sum log |dz/du|. The chain begins as the identity, so it begins as good as the
mixture; and since every component is bent as a whole, a mixture's classes can still be asked for.

D is the number of latent axes, L the number of layers, H the number of hidden units of a layer.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Tensor = Any  # tf.Tensor; TensorFlow publishes no types
Codes = npt.NDArray[np.float32]
Arrays = dict[str, Any]  # of NumPy arrays

STEPS = 4_000
BATCH = 1_000  # codes in a step
LEARNING_RATE = 3e-3
CHECKS = 20  # times that the validation codes are looked at
HELD_OUT_BATCH = 5_000


class Base(Protocol):
    """What a flow starts from."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that its components belong to."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes (..., D)."""
        ...

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return codes, (count, D)."""
        ...

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> Any:
        """Return the same density over axes in another order and direction."""
        ...

    def arrays(self) -> Arrays:
        """Return what is stored."""
        ...


@dataclasses.dataclass(frozen=True)
class CouplingFlow:
    """p(z) of z = f_L(... f_1(u)), u drawn from a mixture.

    Layer l leaves the axes where ``mask[l]`` is true as they are, and moves the others by what it makes of
    those: f(u) = u * exp(s) + t, with h = max(0, V (mask u) + b), s = tanh(W_s h + c_s), t = W_t h + c_t. The
    rows of W and c that belong to axes left alone are zero, and so are the columns of V of the others.

    Args:
        base: what u is drawn from.
        mask: (L, D) bool.
        hidden: V, (L, H, D) float32.
        hidden_bias: b, (L, H) float32.
        moved: W_s and W_t, (L, 2, D, H) float32.
        moved_bias: c_s and c_t, (L, 2, D) float32.
    """

    base: Any
    mask: npt.NDArray[np.bool_]
    hidden: Codes
    hidden_bias: Codes
    moved: Codes
    moved_bias: Codes
    name: str = "normalizing_flow"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that components of the base belong to."""
        classes: tuple[str, ...] = self.base.classes
        return classes

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weights of the base's components, (K,)."""
        weights: npt.NDArray[np.float64] = self.base.weights
        return weights

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats of codes (..., D), shape (...)."""
        layers = zip(self.hidden, self.hidden_bias, self.moved, self.moved_bias, strict=True)
        return _log_prob(self.base, z, list(layers))

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return `count` codes, (count, D) float32."""
        z = self.base.draw(count, rng)
        layers = zip(self.hidden, self.hidden_bias, self.moved, self.moved_bias, strict=True)
        for hidden, hidden_bias, moved, moved_bias in layers:
            units = np.maximum(z @ hidden.T + hidden_bias, 0)
            scale, shift = (units @ part.T + bias for part, bias in zip(moved, moved_bias, strict=True))
            z = z * np.exp(np.tanh(scale)) + shift
        codes: Codes = z.astype(np.float32)
        return codes

    def reordered(self, order: Sequence[int], signs: Sequence[int]) -> "CouplingFlow":
        """Return the same density over codes whose axis i is the old axis ``order[i]`` times ``signs[i]``."""
        turn = np.stack([np.ones(len(signs)), np.asarray(signs)]).astype(np.float32)  # t turns, s does not
        return dataclasses.replace(
            self,
            base=self.base.reordered(order, signs),
            mask=self.mask[:, order],
            hidden=self.hidden[:, :, order] * turn[1],
            moved=self.moved[:, :, order, :] * turn[:, :, None],
            moved_bias=self.moved_bias[:, :, order] * turn,
        )

    def arrays(self) -> Arrays:
        """Return what is stored: the base's arrays and the layers'; see model_store/README.md."""
        arrays: Arrays = self.base.arrays()
        return arrays | {
            "flow_mask": self.mask,
            "flow_hidden": self.hidden,
            "flow_hidden_bias": self.hidden_bias,
            "flow_moved": self.moved,
            "flow_moved_bias": self.moved_bias,
        }

    def save(self, path: Path) -> None:
        """Write the arrays as ``.npz``, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        save(path, self.arrays())


def save(path: Path, arrays: Arrays) -> None:
    """Write arrays as ``.npz``, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(path)


def from_arrays(base: Base, arrays: Any) -> CouplingFlow:
    """Return the flow that ``CouplingFlow.arrays`` described.

    Raises:
        KeyError: an array is missing.
    """
    names = ("mask", "hidden", "hidden_bias", "moved", "moved_bias")
    return CouplingFlow(base, *(arrays[f"flow_{name}"] for name in names))


def _log_prob(base: Any, z: Tensor, layers: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> Tensor:
    """Return log p(z): back through the layers, the last first."""
    flat = tf.reshape(z, (-1, z.shape[-1]))
    log_volume = tf.zeros_like(flat[:, 0])
    for hidden, hidden_bias, moved, moved_bias in reversed(layers):
        units = tf.nn.relu(tf.matmul(flat, hidden, transpose_b=True) + hidden_bias)
        scale, shift = (tf.matmul(units, moved[i], transpose_b=True) + moved_bias[i] for i in (0, 1))
        log_scale = tf.tanh(scale)
        flat = (flat - shift) * tf.exp(-log_scale)
        log_volume += tf.reduce_sum(log_scale, axis=1)
    return tf.reshape(base.log_prob(flat) - log_volume, tf.shape(z)[:-1])


def fit(
    base: Any,
    z_mean: Codes,
    z_std: Codes,
    held_out: Codes,
    *,
    layers: int,
    units: int,
    seed: int,
    steps: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> CouplingFlow:
    """Fit a flow to draws of q(z given x), new ones at every step; keep what is best on held-out codes.

    Args:
        base: a mixture, which stays as it is.
        z_mean: (N, D), the posteriors' means for the training images.
        z_std: (N, D), their standard deviations.
        held_out: (M, D), codes of other images.
        layers: L; each leaves another half of the axes as it is.
        units: H.
        seed: of masks, weights and draws.
        steps: of the optimizer, of BATCH codes each; None: STEPS.
        report: called with a line now and then.
    """
    rng = np.random.default_rng([seed, 0x666C6F77])  # others than of the fits before
    steps = STEPS if steps is None else steps
    latent_dim = z_mean.shape[1]
    mask = _masks(layers, latent_dim, rng)
    still, free = mask.astype(np.float32), 1 - mask.astype(np.float32)
    start = rng.normal(size=(layers, units, latent_dim)) * np.sqrt(4 / latent_dim)  # half of the axes are fed
    variables = [
        tf.Variable(part.astype(np.float32))
        for part in (
            start,
            np.zeros((layers, units)),
            np.zeros((layers, 2, latent_dim, units)),  # so that the flow begins as the identity
            np.zeros((layers, 2, latent_dim)),
        )
    ]
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=10.0)
    optimizer.build(variables)

    def confined() -> list[Tensor]:
        hidden, hidden_bias, moved, moved_bias = variables
        return [
            hidden * still[:, None, :],
            tf.identity(hidden_bias),
            moved * free[:, None, :, None],
            moved_bias * free[:, None, :],
        ]

    def log_prob(z: Tensor) -> Tensor:
        return _log_prob(base, z, list(zip(*(tf.unstack(part) for part in confined()), strict=True)))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def step(z: Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(z))
        optimizer.apply(tape.gradient(loss, variables), variables)

    measured = tf.function(log_prob, jit_compile=True)

    def nats() -> float:
        parts = [
            np.asarray(measured(tf.constant(held_out[first : first + HELD_OUT_BATCH])))
            for first in range(0, len(held_out), HELD_OUT_BATCH)
        ]
        return float(np.mean(np.concatenate(parts), dtype=np.float64))

    def taken() -> CouplingFlow:
        hidden, hidden_bias, moved, moved_bias = (np.array(part) for part in confined())
        return CouplingFlow(base, mask, hidden, hidden_bias, moved, moved_bias)

    begun = best = nats()
    kept = taken()
    for number in range(1, steps + 1):
        rows = rng.integers(len(z_mean), size=BATCH)
        noise = rng.standard_normal((BATCH, latent_dim), dtype=np.float32)
        step(tf.constant(z_mean[rows] + z_std[rows] * noise))
        if number % max(1, steps // CHECKS) == 0:
            found = nats()
            report(f"flow, step {number} of {steps}: {found - begun:+.2f} nats against its mixture")
            if found > best:
                best, kept = found, taken()
    return kept


def _masks(layers: int, latent_dim: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return (L, D) bool: halves at random, and after each half the other one, so that two move them all."""
    mask = np.zeros((layers, latent_dim), np.bool_)
    for layer in range(layers):
        if layer % 2 == 0:
            mask[layer, rng.permutation(latent_dim)[: latent_dim // 2]] = True
        else:
            mask[layer] = ~mask[layer - 1]
    return mask
