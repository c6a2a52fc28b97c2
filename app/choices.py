"""Which version answers to a model's bare name: by its labels, else the newest that can be served."""

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping

from app import labels
from app.labels import InvalidLabels, Labels
from app.store import Version

NO_LABELS = Labels()


@dataclasses.dataclass
class Choice:
    """What answers to one bare name.

    Args:
        stable: the version that the name means.
        canary: the version that a share of its requests gets; None: there is none.
        share: that share, in [0, 1].
    """

    stable: Version
    canary: Version | None = None
    share: float = 0.0
    _drawn: int = 0

    def draw(self) -> Version:
        """Return the version that the next request gets.

        Of the first N requests the canary gets the share of N, rounded down, in turns that are as even as
        whole numbers can be.
        """
        if self.canary is None:
            return self.stable
        before, self._drawn = self._drawn, self._drawn + 1
        due = math.floor(self._drawn * self.share) > math.floor(before * self.share)
        return self.canary if due else self.stable

    @property
    def versions(self) -> tuple[Version, ...]:
        """Those that requests for the name get."""
        return (self.stable,) if self.canary is None else (self.stable, self.canary)

    def goes_on_from(self, before: "Choice | None") -> "Choice":
        """Return this choice; where requests get the same shares as before, it goes on counting."""
        if before is not None and self.is_alike(before) and self.share == before.share:
            self._drawn = before._drawn
        return self

    def is_alike(self, other: "Choice | None") -> bool:
        """Say whether requests get the same versions by another choice."""
        pinned = [each.pinned for each in self.versions]
        return other is not None and pinned == [each.pinned for each in other.versions]


def choose(
    versions: Iterable[Version], said: Labels, passed_over: Container[str], before: Choice | None = None
) -> Choice | None:
    """Return what answers to the bare name of a model; None: none of its versions can.

    It is the version labelled stable. Where that cannot be served, the one that answered until now goes on;
    else one that was stable before, the latest first, else the newest. Without a label it is the newest.

    Args:
        versions: of the model, in rising order.
        said: its labels.
        passed_over: references, as ``name@version``, of versions that cannot be served.
        before: what answers until now.
    """
    usable = {each.number: each for each in versions if each.reference not in passed_over}
    wanted: list[int | None] = []
    if said.stable is not None:
        wanted = [said.stable, before.stable.number if before else None, *said.previous]
    wanted += reversed(list(usable))
    stable = next((usable[number] for number in wanted if number in usable), None)
    if stable is None:
        return None
    canary = usable.get(said.canary) if said.canary is not None and said.canary_share else None
    made = Choice(stable) if canary is None or canary is stable else Choice(stable, canary, said.canary_share)
    return made.goes_on_from(before)


def read_labels(
    models: Mapping[str, tuple[Version, ...]], known: Mapping[str, Labels]
) -> tuple[dict[str, Labels], dict[str, str]]:
    """Return the labels of models, and by name why some could not be read: of these, what was known.

    Args:
        models: by name, versions of each; in the folder of one its labels are found.
        known: labels until now, by name.
    """
    found: dict[str, Labels] = {}
    faults: dict[str, str] = {}
    for name, versions in models.items():
        try:
            said = labels.read(versions[0].folder.parent)
        except InvalidLabels as fault:
            faults[name] = str(fault).encode("ascii", "backslashreplace").decode()
            said = known.get(name, NO_LABELS)
        numbers = {each.number for each in versions}
        missing = [each for each in (said.stable, said.canary) if each is not None and each not in numbers]
        if missing:
            faults.setdefault(name, f"labels.json names versions that cannot be served: {missing}")
        found[name] = said
    return found, faults
