"""Pixels and decoder outputs for tests of likelihoods."""

import numpy as np

from training.models.likelihoods.registry import REGISTRY, build

LEVELS = np.arange(256, dtype=np.float32) / 255


def random_parameters(likelihood, count, spread=2.0, seed=0):
    """(count, P): what a network might give, for one pixel each."""
    return (
        np.random.default_rng(seed).normal(size=(count, likelihood.num_parameters), scale=spread).astype("f4")
    )


def over(values, parameters):
    """Pair every value with every pixel's parameters: (values, pixels) and (values, pixels, P)."""
    shape = (len(values), len(parameters))
    return (
        np.broadcast_to(np.float32(values)[:, None], shape),
        np.broadcast_to(parameters[None], (*shape, parameters.shape[-1])),
    )


def uniform(count, *shape, seed=1):
    return np.random.default_rng(seed).uniform(1e-6, 1 - 1e-6, (count, *shape)).astype("f4")


def built(name, variance=0.05, components=2):
    """The likelihood of a name, with those of the parameters that it has."""
    given = {"variance": variance, "components": components, "hidden_units": 5, "block": 1}
    return build(name, **{key: given[key] for key in REGISTRY[name].parameters})
