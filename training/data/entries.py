"""Every entry below a folder: a file that may be a picture, or left out for a reason.

The rule: nothing below ``--data`` is dropped without a word. Links to folders are followed, each folder is
read once, and nothing around the folder itself is.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.data.names import cut, shown

TOLD = 20  # how many are named to people; the run folder names all
HIDDEN = "hidden"
OF_THE_SYSTEM = "made by the operating system"
NO_PICTURE = "holds no picture that can be used"
# What file managers leave beside pictures; names that begin with a dot are left out as well.
_SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir", "lost+found",
    "system volume information",
}  # fmt: skip

Reasons = dict[Path, str]


def walk(top: Path) -> tuple[list[Path], Reasons]:
    """Return the files below a folder that may be pictures, sorted, and why each other entry is left out."""
    files: list[Path] = []
    left_out: Reasons = {}
    seen: set[tuple[int, int]] = set()
    folders, links = [top], list[Path]()  # links come last: what they lead to may be here as well
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            identity = folder.stat()
            inside = sorted(folder.iterdir())
        except OSError as error:
            left_out[folder] = f"cannot be read ({error.strerror or error})"
            continue
        if (identity.st_dev, identity.st_ino) in seen:
            left_out[folder] = "a link to a folder that is read already"
            continue
        seen.add((identity.st_dev, identity.st_ino))
        if not inside and folder != top:
            left_out[folder] = "empty"
        for path in inside:
            if reason := _refused(path, top):
                left_out[path] = reason
            elif not path.is_dir():
                files.append(path)
            elif path.is_symlink():
                links.append(path)
            else:
                folders.append(path)
    return sorted(files), left_out


def _refused(path: Path, top: Path) -> str:
    """Return why an entry is not even opened, "" if it may be a folder or a picture."""
    if path.name.startswith("."):
        return HIDDEN
    if path.name.lower() in _SYSTEM_NAMES:
        return OF_THE_SYSTEM
    if path.is_symlink() and not path.exists():
        return "a link to nothing"
    mode = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    if not os.access(path, mode):
        return "cannot be read (Permission denied)"
    if path.is_dir():
        around = path.is_symlink() and top.resolve().is_relative_to(path.resolve())
        return "a link to a folder around it" if around else ""
    # To open a pipe waits for whoever writes to it.
    return "" if path.is_file() else "neither a file nor a folder"


def without_pictures(top: Path, used: Iterable[Path], left_out: Iterable[Path]) -> Iterator[Path]:
    """Yield the uppermost folders below `top` in which there are entries and none of them is used."""
    kept = {folder for path in used for folder in path.parents}
    found = {}
    for path in left_out:
        bare = [folder for folder in path.parents if folder not in kept and top in folder.parents]
        found.update(dict.fromkeys(bare[-1:]))
    yield from found


def named(left_out: Reasons, top: Path) -> dict[str, str]:
    """Return reasons by what people read: paths below `top`, a folder's with a slash; the odd ones first."""
    usual = (HIDDEN, OF_THE_SYSTEM)
    ordered = sorted(left_out.items(), key=lambda entry: (entry[1] in usual, entry[0]))
    return {
        shown(path.relative_to(top)) + "/" * (path.is_dir() and path != top): why for path, why in ordered
    }


def told(left_out: dict[str, str]) -> list[str]:
    """Return what is left out in a few lines for people."""
    if not left_out:
        return []
    notes = [f"left out: {len(left_out)} {'entry' if len(left_out) == 1 else 'entries'}"]
    notes += [f"  {cut(name)}: {why}" for name, why in list(left_out.items())[:TOLD]]
    if len(left_out) > TOLD:
        why, count = Counter(left_out.values()).most_common(1)[0]
        more = f"  and {len(left_out) - TOLD} more, which data.json of the run names"
        notes.append(f"{more}; the commonest reason, {count} times: {why}")
    return notes
