"""Says which versions of a model serve: promotes one, or goes back to the one before."""

from pathlib import Path

from app import labels
from app.labels import Labels
from app.registry.locks import changing, fsync
from app.registry.refusals import NotAllowed
from app.store import Store, Version


def promote(version: Version, found: Store, canary_share: float | None = None) -> Labels:
    """Make a version the stable one of its model, or its canary; return the labels that hold now.

    Two at once wait for each other: the later one's word counts, and the earlier one's version is previous.

    Args:
        version: which; every file of it was found right.
        found: the scan that it is from.
        canary_share: of the requests for the bare name, in (0, 1]; None: make it stable.

    Raises:
        NotAllowed: the canary would be the stable version itself.
        Refused: labels cannot be written.
        InvalidLabels: those that are there cannot be used.
    """
    model = version.folder.parent
    with changing(model):
        known = labels.read(model)
        if canary_share is None:
            if known.stable is None:  # so that there is a version to go back to
                known = known.model_copy(update={"stable": _newest_before(version, found)})
            new = known.promoted(version.number)
        else:
            new = _with_canary(known, version, found, canary_share)
        labels.write(model, new)
        fsync(model)
        return new


def rollback(model: Path, found: Store) -> Labels:
    """Go back to the version that was stable before, passing over those that are gone; return the labels.

    Raises:
        NotAllowed: there is none to go back to.
        Refused: labels cannot be written.
        InvalidLabels: those that are there cannot be used.
    """
    numbers = {version.number for version in found.versions.get(model.name, ())}
    with changing(model):
        new = labels.read(model).rolled_back()
        while new is not None and new.stable not in numbers:
            new = new.rolled_back()
        if new is None:
            raise NotAllowed(
                f"{model.name}: no version was stable before; name one by vitrine models promote"
            )
        labels.write(model, new)
        fsync(model)
        return new


def without(known: Labels, number: int) -> Labels:
    """Return labels that do not name a version any more; if it was stable, the one before is."""
    previous = tuple(each for each in known.previous if each != number)
    stable = known.stable
    if stable == number:
        stable, previous = (previous[0], previous[1:]) if previous else (None, ())
    keeps_canary = known.canary not in (number, None, stable)
    return Labels(
        stable=stable,
        canary=known.canary if keeps_canary else None,
        canary_share=known.canary_share if keeps_canary else 0,
        previous=previous,
    )


def _with_canary(known: Labels, version: Version, found: Store, share: float) -> Labels:
    """Return labels with a canary; the version that serves now is named stable, as a new one would be it."""
    stable = known.stable if known.stable is not None else _newest_before(version, found)
    if stable in (None, version.number):
        raise NotAllowed(
            f"{version.reference} is the only or the stable version of its model; a canary is another one"
        )
    return Labels.model_validate(
        known.model_dump() | {"stable": stable, "canary": version.number, "canary_share": share}
    )


def _newest_before(version: Version, found: Store) -> int | None:
    """Return the newest other version of the same model that can be served."""
    numbers = [each.number for each in found.versions.get(version.name, ())]
    return max((number for number in numbers if number != version.number), default=None)
