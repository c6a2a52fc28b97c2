"""What a store's versions are: for lists, for one version in full, and by the words that name one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import labels, signing
from app.labels import InvalidLabels, Labels
from app.manifest import Manifest
from app.runtimes import RuntimeUnavailable, choose
from app.store import Store, Version

if TYPE_CHECKING:
    from app.runtimes import Choice

CARD = "card.md"


def runtime_of(folder: Path, choice: "Choice") -> tuple[str | None, str]:
    """Return what would run a version, or None and why nothing can."""
    try:
        return choose(choice, folder), ""
    except RuntimeUnavailable as error:
        return None, str(error)


def labels_of(model: Path) -> tuple[Labels, str]:
    """Return the labels of a model's folder, and in one line why they cannot be used; empty if they can."""
    try:
        return labels.read(model), ""
    except InvalidLabels as error:
        return Labels(), str(error)


def newest_or_named(found: Store, reference: str) -> Version:
    """Return the version that a reference means; a bare name means its newest, whatever labels say.

    Raises:
        ModelNotFound: as ``Store.find``.
        ModelUnavailable: as ``Store.find``.
    """
    versions = found.versions.get(reference)
    return versions[-1] if versions else found.find(reference)


def stable_number(found: Store, name: str, known: Labels) -> int | None:
    """Return the version that a bare name means; None if no version of it can be served."""
    numbers = [version.number for version in found.versions.get(name, ())]
    return known.stable if known.stable in numbers else max(numbers, default=None)


def said_of(number: int, known: Labels) -> list[str]:
    """Return the labels of a version, in words."""
    return [
        *(["stable"] if known.stable == number else []),
        *([f"canary {known.canary_share:.0%}"] if known.canary == number else []),
        *(["previous"] if known.previous[:1] == (number,) else []),
    ]


def entry_of(version: Version, choice: "Choice", known: Labels) -> dict[str, Any]:
    """Return what a list says of a version."""
    runtime, reason = runtime_of(version.folder, choice)
    manifest = version.manifest
    return {
        "model": version.reference,
        "image_shape": manifest.image.shape,
        "latent_dim": manifest.latent_dim,
        "samples_render": manifest.samples_render,
        "digest": manifest.digest,
        "labels": said_of(version.number, known),
        "runtime": runtime,
        "reason": reason or None,  # why nothing can run it
    }


def details_of(version: Version, choice: "Choice", known: Labels) -> dict[str, Any]:
    """Return all that is known of a version without opening it."""
    manifest, folder = version.manifest, version.folder
    card = folder / CARD
    training = json.loads((folder / "manifest.json").read_bytes()).get("training")
    training = training if isinstance(training, dict) else {}
    return entry_of(version, choice, known) | {
        "pinned": version.pinned,
        "folder": str(folder),
        "card": str(card) if card.is_file() else None,
        "ground": manifest.image.ground,
        "likelihood": {"name": manifest.likelihood.name, "parameters": manifest.likelihood.parameters},
        "prior": {"name": manifest.prior.name, "classes": list(manifest.prior.classes)},
        "axes_kl": [round(axis.kl, 4) for axis in manifest.axes],
        "scores": manifest.scores is not None,
        "map": manifest.map is not None,
        "selftest": manifest.selftest is not None,
        "signed_by": signing.signer(folder),
        "examples": len(manifest.examples),
        "data": training.get("data"),
        "weights_sha256": training.get("weights_sha256"),
        "files": len(manifest.files),
        "bytes": sum(file.size for file in manifest.files),
        "bytes_by_part": sizes_by_part(manifest),
    }


def sizes_by_part(manifest: Manifest) -> dict[str, int]:
    """Return the bytes of each folder of a version, and of each file beside them."""
    sizes: dict[str, int] = {}
    for file in manifest.files:
        part = file.path.partition("/")[0]
        sizes[part] = sizes.get(part, 0) + file.size
    return sizes
