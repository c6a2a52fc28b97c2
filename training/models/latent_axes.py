"""Canonical latent axes: the same order and direction after every training.

Which axis of a trained model means what, and which way it points, is an accident of the run: any permutation
and any change of sign gives the same model. So a version is published with its axes in a stated order: by
falling KL, axis 0 the most informative, each pointing where the decoded image becomes brighter on average.

D is the number of latent axes.
"""

import dataclasses
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Tensor = Any  # tf.Tensor; TensorFlow publishes no types
Array = npt.NDArray[np.float32]

STRIP_STEPS = 7
PLANE_STEPS = 20
MAX_STRIPS = 64  # axes that the picture of all axes shows, the most informative ones


@dataclasses.dataclass(frozen=True)
class Axes:
    """Published axis i is trained axis ``order[i]`` times ``signs[i]``.

    Args:
        order: a permutation of 0 to D - 1.
        signs: 1 or -1 for each.
    """

    order: tuple[int, ...]
    signs: tuple[int, ...]

    @property
    def changed(self) -> bool:
        """Whether any axis is published in another place or direction than it was trained."""
        return self != as_trained(len(self.order))

    def publish(self, z_mean: Tensor, z_log_var: Tensor) -> tuple[Tensor, Tensor]:
        """Return a posterior (B, D) over the published axes."""
        if not self.changed:
            return z_mean, z_log_var
        signs = tf.constant(self.signs, tf.float32)
        return tf.gather(z_mean, self.order, axis=-1) * signs, tf.gather(z_log_var, self.order, axis=-1)

    def trained(self, z: Tensor) -> Tensor:
        """Return codes (B, D) over the trained axes, from codes over the published ones."""
        if not self.changed:
            return z
        back = tuple(int(axis) for axis in np.argsort(self.order))
        return tf.gather(z * tf.constant(self.signs, tf.float32), back, axis=-1)

    def describe(self, axes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what ``evaluate.aggregate_posterior`` said of the trained axes, of the published ones."""
        return [_turned(axes[axis], sign) for axis, sign in zip(self.order, self.signs, strict=True)]


def as_trained(latent_dim: int) -> Axes:
    """Return the axes as training left them."""
    return Axes(tuple(range(latent_dim)), (1,) * latent_dim)


def canonical(decode: Callable[[Array], Array], axes: list[dict[str, Any]]) -> Axes:
    """Return the canonical order and directions.

    An axis points to where the decoded image's mean pixel is higher, of the two codes one standard deviation
    from the mean code.

    Args:
        decode: codes (B, D) over the trained axes -> images (B, ...).
        axes: what ``evaluate.aggregate_posterior`` said: ``kl``, ``mean`` and ``std`` of each.
    """
    order = sorted(range(len(axes)), key=lambda axis: -axes[axis]["kl"])
    centre = np.array([axis["mean"] for axis in axes], np.float32)
    steps = np.diag([axis["std"] for axis in axes]).astype(np.float32)
    images = decode(np.concatenate([centre + steps, centre - steps]))
    brightness = np.asarray(images, np.float64).reshape(2, len(axes), -1).mean(axis=2)
    signs = np.where(brightness[0] >= brightness[1], 1, -1)
    return Axes(tuple(order), tuple(int(signs[axis]) for axis in order))


def match(before: Array, now: Array) -> list[dict[str, Any]]:
    """Pair the axes of two models by how they order the same images.

    Args:
        before: z_mean of the images under one model, (N, D).
        now: under the other, (N, E).

    Returns:
        For each axis of `now`: ``axis``, the axis of `before` that it is paired with (``was``, None if there
        are none left) and their ``correlation``. The strongest correlations are paired first.
    """
    centred = [codes.astype(np.float64) - codes.mean(axis=0) for codes in (before, now)]
    scale = [np.sqrt((codes**2).sum(axis=0)) + 1e-12 for codes in centred]
    correlation = (centred[1].T @ centred[0]) / scale[1][:, None] / scale[0]
    free = np.abs(correlation)
    found: dict[int, int] = {}
    for _ in range(min(correlation.shape)):
        new, old = np.unravel_index(int(np.argmax(free)), free.shape)
        found[int(new)] = int(old)
        free[new], free[:, old] = -1, -1
    return [
        {
            "axis": axis,
            "was": found.get(axis),
            "correlation": float(correlation[axis, found[axis]]) if axis in found else 0.0,
        }
        for axis in range(now.shape[1])
    ]


def strips(
    decode: Callable[[Array], Array], axes: list[dict[str, Any]], value_of: Callable[[Array], Any]
) -> Any:
    """Return one picture of all axes: a row for each, walking from its 2.5 to its 97.5 % quantile.

    Args:
        decode: codes (B, D) over the published axes -> images (B, H, W) or (B, H, W, 3) in [0, 1].
        axes: as ``Axes.describe`` gives them; every other axis is held at its mean.
        value_of: images -> levels.

    Returns:
        (rows * H, STRIP_STEPS * W) or with colours.
    """
    centre = np.array([axis["mean"] for axis in axes], np.float32)
    rows = []
    for number, axis in enumerate(axes[:MAX_STRIPS]):
        codes = np.tile(centre, (STRIP_STEPS, 1))
        ends = axis["quantiles"]["0.025"], axis["quantiles"]["0.975"]
        codes[:, number] = np.linspace(*ends, STRIP_STEPS)
        rows.append(np.concatenate(list(value_of(decode(codes))), axis=1))
    return np.concatenate(rows)


def plane(decode: Callable[[Array], Array], value_of: Callable[[Array], Any]) -> Any:
    """Return one picture of a plane of codes: what a decoder of two axes has made of its manifold.

    Both axes run through the quantiles of N(0, 1) at equal steps of probability, so that each cell stands for
    an equal share of the prior (Goodfellow, Bengio & Courville 2016, figure 20.6): axis 0 from left to right,
    axis 1 from bottom to top.

    Args:
        decode: codes (B, 2) over the published axes -> images (B, H, W) or (B, H, W, 3) in [0, 1].
        value_of: images -> levels.

    Returns:
        (PLANE_STEPS * H, PLANE_STEPS * W) or with colours.
    """
    steps = [NormalDist().inv_cdf((step + 0.5) / PLANE_STEPS) for step in range(PLANE_STEPS)]
    rows = []
    for upwards in reversed(steps):
        codes = np.array([(sideways, upwards) for sideways in steps], np.float32)
        rows.append(np.concatenate(list(value_of(decode(codes))), axis=1))
    return np.concatenate(rows)


def _turned(axis: dict[str, Any], sign: int) -> dict[str, Any]:
    if sign == 1:
        return axis
    values = list(axis["quantiles"].values())
    # The quantile of -z at p is minus that of z at 1 - p; the probabilities are symmetric around one half.
    turned = dict(zip(axis["quantiles"], (-value for value in reversed(values)), strict=True))
    return axis | {"mean": -axis["mean"], "quantiles": turned}
