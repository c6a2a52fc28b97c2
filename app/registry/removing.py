"""Deletes a version: whole, and so that the store still knows what its number was."""

import contextlib
import json
import secrets
import shutil
from pathlib import Path
from typing import NamedTuple

from app import labels
from app.registry.catalogue import stable_number
from app.registry.labelling import without
from app.registry.locks import changing, fsync
from app.registry.records import record
from app.registry.refusals import NotAllowed, NotThere, Refused
from app.store import REFERENCE, Store, digest

REMOVING = ".removing-"  # begins the name of the folder of a version that is being deleted


class Removed(NamedTuple):
    """A version that is gone.

    Args:
        model: ``name@version``.
        digest: what the store remembers of it; None if its manifest told none.
        bytes: that its files took.
    """

    model: str
    digest: str | None
    bytes: int


def remove(store: Path, reference: str, found: Store, default: str, force: bool = False) -> Removed:
    """Delete a version that can be served or not; its record in ``published.jsonl`` stays, or is made.

    The folder is renamed out of every reader's sight first. What an earlier removal that was killed left
    behind is deleted too.

    Args:
        store: its folder.
        reference: NAME@VERSION or NAME@VERSION-DIGEST.
        found: what the store holds.
        default: the setting ``default_model``, which a service answers with.
        force: also a version that a label, a bare name or `default` means.

    Raises:
        NotAllowed: `reference` names no version, or `force` is needed.
        NotThere: there is no such folder.
        Refused: it has another digest, or it cannot be deleted.
        InvalidLabels: the model's labels cannot be used.
    """
    parts = REFERENCE.fullmatch(reference)
    if parts is None or parts["number"] is None:
        raise NotAllowed(f"{reference}: name one version, as NAME@VERSION; nothing else is deleted")
    name, number = parts["name"], int(parts["number"])
    model = store / name
    folder = model / str(number)
    if model.is_symlink() or folder.is_symlink() or not folder.is_dir():
        raise NotThere(f"{folder}: no such version; vitrine models lists those that there are")
    with changing(model):
        its_digest = _digest_of(folder)
        if parts["digest"] and not (its_digest or "").startswith(parts["digest"]):
            raise Refused(f"{name}@{number} has the digest {its_digest}, not {parts['digest']}")
        known = labels.read(model)
        if not force:
            _require_unused(name, number, found, default)
        if its_digest is not None:
            with contextlib.suppress(Refused):  # another version's number, so this one was never served
                record(store, name, number, its_digest)
            fsync(store)
        new = without(known, number)
        if new != known:  # first, so that no label ever names what is not there
            labels.write(model, new)
        size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        folder.rename(model / f"{REMOVING}{number}-{secrets.token_hex(4)}")
        fsync(model)
        for left in model.glob(f"{REMOVING}*"):
            shutil.rmtree(left)
        if not any(path.name not in (".lock", labels.LABELS) for path in model.iterdir()):
            _delete_empty(model)
    return Removed(f"{name}@{number}", its_digest, size)


def _require_unused(name: str, number: int, found: Store, default: str) -> None:
    """Refuse to delete what requests without a version, or the default model, mean."""
    model = next((each.folder.parent for each in found.versions.get(name, ())), None)
    if model is None:  # nothing of it is served
        return
    known = labels.read(model)
    reference = f"{name}@{number}"
    remedy = "promote another one first, or say --force"
    if number in (known.stable, known.canary):
        label = "stable" if number == known.stable else "canary"
        raise NotAllowed(f"{reference} is labelled {label}: {remedy}")
    if number == stable_number(found, name, known):
        raise NotAllowed(f"{reference} is what requests for {name} get: {remedy}")
    if default.startswith(f"{reference}-") or default == reference:
        raise NotAllowed(f"{reference} is the default model: set VITRINE_DEFAULT_MODEL, or say --force")


def _digest_of(folder: Path) -> str | None:
    """Return the digest of a version's manifest, if that is the manifest's; None of any other folder."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if isinstance(manifest, dict) and manifest.get("digest") == digest(manifest):
            return str(manifest["digest"])
    return None


def _delete_empty(model: Path) -> None:
    """Delete a model's folder that holds no version any more; its labels name none."""
    for name in (labels.LABELS, ".lock"):
        (model / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody publishes into it just now
        model.rmdir()
