"""Averages of the weights, which stand for them in validation and in the result."""

import contextlib
from collections.abc import Iterator

import keras

from training.models.vae import VariationalAutoencoder

Logs = dict[str, float] | None


@contextlib.contextmanager
def averaged_weights(vae: VariationalAutoencoder) -> Iterator[None]:
    """Put the optimizer's averages, where it keeps them, in the place of the weights; to the bit and back."""
    if not vae.optimizer.use_ema:
        yield
        return
    pairs = list(
        zip(vae.optimizer._trainable_variables, vae.optimizer._model_variables_moving_average, strict=True)
    )
    raw = [keras.ops.convert_to_numpy(variable) for variable, _ in pairs]
    for variable, average in pairs:
        variable.assign(average)
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, raw, strict=True):
            variable.assign(value)


class ValidateAveraged(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Makes validation measure the averaged weights.

    Keras' own ``SwapEMAWeights`` swaps by additions, whose rounding would change both sets of weights.
    """

    def on_test_begin(self, logs: Logs = None) -> None:  # noqa: ARG002  Keras' signature
        """Put the averages in."""
        self._swapped = contextlib.ExitStack()
        self._swapped.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: Logs = None) -> None:  # noqa: ARG002
        """Put the weights back."""
        self._swapped.close()
