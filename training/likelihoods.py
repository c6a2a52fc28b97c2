"""Observation models p(x given z): a log-density, a mean and a draw.

Each takes what the decoder's network gives and knows nothing of the network.
"""

import math
from typing import Any

import tensorflow as tf

Tensor = Any  # tf.Tensor; TensorFlow publishes no types


class Gaussian:
    """A Gaussian with one fixed variance, independent per pixel, around the decoder's output.

    Args:
        variance: per pixel, for pixels scaled to [0, 1].

    Raises:
        ValueError: the variance is not positive.
    """

    name = "gaussian"
    # log of the width of an 8-bit level on [0, 1]. A density times this width is about the probability of the
    # level, which is how a density is compared with a distribution over 256 levels.
    log_level_width = -math.log(255)

    def __init__(self, variance: float) -> None:
        if not variance > 0:
            raise ValueError(f"variance: expected a number greater than zero. Received: {variance!r}")
        self.variance = float(variance)

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that define the density."""
        return {"variance": self.variance}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x given z) per pixel, in nats, of the density over [0, 1]-scaled pixels.

        log N(x; m, v) = -(x - m)^2 / (2 v) - log(2 pi v) / 2. Shapes: all (B, H, W), float32.
        """
        constant = 0.5 * math.log(2 * math.pi * self.variance)
        return -tf.math.squared_difference(images, decoded) / (2 * self.variance) - constant

    def mean(self, decoded: Tensor) -> Tensor:
        """Return E[x given z], (B, H, W): the decoder's output itself, which may leave [0, 1]."""
        return decoded

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the uniform noise that one draw consumes."""
        return image_shape

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return a draw from p(x given z), a deterministic function of `noise`.

        Inverse transform sampling: x = m + sqrt(v) * Phi^-1(noise).

        Args:
            decoded: (B, H, W) float32.
            noise: (B, H, W) float32, uniform on the open interval (0, 1).
        """
        return decoded + math.sqrt(self.variance) * tf.math.ndtri(noise)


def from_config(name: str, variance: float) -> Gaussian:
    """Return the likelihood called `name`."""
    if name != Gaussian.name:
        raise ValueError(f"likelihood: expected {Gaussian.name!r}. Received: {name!r}")
    return Gaussian(variance)
