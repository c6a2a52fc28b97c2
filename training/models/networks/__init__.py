"""Encoders and decoders, as plain Keras models."""

from types import ModuleType

import keras

from training.configs.sections import Network
from training.models.likelihoods.base import Likelihood
from training.models.networks import conv, dense, residual, spatial

KINDS: dict[str, ModuleType] = {"dense": dense, "conv": conv, "residual": residual, "spatial": spatial}


def build(
    network: Network, image_shape: tuple[int, ...], likelihood: Likelihood, precision: str = "float32"
) -> tuple[keras.Model, keras.Model]:
    """Return the encoder and the decoder that a configuration describes; what they return is float32.

    Args:
        network: the section of a configuration.
        image_shape: (H, W) or (H, W, C).
        likelihood: what the decoder's numbers are for.
        precision: what the layers compute in.

    Raises:
        ConfigError: they cannot be built for images of this shape.
    """
    kind = KINDS[network.kind]
    before = keras.config.dtype_policy()
    if precision != "float32":
        keras.config.set_dtype_policy(f"mixed_{precision}")  # a layer keeps the policy that it began with
    try:
        parts = kind.encoder(network, image_shape), kind.decoder(network, image_shape, likelihood)
    finally:
        keras.config.set_dtype_policy(before)
    encoder, decoder = parts if precision == "float32" else map(_to_float32, parts)
    return encoder, decoder


def _to_float32(network: keras.Model) -> keras.Model:
    outputs = [keras.layers.Identity(dtype="float32")(output) for output in network.outputs]
    return keras.Model(network.input, outputs if len(outputs) > 1 else outputs[0], name=network.name)
