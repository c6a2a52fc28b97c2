"""Importance sampling of latent codes: proposals, weights, and what the weights say. NumPy only, float64.

K is the number of draws, D that of latent axes. Weights are handled by their logarithms, which lie hundreds
of nats apart.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.latent import Latents

Doubles = npt.NDArray[np.float64]

# An encoder may give any number for an image that is unlike its training images: a variance of e^40 has been
# seen. A proposal is confined to codes that a request could name, and to widths that float32 holds beside
# them. Any proposal gives a valid bound on log p(x); this one also keeps it finite.
MOST_MEAN = 8.0
LEAST_LOG_VAR, MOST_LOG_VAR = -16.0, 2 * math.log(MOST_MEAN)


class Posterior(NamedTuple):
    """q(z given x) = N(mean, diag(exp(log_var))) of one image.

    Args:
        mean: (D,), within MOST_MEAN of zero.
        log_var: (D,), from LEAST_LOG_VAR to MOST_LOG_VAR.
        confined: whether the encoder gave a number beyond these.
    """

    mean: Doubles
    log_var: Doubles
    confined: bool = False

    @classmethod
    def of(cls, encoded: npt.NDArray[np.float32]) -> "Posterior":
        """Return the posterior of what an encoder gave, z_mean and z_log_var, (2, D)."""
        given = encoded.astype(np.float64)
        mean = np.clip(given[0], -MOST_MEAN, MOST_MEAN)
        log_var = np.clip(given[1], LEAST_LOG_VAR, MOST_LOG_VAR)
        return cls(mean, log_var, not np.array_equal(given, [mean, log_var]))

    def draw(self, noise: Latents) -> Latents:
        """Return codes z = mean + sigma * noise, (K, D) float32, of standard normal `noise`, (K, D)."""
        codes: Latents = (self.mean + np.exp(self.log_var / 2) * noise).astype(np.float32)
        return codes

    def log_prob(self, z: npt.NDArray[Any]) -> Doubles:
        """Return log q(z given x) in nats of codes (K, D): (K,)."""
        squares = np.square(z - self.mean) * np.exp(-self.log_var)
        log_density: Doubles = -0.5 * (squares + self.log_var + math.log(2 * math.pi)).sum(axis=1)
        return log_density

    @property
    def kl_to_standard_normal(self) -> float:
        """KL(q || N(0, I)) in nats: sum (exp(log_var) + mean^2 - 1 - log_var) / 2."""
        return float(0.5 * (np.exp(self.log_var) + self.mean**2 - 1 - self.log_var).sum())


def log_mean_exp(logarithms: Doubles) -> float:
    """Return log((1/K) sum_i exp(l_i)): of log weights log(p(x, z_i) / q(z_i)), an estimate of log p(x)."""
    return _log_sum_exp(logarithms) - math.log(len(logarithms))


def normalised(log_weights: Doubles) -> Doubles:
    """Return the weights, (K,), divided by their sum."""
    weights: Doubles = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights


def effective_sample_size(weights: Doubles) -> float:
    """Return 1 / sum w^2 of normalised weights: 1 if one draw has all the weight, K if all have the same."""
    return float(1 / np.square(weights).sum())


def jackknife_error(log_weights: Doubles) -> float | None:
    """Return the jackknife's standard error of ``log_mean_exp``; None of one draw.

    sqrt((K - 1) / K sum_i (l_i - mean l)^2), where l_i leaves draw i out. It is on average not below the
    true one (Efron & Stein 1981), and tells a weight that outweighs all others by how far it does: the first
    order of a Taylor series, var(w) / (K mean(w)^2), never exceeds 1 nat then.
    """
    count = len(log_weights)
    if count < 2:
        return None
    # log(sum - w_i) = log sum + log(1 - w_i / sum), but for the largest, which may be nearly all of it.
    without = np.log1p(-np.minimum(normalised(log_weights), 0.5))
    largest = int(np.argmax(log_weights))
    without[largest] = _log_sum_exp(np.delete(log_weights, largest)) - _log_sum_exp(log_weights)
    return float(math.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


def resampled(weights: Doubles, uniform: Doubles) -> npt.NDArray[np.intp]:
    """Return the number of a draw for each of the `uniform` numbers in (0, 1), each by its weight."""
    reached = np.cumsum(weights)
    chosen: npt.NDArray[np.intp] = np.searchsorted(reached, uniform * reached[-1], side="right")
    return chosen


def _log_sum_exp(logarithms: Doubles) -> float:
    largest = float(logarithms.max())
    return largest + math.log(float(np.exp(logarithms - largest).sum()))
