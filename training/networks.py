"""Encoders and decoders, as plain Keras models.

B is the batch, D the number of latent axes; images are (B, H, W) float32 in [0, 1].
"""

import math
from collections.abc import Sequence

import keras


def dense_encoder(image_shape: tuple[int, ...], units: Sequence[int], latent_dim: int) -> keras.Model:
    """Build q(z given x): images (B, H, W) -> [z_mean (B, D), z_log_var (B, D)].

    Args:
        image_shape: (H, W).
        units: widths of the hidden ReLU layers.
        latent_dim: D.
    """
    images = keras.Input(image_shape, name="images")
    hidden = keras.layers.Flatten()(images)
    for width in units:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    z_mean = keras.layers.Dense(latent_dim, name="z_mean")(hidden)
    z_log_var = keras.layers.Dense(latent_dim, name="z_log_var")(hidden)
    return keras.Model(images, [z_mean, z_log_var], name="encoder")


def dense_decoder(latent_dim: int, units: Sequence[int], image_shape: tuple[int, ...]) -> keras.Model:
    """Build g(z): z (B, D) -> (B, H, W), the mean of a Gaussian, so linear and not confined to [0, 1].

    Args:
        latent_dim: D.
        units: widths of the hidden ReLU layers.
        image_shape: (H, W).
    """
    z = keras.Input((latent_dim,), name="z")
    hidden = z
    for width in units:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    pixels = keras.layers.Dense(math.prod(image_shape))(hidden)
    return keras.Model(z, keras.layers.Reshape(image_shape)(pixels), name="decoder")
