import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from training.fitting.optimizers import Nadam  # noqa: E402


@pytest.mark.parametrize("average", [{}, {"use_ema": True, "ema_momentum": 0.9}])
def test_nadam_moves_weights_as_keras_does(average):
    noise = np.random.default_rng(0)
    start = noise.normal(size=(7, 5)).astype(np.float32)
    gradients = noise.normal(size=(60, 7, 5)).astype(np.float32)
    gradients *= np.array([1e-6, 1e-3, 1, 10, 100], np.float32)
    found = []
    for kind in (keras.optimizers.Nadam, Nadam):
        optimizer, weight = kind(0.003, **average), keras.Variable(start)
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient, tf.float32)], [weight])
        found.append((weight.numpy(), [np.asarray(each) for each in optimizer.variables]))
    (theirs, their_state), (ours, our_state) = found
    # 60 moves of at most 0.003, in directions that change. One rounding of a weight of size one is 1e-7, at every step.
    assert np.median(np.abs(theirs - start)) > 0.01
    np.testing.assert_allclose(ours, theirs, atol=3e-6)
    for ours, theirs in zip(our_state, their_state, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=3e-6)


def test_nadam_is_configured_and_stored_as_keras_one_is():
    ours, theirs = (kind(0.01, beta_1=0.8, name="nadam") for kind in (Nadam, keras.optimizers.Nadam))
    assert ours.get_config() == theirs.get_config()
    variables = [keras.Variable(np.zeros((2, 3), np.float32))]
    ours.build(variables)
    theirs.build(variables)
    assert [v.shape for v in ours.variables] == [v.shape for v in theirs.variables]
