"""What of the store changed since it was looked at: by listings and the files' dates, without reading one.

A version that was read and found right is known by its folder and its manifest. Of one that was refused every
file counts: somebody may be copying it into place still.
"""

import dataclasses
import stat
from collections.abc import Collection
from pathlib import Path

from app.labels import LABELS
from app.published import PUBLISHED
from app.store import NAME, VERSION

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


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file does; of a folder what does when it is another one; None: no such."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):  # its dates change with every entry that a reader takes no notice of
        return found.st_dev, found.st_ino, found.st_mode
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
