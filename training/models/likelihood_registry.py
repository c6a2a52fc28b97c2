"""The observation models p(x given z) there are: where each is implemented and what a configuration may set.

One line adds one. Nothing here loads TensorFlow, so that configurations can be checked without it.
"""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:
    from training.models.likelihoods import Likelihood

MIN_VARIANCE = 1 / (2 * math.pi * 255**2)  # narrower, one of 256 levels could have a probability above one


class Entry:
    """One observation model.

    Args:
        where: ``module:class`` under ``training.models.likelihoods``.
        **parameters: what a configuration may set: type and ``pydantic.Field``, as for ``create_model``.
    """

    def __init__(self, where: str, **parameters: tuple[Any, Any]) -> None:
        self.where = where
        self.parameters = parameters


COMPONENTS = (Annotated[int, Field(gt=0)], 1)  # logistics in the mixture of a pixel

REGISTRY = {
    "gaussian": Entry("gaussian:Gaussian", variance=(Annotated[float, Field(ge=MIN_VARIANCE)], ...)),
    "gaussian-shared": Entry("gaussian:GaussianShared"),
    "gaussian-per-pixel": Entry("gaussian:GaussianPerPixel"),
    "bernoulli": Entry("bernoulli:Bernoulli"),
    "continuous-bernoulli": Entry("bernoulli:ContinuousBernoulli"),
    "discretized-logistic": Entry("logistic:DiscretizedLogistic", components=COMPONENTS),
    "autoregressive-logistic": Entry("autoregressive:AutoregressiveLogistic", components=COMPONENTS),
}


def build(name: str, **parameters: Any) -> "Likelihood":
    """Return the observation model called `name`, a key of ``REGISTRY``, with its parameters."""
    from training.models.likelihoods import from_config

    return from_config(name, **parameters)
