"""The VampPrior: a prior that is learned with the weights."""

import math

import keras

from training.models import objectives
from training.types import Tensor


class VampPrior(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """p(z) = 1/K sum_k q(z given u_k), with learned pseudo-images u_k; Tomczak & Welling 2018.

    The best prior for given posteriors is their average over the data; this is its cheapest likeness: the
    average over K images that are learned with the weights.

    Args:
        components: K.
        image_shape: (H, W) or (H, W, C).
    """

    def __init__(self, components: int, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.logits = self.add_weight(
            shape=(components, *image_shape), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )

    def pseudo_images(self) -> Tensor:
        """Return u, (K, *image_shape) in (0, 1)."""
        return keras.ops.sigmoid(self.logits)

    def call(self, z: Tensor, z_mean: Tensor, z_log_var: Tensor) -> Tensor:
        """Return log p(z) of codes (B, D), (B,), given the posteriors of the pseudo-images, (K, D) each."""
        log_probs = objectives.log_normal(z[:, None], z_mean, z_log_var)
        return keras.ops.logsumexp(log_probs, axis=1) - math.log(self.logits.shape[0])
