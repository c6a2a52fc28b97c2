"""Encoders and decoders, as plain Keras models."""

from types import ModuleType

import keras

from training.configs.sections import Network
from training.models.likelihoods.base import Likelihood
from training.models.networks import conv, dense, residual, spatial

KINDS: dict[str, ModuleType] = {"dense": dense, "conv": conv, "residual": residual, "spatial": spatial}


def build(
    network: Network, image_shape: tuple[int, ...], likelihood: Likelihood
) -> tuple[keras.Model, keras.Model]:
    """Return the encoder and the decoder that a configuration describes.

    Args:
        network: the section of a configuration.
        image_shape: (H, W) or (H, W, C).
        likelihood: what the decoder's numbers are for.

    Raises:
        ConfigError: they cannot be built for images of this shape.
    """
    kind = KINDS[network.kind]
    return kind.encoder(network, image_shape), kind.decoder(network, image_shape, likelihood)
