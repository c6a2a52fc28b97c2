import random

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402

from training.determinism import make_deterministic  # noqa: E402


def drawn():
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    return [random.random(), *np.asarray(layer.kernel).ravel()], layer.name  # noqa: S311


def test_one_seed_repeats_every_generator_and_the_names_of_layers():
    make_deterministic(7)
    first = drawn()
    assert first[0] != drawn()[0]
    make_deterministic(7)
    assert drawn() == first
