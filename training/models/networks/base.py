"""What several kinds of network share.

B is the batch, D the number of latent axes, P the numbers that a likelihood needs for every pixel and colour;
images are (B, H, W) grey or (B, H, W, C) in colour, float32 in [0, 1].
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from training.configs import sections
from training.models.likelihoods.base import Likelihood

POSTERIOR = ("z_mean", "z_log_var")
ACTIVATIONS = {"relu": "ReLU", "silu": "SiLU"}  # as sentences name them


@dataclasses.dataclass
class Architecture:
    """The encoder and the decoder of one kind of network.

    Args:
        network: the section of a configuration.
        image_shape: (H, W) or (H, W, C).
        likelihood: what the decoder's numbers are for.

    Raises:
        ConfigError: the networks cannot be built for images of this shape.
    """

    network: sections.Network
    image_shape: tuple[int, ...]
    likelihood: Likelihood

    activation: ClassVar[str] = "silu"  # of the dense layers
    initializer: ClassVar[str] = "glorot_uniform"  # of the kernels before an activation

    def encoder(self) -> keras.Model:
        """Return q(z given x): images -> [z_mean (B, D), z_log_var (B, D)]."""
        images = keras.Input(self.image_shape, name="images")
        return keras.Model(images, self.posterior(images), name="encoder")

    def decoder(self) -> keras.Model:
        """Return g(z): z (B, D) -> (B, *image_shape, P), linear in its last layer."""
        z = keras.Input((self.network.latent_dim,), name="z")
        parameters = ByPixel(self.image_shape)(self.pixels(z))
        if self.likelihood.num_shared:
            parameters = SharedParameters(self.likelihood.num_shared)(parameters)
        decoder = keras.Model(z, parameters, name="decoder")
        decoder.of_likelihood = self.likelihood.network  # Keras counts and saves its weights with the others
        return decoder

    def encoder_in_words(self) -> str:
        """Return the encoder's layers as a sentence without its full stop, from the image inwards."""
        dense = dense_in_words(self.network.encoder_units, self.activation)
        last = f"z_mean and z_log_var, {self.network.latent_dim} each (linear)"
        return " -> ".join([*self.rows_in_words(), *dense, last])

    def decoder_in_words(self) -> str:
        """Return the decoder's layers as a sentence without its full stop, from z outwards."""
        shared = self.likelihood.num_shared
        and_shared = f", and {shared} that all pixels share" if shared else ""
        steps = " -> ".join([self.code_in_words(), *self.pixels_in_words()])
        return f"{steps}, what p(x given z) takes for a pixel{and_shared}"

    def code_in_words(self) -> str:
        """Return what the decoder begins with."""
        return str(self.network.latent_dim)

    def rows_in_words(self) -> list[str]:
        """Return the steps of ``rows``, the image first."""
        raise NotImplementedError

    def pixels_in_words(self) -> list[str]:
        """Return the steps of ``pixels``."""
        raise NotImplementedError

    def posterior(self, images: Any) -> list[Any]:
        """Return z_mean and z_log_var, (B, D), each by a linear layer."""
        hidden = self.dense_layers(self.rows(images), self.network.encoder_units)
        units = self.network.latent_dim
        return [
            keras.layers.Dense(units, bias_initializer=self.start_of(name), name=name)(hidden)
            for name in POSTERIOR
        ]

    def start_of(self, name: str) -> keras.initializers.Initializer:
        """Return what a part of the posterior is before training, apart from the image."""
        return keras.initializers.Constant(self.network.start_log_var if name == "z_log_var" else 0.0)

    def rows(self, images: Any) -> Any:
        """Return what the encoder's dense layers take of images, (B, any number)."""
        raise NotImplementedError

    def pixels(self, z: Any) -> Any:
        """Return ``outputs`` numbers for every pixel of the images of codes, in any shape."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """How many numbers a pixel has for itself, those of all its colours."""
        own = self.likelihood.num_parameters - self.likelihood.num_shared
        return math.prod(self.image_shape[2:]) * own

    def dense_layers(self, hidden: Any, units: Sequence[int]) -> Any:
        """Return `hidden` after dense layers of these widths."""
        for width in units:
            layer = keras.layers.Dense(width, activation=self.activation, kernel_initializer=self.initializer)
            hidden = layer(hidden)
        return hidden


def dense_in_words(units: Sequence[int], activation: str) -> list[str]:
    """Return dense layers of these widths as one step of a sentence, or none."""
    return [f"{' -> '.join(map(str, units))} (dense, {ACTIVATIONS[activation]})"] if units else []


def reshaped(values: Any, shape: tuple[int, ...]) -> Any:
    """Return values (B, ...) as (B, *shape).

    Unlike Keras' layers for it, without asking for B: LiteRT keeps its fast kernels, for batches of any size,
    only if no shape is computed.
    """
    return keras.ops.reshape(values, (-1, *shape))


class ByPixel(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Takes numbers (B, ...) to (B, *image_shape, P): P is as many as there are for a pixel and colour."""

    def __init__(self, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.image_shape = image_shape

    def call(self, values: Any) -> Any:
        """Return (B, *image_shape, P)."""
        num_parameters = math.prod(values.shape[1:]) // math.prod(self.image_shape)
        return reshaped(values, (*self.image_shape, num_parameters))


class SharedParameters(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Appends `num_shared` learned numbers, the same for every pixel and image, to the last axis.

    They start at zero.
    """

    def __init__(self, num_shared: int) -> None:
        super().__init__()
        self.shared = self.add_weight(shape=(num_shared,), initializer="zeros", name="shared")

    def call(self, parameters: Any) -> Any:
        """Return (..., P) of (..., P - num_shared)."""
        shared = keras.ops.zeros_like(parameters[..., :1]) + self.shared
        return keras.ops.concatenate([parameters, shared], axis=-1)
