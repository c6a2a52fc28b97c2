"""Observation models p(x given z): a log-density or log-probability, a mean and a draw.

Each takes what the decoder's network gives and knows nothing of the network. S is the shape of one image, P
the number of parameters that a likelihood needs for every pixel: `decoded` is (B, *S, P) float32, raw network
output that any value may stand in. Pixels are float32 in [0, 1]; an 8-bit level v is the pixel v / 255.

A *density* is over [0, 1]-scaled pixels, a *probability* over the 256 levels of a pixel (or over {0, 1}). The
two are compared through ``log_level_width``, the log of the width of one level on the scale of the density.
"""

import math
from typing import ClassVar

import keras
import tensorflow as tf

from training.types import Array, Tensor

LEVELS = 255.0  # the highest 8-bit level
START = math.log(math.e - 1)  # where softplus is one


class Likelihood:
    """What every observation model has."""

    name: ClassVar[str]
    description: ClassVar[str]  # half a sentence for people, after "p(x given z) is"
    log_level_width: ClassVar[float]
    knows_texture: ClassVar[bool] = False  # a draw looks like an image, not like one with noise on it

    num_parameters = 1  # P
    num_shared = 0  # how many of the P, the last ones, are one number for all pixels and images
    network: keras.layers.Layer | None = (
        None  # weights of its own, which train and are kept with the decoder's
    )

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that define the family, beside what the decoder gives."""
        return {}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x given z) of every pixel in nats, (B, *S)."""
        raise NotImplementedError

    def log_prob_of_pixels(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return what ``log_prob`` does up to rounding, (B, *S), in operations that evaluation is fast with.

        For evaluation, which asks for no gradient and where it is most of the work, and for LiteRT.
        """
        return self.log_prob(images, decoded)

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x given z) of whole images in nats, (B,): the sum of ``log_prob_of_pixels``."""
        return sum_over_image(self.log_prob_of_pixels(images, decoded))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return E[x given z], (B, *S)."""
        raise NotImplementedError

    @property
    def mean_weights(self) -> Array | None:
        """What ``mean`` depends on, as Q linear combinations of a pixel's P parameters, (P, Q) float32.

        None if no fewer than P will do. A decoder may give them alone, for ``mean_of``.
        """
        return None

    def mean_of(self, combined: Tensor) -> Tensor:
        """Return what ``mean`` does, (B, *S), from `decoded` times ``mean_weights``, (B, *S, Q)."""
        raise NotImplementedError

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return a draw from p(x given z), (B, *S), a deterministic function of `noise`.

        Noise is (B, *noise_shape(S)), uniform on the open interval (0, 1).
        """
        raise NotImplementedError

    @property
    def service_weights(self) -> dict[str, Array] | None:
        """What a service draws with, given the parameters of every pixel: arrays by name.

        None if it draws by ``draw``, whose graph a runtime computes as it stands.
        """
        return None

    def bits_per_dim(self, nats: float, pixels: int) -> float:
        """Return what a pixel, as one of 256 levels, costs by a bound of `nats` per image."""
        return -(nats / pixels + self.log_level_width) / math.log(2)

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the noise that one draw of one image consumes."""
        return image_shape


def sum_over_image(log_prob: Tensor, axes_before: int = 1) -> Tensor:
    """Return the sum over the axes of an image, which begin after `axes_before`."""
    return tf.reduce_sum(log_prob, axis=tuple(range(axes_before, len(log_prob.shape))))


def only_parameter(decoded: Tensor) -> Tensor:
    """Return the one parameter of every pixel, (B, *S); LiteRT would slice it out element by element."""
    return tf.squeeze(decoded, axis=-1)


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)) for x of any size; LiteRT computes ``tf.math.softplus`` literally.

    Its gradient is the logistic function everywhere, zero included.
    """
    return 0.5 * (x + tf.abs(x)) + tf.math.log1p(tf.exp(-tf.abs(x)))
