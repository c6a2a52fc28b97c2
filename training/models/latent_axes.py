"""Canonical latent axes: an order and directions that follow from the model, not from the run's accidents.

Which axis of a trained model means what, and which way it points, is an accident of the run: any permutation
and any change of sign gives the same model. So a version is published with its axes in a stated order: by
falling KL, axis 0 the most informative, each pointing where the decoded image becomes brighter on average.
That does not make axis i of two trainings the same: KLs of neighbours are often nearly equal, and another
training has other axes. ``match`` says how alike they are.

D is the number of latent axes.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.optimize import linear_sum_assignment

from training.types import Array, ReportSection, Tensor

ACTIVE_VARIANCE = 0.01
ACTIVE_KL = 0.05  # nats: an axis that carries less moves nothing that one could see

Decode = Callable[[Array], Any]  # codes (B, D) -> mean images (B, *image_shape)


def is_active(z_mean: Array, kl: Array) -> npt.NDArray[np.bool_]:
    """Return whether each axis knows something of an image, (D,).

    The variance of its posterior mean, (N, D), exceeds 0.01 (Burda et al. 2016), and its mean `kl`, (D,), is
    0.05 nats at least: the first alone calls axes active that carry next to nothing.
    """
    varies = z_mean.var(axis=0, dtype=np.float64) > ACTIVE_VARIANCE
    return np.asarray(varies & (kl >= ACTIVE_KL))


class Axis(ReportSection):
    """One latent axis under the aggregate posterior q(z), the posterior averaged over the training images."""

    kl: float  # mean over images of KL(q(z given x) || N(0, I)) along the axis, nats
    mean: float
    std: float
    active: bool  # see ``is_active``; in older reports by the variance alone
    quantiles: dict[str, float]  # by probability; never beyond what a request may ask for

    @property
    def walk(self) -> tuple[float, float]:
        """The 2.5 and the 97.5 % quantile, between which a traversal goes."""
        return self.quantiles["0.025"], self.quantiles["0.975"]

    def times(self, sign: int) -> "Axis":
        """Return the axis itself for sign 1, and for -1 the one that points the other way."""
        if sign == 1:
            return self
        # The quantile of -z at p is minus that of z at 1 - p; the probabilities are symmetric around 1/2.
        values = (-value for value in reversed(self.quantiles.values()))
        return self.model_copy(
            update={"mean": -self.mean, "quantiles": dict(zip(self.quantiles, values, strict=True))}
        )


@dataclasses.dataclass(frozen=True)
class Axes:
    """Published axis i is trained axis ``order[i]`` times ``signs[i]``."""

    order: tuple[int, ...]  # a permutation of 0 to D - 1
    signs: tuple[int, ...]  # 1 or -1 for each

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

    def describe(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """Return the published axes, from the trained ones."""
        return tuple(axes[axis].times(sign) for axis, sign in zip(self.order, self.signs, strict=True))


def as_trained(latent_dim: int) -> Axes:
    """Return the axes as training left them."""
    return Axes(tuple(range(latent_dim)), (1,) * latent_dim)


def canonical(decode: Decode, axes: Sequence[Axis]) -> Axes:
    """Return the canonical order and directions of trained axes, over which `decode` takes codes.

    An axis points to where the decoded image's mean pixel is higher, of the two codes one standard deviation
    from the mean code.
    """
    order = sorted(range(len(axes)), key=lambda axis: -axes[axis].kl)
    centre = np.array([axis.mean for axis in axes], np.float32)
    steps = np.diag([axis.std for axis in axes]).astype(np.float32)
    images = decode(np.concatenate([centre + steps, centre - steps]))
    brightness = np.asarray(images, np.float64).reshape(2, len(axes), -1).mean(axis=2)
    signs = np.where(brightness[0] >= brightness[1], 1, -1)
    return Axes(tuple(order), tuple(int(signs[axis]) for axis in order))


class AxisMatch(ReportSection):
    """An axis of a version beside the axis of the version before that orders the same images most alike."""

    axis: int
    was: int | None  # None: there is none left
    correlation: float


def match(before: Array, now: Array) -> tuple[AxisMatch, ...]:
    """Return for each axis of a model the axis of another model that orders the same images most alike.

    Of all ways to pair them it is the one with the largest sum of absolute correlations. Each model is given
    by its z_mean of the images: the other by `before`, (N, D), this one by `now`, (N, E).
    """
    centred = [codes.astype(np.float64) - codes.mean(axis=0) for codes in (before, now)]
    scale = [np.sqrt((codes**2).sum(axis=0)) + 1e-12 for codes in centred]
    correlation = (centred[1].T @ centred[0]) / scale[1][:, None] / scale[0]
    now_axes, before_axes = linear_sum_assignment(np.abs(correlation), maximize=True)
    found = dict(zip(now_axes.tolist(), before_axes.tolist(), strict=True))
    return tuple(
        AxisMatch(
            axis=axis,
            was=found.get(axis),
            correlation=float(correlation[axis, found[axis]]) if axis in found else 0.0,
        )
        for axis in range(now.shape[1])
    )
