"""Two models beside each other: which the second is, and what their cards say of both in the same words."""

import contextlib
from collections.abc import Callable
from typing import Any

from app.errors import ModelError
from app.http.cards import manifest_of
from app.http.options import mean_of
from app.service import Service
from app.store import Version

Facts = dict[str, str]


def second_model(service: Service, first: Version, named: str | None) -> Version | None:
    """Return the model that the first is compared with.

    Args:
        service: with the models.
        first: the model of the page.
        named: reference of the second; None: the first other model with images of the same shape.

    Returns:
        None if nobody named one and there is no other.

    Raises:
        ModelNotFound: the one that is named does not exist.
    """
    if named:
        return service.models.find(named)
    for name in service.models.store.versions:
        with contextlib.suppress(ModelError):
            version = service.models.find(name)
            if name != first.name and version.manifest.image.shape == first.manifest.image.shape:
                return version
    return None


def facts_of(version: Version) -> Facts:
    """Return what a version's card says in numbers, by name; what it does not say is left out."""
    manifest, written = version.manifest, manifest_of(version)
    facts = {
        "latent axes": str(manifest.latent_dim),
        "axes that know at least 0.05 nats": str(sum(axis.kl >= 0.05 for axis in manifest.axes)),
        "KL to N(0, I) of all axes, nats": f"{sum(axis.kl for axis in manifest.axes):.1f}",
        "prior p(z)": manifest.prior.name.replace("_", " "),
        **_kl_to_prior(written, manifest.prior.name),
        "likelihood p(x given z)": manifest.likelihood.name.replace("-", " "),
        "a mean shows": mean_of(manifest.likelihood.name),
        "size of its files, MB": f"{sum(file.size for file in manifest.files) / 1e6:.1f}",
    }
    for name, (path, form) in METRICS.items():
        found = _at(written.get("metrics", {}), path)
        if isinstance(found, float | int):
            facts[name] = form(found)
    facts |= _bounds(written)
    return facts


def _three(number: float) -> str:
    return f"{number:.3g}"


METRICS: dict[str, tuple[tuple[str, ...], Callable[[float], str]]] = {
    "mean squared error of reconstructions": (("test", "reconstruction_mse"), "{:.4f}".format),
    "the same of PCA with as many components": (("test", "pca_reconstruction_mse"), "{:.4f}".format),
    "Fréchet distance of means": (("quality", "samples", "mean", "frechet_distance"), _three),
    "Fréchet distance of draws": (("quality", "samples", "draw", "frechet_distance"), _three),
    "Fréchet distance of real images": (("quality", "real", "frechet_distance"), _three),
}


def _at(found: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _kl_to_prior(written: dict[str, Any], prior: str) -> Facts:
    """Return the KL to the model's own prior, which codes are drawn from."""
    measured = _at(written, ("metrics", "gap", "priors", prior)) or {}
    found = _at(measured, ("kl_closed_form",)) or _at(measured, ("kl",))
    return {"KL to this prior, nats": f"{found:.1f}"} if isinstance(found, float | int) else {}


def has_density(version: Version) -> bool:
    """Say whether a model's likelihood is a density, whose bits hold the width of a level."""
    return bool(version.manifest.likelihood.log_level_width)


def _bounds(written: dict[str, Any]) -> Facts:
    """Return the bounds in bits a dimension: densities of other kinds have none."""
    bounds = _at(written, ("metrics", "bounds", "log_p_x")) or []
    return {
        f"L_{each['k']} on test images, bits a dimension": f"{each['bits_per_dim']:.3f}"
        for each in bounds
        if each.get("bits_per_dim") is not None
    }
