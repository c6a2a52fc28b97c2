"""The observation models p(x given z) that there are; one line adds one.

Nothing here loads TensorFlow, so that configurations can be checked without it.
"""

import importlib
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

if TYPE_CHECKING:
    from training.models.likelihoods.base import Likelihood

# The narrowest Gaussian whose density at its mean, times the width of a level, is no more than one. Narrower,
# a density over pixels that only take 256 values could be driven beyond every bound.
MIN_VARIANCE = 1 / (2 * math.pi * 255**2)


class Entry(NamedTuple):
    """One observation model."""

    where: str  # ``module:class`` under ``training.models.likelihoods``
    # What its constructor takes: type and default, as for ``pydantic.create_model``.
    parameters: Mapping[str, Any] = MappingProxyType({})


COMPONENTS = {"components": (Annotated[int, Field(gt=0)], 1)}  # logistics in the mixture of a pixel

HIDDEN = {"hidden_units": (Annotated[int, Field(gt=0)], 24)}  # of the network over the pixels before

BLOCK = {"block": (Annotated[int, Field(gt=0)], 1)}  # side of squares of pixels that share their input

REGISTRY = {
    "gaussian": Entry("gaussian:Gaussian", {"variance": (Annotated[float, Field(ge=MIN_VARIANCE)], ...)}),
    "gaussian-shared": Entry("gaussian:GaussianShared"),
    "gaussian-per-pixel": Entry("gaussian:GaussianPerPixel"),
    "bernoulli": Entry("bernoulli:Bernoulli"),
    "continuous-bernoulli": Entry("bernoulli:ContinuousBernoulli"),
    "discretized-logistic": Entry("logistic:DiscretizedLogistic", COMPONENTS),
    "colour-logistic": Entry("colour:ColourLogistic", COMPONENTS),
    "autoregressive-logistic": Entry("autoregressive:AutoregressiveLogistic", COMPONENTS),
    "causal-logistic": Entry("causal:CausalLogistic", COMPONENTS | HIDDEN | BLOCK),
    "causal-colour-logistic": Entry("causal_colour:CausalColourLogistic", COMPONENTS | HIDDEN),
}


def build(name: str, **parameters: Any) -> "Likelihood":
    """Return the observation model called `name`, a key of ``REGISTRY``, with its parameters.

    Raises:
        ValueError: a parameter is out of range.
    """
    module, _, kind = REGISTRY[name].where.partition(":")
    likelihoods = importlib.import_module(f"training.models.likelihoods.{module}")
    found: Likelihood = getattr(likelihoods, kind)(**parameters)
    return found
