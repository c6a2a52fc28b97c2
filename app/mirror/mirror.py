"""Brings the versions of a store elsewhere into a folder that is an ordinary store, each whole or not at all.

What the pointers there name and is not here is downloaded and verified. Labels follow once the version that
they name is here. What a pointer names no more goes when all that it names is here. A fault changes nothing.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from app import labels
from app.labels import LABELS, InvalidLabels, Labels
from app.mirror.backoff import Backoff
from app.registry.locks import changing, fsync
from app.registry.objects import Objects, Tag
from app.registry.pointers import POINTER, Pointer
from app.registry.pulling import MAX_BYTES, pull_digest
from app.registry.refusals import Refused, Unreachable
from app.store import NAME, VERSION, InvalidVersion, check

REMOVING = ".removing-"
WHOLE = ""  # what the faults of the whole store are kept under
RETRY_SECONDS = 2.0  # after a first failure

Key = tuple[str, int, str]  # of a version: name, number, digest


class Mirror:
    """A store elsewhere and the folder that follows it. For one thread at a time.

    Args:
        source: the store elsewhere.
        folder: what follows it.
        max_bytes: of one version; a larger one is refused.
        trusted: public keys of which one must have signed a version; none: it need not be signed.
        backoff: when what failed is tried again.

    Attributes:
        folder: as given.
        name: the address, for people.
        rejected: ``name/version`` -> why it could not be brought here.
        faults: by model, or WHOLE, why it could not be looked at.
        backoff: as given.
    """

    def __init__(
        self,
        source: Objects,
        folder: Path,
        max_bytes: int = MAX_BYTES,
        trusted: frozenset[str] = frozenset(),
        backoff: Backoff | None = None,
    ) -> None:
        self.folder, self.name, self._source = folder, source.name, source
        self._max_bytes, self._trusted = max_bytes, trusted
        self.backoff = backoff or Backoff(RETRY_SECONDS)
        self.rejected: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self._seen: dict[
            str, tuple[Tag | None, ...]
        ] = {}  # by model, tags of when all of it was brought here
        self._right: set[Key] = set()  # versions that this process has verified

    @property
    def warning(self) -> str:
        """What an operator should see to, in one line; empty if nothing."""
        found = [fault for _, fault in sorted(self.faults.items())]
        found += [f"{version}: {reason}" for version, reason in sorted(self.rejected.items())]
        return "; ".join(found)

    @property
    def here(self) -> set[str]:
        """Names of the models of which something is here."""
        models = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
        return {path.name for path in models if any(VERSION.fullmatch(each.name) for each in path.iterdir())}

    def _fault(self, reason: str) -> str:
        return f"{reason}; what is here goes on being served" if self.here else reason

    def names(self) -> list[str]:
        """Return the names of the models there.

        Raises:
            Refused: the store does not answer as it should.
        """
        try:
            found = self._source.models()
        except Refused as error:
            self.faults[WHOLE] = self._fault(str(error))
            self.backoff.failed(WHOLE)
            raise
        self.faults.pop(WHOLE, None)
        self.backoff.succeeded(WHOLE)
        return found

    def update(self, changed: Callable[[], object] = lambda: None) -> None:
        """Bring everything here; faults and rejected say what that met, and what failed waits for its turn.

        Args:
            changed: called after each model of which something has changed here.
        """
        if not self.backoff.is_due(WHOLE):
            return
        try:
            names = self.names()
        except Refused:
            return
        for name in sorted({*names, *self.here}):
            if self.bring(name):
                changed()

    def bring(self, name: str, first: int | None = None, alone: bool = False) -> bool:
        """Bring a model here, and return whether anything has changed here.

        Args:
            name: of the model.
            first: the version that is brought before others; None: what the bare name means.
            alone: bring one version and leave the others for later.
        """
        if not self.backoff.is_due(name):
            return False
        try:
            done = self._bring(name, first, alone)
        except (Refused, InvalidLabels, OSError) as error:
            self.faults[name] = self._fault(_said(error))
            self.backoff.failed(name)
            return False
        self.faults.pop(name, None)
        self.backoff.succeeded(name)
        return done

    def _bring(self, name: str, first: int | None, alone: bool) -> bool:
        tags = self._source.tags(name)
        seen = tags.get(POINTER), tags.get(LABELS)
        if tags.get(POINTER) is not None and seen == self._seen.get(name) and self._is_whole(name):
            return False
        pointer = self._source.pointer(name)
        if pointer is None:
            raise Unreachable(f"{self._source.name}: has no {name}/{POINTER}")
        said = self._labels(name) if LABELS in tags else Labels()
        here: set[int] = set()
        changed = labelled = False
        for number in _order(pointer, first, said):
            if alone and here:
                return changed
            if not labelled and here and (said.stable is None or said.stable in here):
                changed, labelled = self._write_labels(name, said) or changed, True
            took = self._take(name, number, pointer.digests[number])
            changed = changed or bool(took)
            if took is not None:
                here.add(number)
        if said.stable is None or said.stable in here:
            changed = self._write_labels(name, said) or changed
        self._forget(name, set(pointer.digests))
        if len(here) == len(pointer.versions):
            changed = self._discard_others(name, here) or changed
            self._seen[name] = seen
        return changed

    def _is_whole(self, name: str) -> bool:
        """Say whether nobody has removed anything here."""
        model = self.folder / name
        return all((model / str(key[1]) / "manifest.json").is_file() for key in self._right if key[0] == name)

    def _labels(self, name: str) -> Labels:
        content = self._source.read(f"{name}/{LABELS}", labels.MAX_LABELS_BYTES)
        return Labels() if content is None else labels.parse(content, f"{self._source.name}/{name}/{LABELS}")

    def _write_labels(self, name: str, said: Labels) -> bool:
        """Have labels say here what they say there; return whether that is new."""
        model = self.folder / name
        try:
            if labels.read(model) == said:
                return False
        except InvalidLabels:  # somebody's hand; there they are right
            (model / LABELS).unlink()
        labels.write(model, said)
        return True

    def _take(self, name: str, number: int, digest: str) -> bool | None:
        """Have a version here; return whether it has come now, None if it is not here."""
        key, path = (name, number, digest), f"{name}/{number}"
        if self._is_here(key):
            self.rejected.pop(path, None)
            return False
        if not self.backoff.is_due(key):
            return None
        try:
            pull_digest(self._source, f"{name}@{number}", digest, self.folder, self._max_bytes, self._trusted)
        except (Refused, OSError) as error:
            delay = self.backoff.failed(key)
            self.rejected[path] = f"{_said(error)}; tried again in {delay:.0f} s"
            return None
        self.backoff.succeeded(key)
        self.rejected.pop(path, None)
        self._right.add(key)
        return True

    def _is_here(self, key: Key) -> bool:
        """Say whether a version is here as it should be; one that is damaged is discarded."""
        name, number, digest = key
        folder = self.folder / name / str(number)
        if not (folder / "manifest.json").is_file():
            self._right.discard(key)
        if key in self._right:
            return True
        if not folder.is_dir():
            return False
        try:
            if check(folder, name, self._trusted).digest != digest:
                return False  # its number is another version's here: the download is refused with the reason
        except InvalidVersion:
            self._discard(folder)
            return False
        self._right.add(key)
        return True

    def _forget(self, name: str, numbers: set[int]) -> None:
        """Forget the reasons of versions that the pointer names no more."""
        for path in list(self.rejected):
            model, _, number = path.partition("/")
            if model == name and int(number) not in numbers:
                del self.rejected[path]

    def _discard_others(self, name: str, numbers: set[int]) -> bool:
        """Remove the versions that the pointer names no more; return whether there were any."""
        found = [path for path in (self.folder / name).iterdir() if VERSION.fullmatch(path.name)]
        others = [path for path in found if int(path.name) not in numbers]
        self._right = {key for key in self._right if key[0] != name or key[1] in numbers}
        for folder in others:
            self._discard(folder)
        return bool(others)

    def _discard(self, folder: Path) -> None:
        with changing(folder.parent):
            aside = folder.with_name(f"{REMOVING}{folder.name}-{secrets.token_hex(4)}")
            os.rename(folder, aside)  # noqa: PTH104
            fsync(folder.parent)
            for left in folder.parent.glob(f"{REMOVING}*"):
                shutil.rmtree(left, ignore_errors=True)


def _order(pointer: Pointer, first: int | None, said: Labels) -> list[int]:
    """Return the numbers of all versions: first what requests get, then the newest."""
    wanted = [first, said.stable, said.canary, *sorted(pointer.digests, reverse=True)]
    return [number for number in dict.fromkeys(wanted) if number is not None and number in pointer.digests]


def _said(error: Exception) -> str:
    """Return in one line what went wrong."""
    if isinstance(error, OSError):
        return f"{error.filename or 'this machine'}: {error.strerror or error}"
    return str(error)
