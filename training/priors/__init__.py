"""Priors p(z), fitted after training."""

from training.priors.choose import (
    DRAWS_PER_IMAGE,
    PRIOR,
    PRIOR_ARRAYS,
    Choice,
    GaussianMixture,
    Prior,
    StandardNormal,
    choose,
    fit_gaussian_mixture,
    fit_mixture_per_class,
    learned,
    load_fitted,
    posterior_draws,
    posteriors,
    prepare,
    read,
)

__all__ = [
    "DRAWS_PER_IMAGE",
    "PRIOR",
    "PRIOR_ARRAYS",
    "Choice",
    "GaussianMixture",
    "Prior",
    "StandardNormal",
    "choose",
    "fit_gaussian_mixture",
    "fit_mixture_per_class",
    "learned",
    "load_fitted",
    "posterior_draws",
    "posteriors",
    "prepare",
    "read",
]
