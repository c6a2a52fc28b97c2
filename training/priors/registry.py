"""The priors that there are; one line adds one."""

from pathlib import Path

from training.priors.base import Prior, StandardNormal
from training.priors.mixture import GaussianMixture

KINDS: dict[str, type[Prior]] = {
    kind.name: kind
    for kind in (
        StandardNormal,
        GaussianMixture,
    )
}


def load(name: str, folder: Path, latent_dim: int) -> Prior:
    """Return the prior of this name that a folder holds; see ``Prior.load``.

    Raises:
        KeyError: there is no such kind, or as ``Prior.load``.
    """
    return KINDS[name].load(folder, latent_dim)
