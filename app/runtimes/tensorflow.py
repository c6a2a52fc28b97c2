"""Runs a version's SavedModels by TensorFlow itself."""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported; hides start-up chatter
# oneDNN picks its kernels by the processor, and with them the last bit of a sum. The plain kernels keep a
# seeded picture closer to itself from one machine to the next.
os.environ.update(
    {"TF_ENABLE_ONEDNN_OPTS": "0"}
)  # whatever the platform says: it decides the picture's bytes

import tensorflow as tf

from app.runtimes import Array


class TensorFlowRuntime:
    """The signatures of one version, called directly.

    Args:
        folder: a version's folder, with ``encoder`` and ``decoder``.
        threads: threads that one computation may use; fixed by the first model that a process opens.
    """

    name = "tensorflow"
    rows = None
    scores = True
    widens = False

    def __init__(self, folder: Path, threads: int) -> None:
        _limit_threads(threads)
        self._encoder = tf.saved_model.load(str(folder / "encoder"))  # kept: a signature alone does not
        self._decoder = tf.saved_model.load(str(folder / "decoder"))  # hold its variables alive
        self._encode = self._encoder.signatures["encode"]
        self._decode = self._decoder.signatures["decode"]
        self._draw = self._decoder.signatures["draw"]
        self._parameters = self._decoder.signatures.get("parameters")
        self._log_prob = self._decoder.signatures["log_prob"]

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return z_mean and z_log_var; see ``Runtime``."""
        encoded = self._encode(images=tf.constant(images))
        return encoded["z_mean"].numpy(), encoded["z_log_var"].numpy()

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z); see ``Runtime``."""
        image: Array = self._decode(z=tf.constant(z))["image"].numpy()
        return image

    def decode_wide(self, z: Array, threads: int) -> Array:  # noqa: ARG002  those of the process are fixed
        """Return ``decode``; see ``Runtime``."""
        return self.decode(z)

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z); see ``Runtime``."""
        image: Array = self._draw(z=tf.constant(z), noise=tf.constant(noise))["image"].numpy()
        return image

    def with_parameters(self, z: Array, use: Callable[[Array], Array]) -> Array:
        """Return what `use` makes of what p(x given z) is made of at each pixel; see ``Runtime``."""
        return use(self._parameters(z=tf.constant(z))["parameters"].numpy())

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel; see ``Runtime``."""
        outputs = self._log_prob(z=tf.constant(z), images=tf.constant(images))
        per_pixel: Array = outputs["log_prob_per_pixel"].numpy()
        return per_pixel

    def rest_wide(self) -> None:
        """Do nothing; see ``rest``."""

    def rest(self, ready: bool = False) -> None:
        """Do nothing: TensorFlow keeps what it has loaded; see ``Runtime``."""


def _limit_threads(threads: int) -> None:
    config = tf.config.threading
    if config.get_intra_op_parallelism_threads() == threads:
        return
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow has computed something already; its pools cannot change any more
        return
