"""Priors p(z): what codes are drawn from, and what the bounds are measured with."""

from training.priors.base import Draws, Prior, StandardNormal
from training.priors.choose import Candidate, PriorReport, learned, prepare, read
from training.priors.mixture import GaussianMixture
from training.priors.registry import KINDS, load

__all__ = [
    "KINDS",
    "Candidate",
    "Draws",
    "GaussianMixture",
    "Prior",
    "PriorReport",
    "StandardNormal",
    "learned",
    "load",
    "prepare",
    "read",
]
