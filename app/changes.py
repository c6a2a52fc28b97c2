"""What of the store changed since it was looked at: by listings and the files' dates, without reading one.

A version that was read and found right is known by its folder and its manifest. Of one that was refused every
file counts: somebody may be copying it into place still.
"""

import dataclasses
import stat
from collections.abc import Collection
from pathlib import Path

from app.errors import StoreError
from app.labels import LABELS
from app.published import PUBLISHED
from app.store import NAME, VERSION, Store, Version, scan

Stamp = tuple[int, ...]  # of a file: what changes when it does


@dataclasses.dataclass(frozen=True)
class Look:
    """The store at one moment; two that are equal show the same store.

    Args:
        versions: by folder, the stamps of what tells a version.
        models: stamps of the models' folders and labels, and of the store's memory.
    """

    versions: dict[Path, tuple[Stamp | None, ...]] = dataclasses.field(default_factory=dict)
    models: dict[Path, tuple[Stamp | None, ...]] = dataclasses.field(default_factory=dict)

    def same(self, before: "Look", path: Path) -> bool:
        """Say whether the version in the folder `path` is as it was in the look `before`."""
        return path in self.versions and self.versions[path] == before.versions.get(path)


def look(store: Path, refused: Collection[str] = ()) -> Look:
    """Return what the store looks like.

    Args:
        store: its folder.
        refused: versions of which every file counts, as ``name/version``.

    Raises:
        OSError: the store cannot be read; a model that cannot be read looks like that instead.
    """
    found = Look(models={store: (_stamp(store / PUBLISHED),)})
    for model in sorted(path for path in store.iterdir() if NAME.fullmatch(path.name) and path.is_dir()):
        found.models[model] = (_stamp(model), _stamp(model / LABELS))
        try:
            paths = [path for path in model.iterdir() if VERSION.fullmatch(path.name)]
        except OSError:
            continue
        for path in paths:
            stamps: tuple[Stamp | None, ...] = (_stamp(path), _stamp(path / "manifest.json"))
            if f"{model.name}/{path.name}" in refused:
                stamps += tuple(_stamp(file) for file in sorted(path.rglob("*")))
            found.versions[path] = stamps
    return found


class StoreReader:
    """Reads a store again when it has changed, and of it only the versions that have.

    Args:
        folder: the store.
        trusted: public keys; see ``app.store.scan``.
    """

    def __init__(self, folder: Path, trusted: frozenset[str] = frozenset()) -> None:
        self.folder = folder
        self._trusted = trusted
        self._seen = Look()  # when it was read last
        self._known: dict[Path, Version] = {}
        self._failed: tuple[Look | None, StoreError] | None = None

    def read(self, refused: Collection[str] = (), again: bool = False) -> Store | None:
        """Return what the store holds, see ``app.store.scan``; None if it has not changed since.

        Args:
            refused: versions that are known and are not served all the same, as ``name/version``.
            again: read it even so, and all that was refused anew.

        Raises:
            StoreError: it cannot be read, or no version in it can be served.
        """
        now = self._look(refused)
        if not again and now is not None:
            if self._failed is not None and self._failed[0] == now:
                raise StoreError(self._failed[1].detail)
            if self._failed is None and now == self._seen:
                return None
        return self._scan(now)

    def scan(self) -> Store:
        """Return what the store holds, see ``app.store.scan``; errors as of ``read``."""
        return self._scan(self._look())

    def _look(self, refused: Collection[str] = ()) -> Look | None:
        try:
            return look(self.folder, refused)
        except OSError:
            return None  # the scan says why

    def _scan(self, now: Look | None) -> Store:
        try:
            found = scan(self.folder, lambda path: self._known_in(path, now), self._trusted)
        except StoreError as error:
            self._failed = now, error
            raise
        self._failed = None
        self._seen = now or Look()
        self._known = {version.folder: version for version in found.all}
        return found

    def _known_in(self, path: Path, now: Look | None) -> Version | None:
        """Return the version that was read of a folder before, if the folder looks as it did then."""
        return self._known.get(path) if now is not None and now.same(self._seen, path) else None


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file does; of a folder what does when it is another one; None: no such."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):  # its dates change with every entry that a reader takes no notice of
        return found.st_dev, found.st_ino, found.st_mode
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
