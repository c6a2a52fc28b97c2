"""Offline training of variational autoencoders, ending in an export to ``model_store``."""

import os

# Read by TensorFlow and Keras when they are imported. 2: their errors are shown, what they announce is not.
for variable, value in {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}.items():
    os.environ[variable] = os.environ.get(variable) or value  # empty is unset

from training import quiet  # noqa: E402  it reads the level that stands above

quiet.quieten()
