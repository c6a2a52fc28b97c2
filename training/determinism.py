"""One seed for every source of randomness, and kernels that repeat to the bit."""

import keras
import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Seed every generator that Keras, NumPy and Python use, and forbid kernels that race."""
    keras.backend.clear_session()  # layer names, and with them the order of weights, start afresh
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
