"""Encoders and decoders, as plain Keras models."""

import keras

from training.configs.sections import Network
from training.models.likelihoods.base import Likelihood
from training.models.networks.base import Architecture
from training.models.networks.conv import Conv
from training.models.networks.dense import Dense
from training.models.networks.palette import Palette
from training.models.networks.residual import Residual
from training.models.networks.separable import Separable
from training.models.networks.spatial import Spatial

KINDS = {
    "dense": Dense,
    "conv": Conv,
    "residual": Residual,
    "separable": Separable,
    "spatial": Spatial,
    "palette": Palette,
}


def build(
    network: Network, image_shape: tuple[int, ...], likelihood: Likelihood
) -> tuple[keras.Model, keras.Model]:
    """Return the encoder and the decoder that a configuration describes; see ``Architecture``.

    Raises:
        ConfigError: they cannot be built for images of this shape.
    """
    architecture = architecture_of(network, image_shape, likelihood)
    return architecture.encoder(), architecture.decoder()


def architecture_of(network: Network, image_shape: tuple[int, ...], likelihood: Likelihood) -> Architecture:
    """Return what a configuration describes, before anything is built; a ConfigError as ``build``."""
    kind: type[Architecture] = KINDS[network.kind]
    return kind(network, image_shape, likelihood)
