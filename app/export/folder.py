"""A folder that is there as a whole or not at all."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

MARK = "vitrine-page.json"  # a folder with it may be replaced


class Refused(Exception):
    """What is at the place may not be replaced; says why, and what to do."""


def check(out: Path, *, force: bool) -> None:
    """Refuse a place that holds something else.

    Args:
        out: where the folder is to be.
        force: an earlier page there may be replaced.

    Raises:
        Refused: it is a file, or a folder that is not empty and no page that may be replaced.
    """
    if not out.parent.is_dir():
        raise Refused(f"{out.parent} is no folder.")
    if not out.exists():
        return
    if not out.is_dir():
        raise Refused(f"{out} is a file. Name a new folder.")
    if not any(out.iterdir()):
        return
    if not (out / MARK).is_file():
        raise Refused(f"{out} is not empty, and no page of ours. Name a new folder.")
    if not force:
        raise Refused(f"{out} holds a page already. Name a new folder, or replace it by --force.")


def write(out: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Write files by their paths below `out`, beside it first, and then put them in its place.

    Raises:
        Refused: see ``check``.
        OSError: it cannot be written; then what was there is as before. So it is after KeyboardInterrupt.
    """
    check(out, force=force)
    foreign = (
        {path.name for path in out.iterdir()} - {name.split("/")[0] for name in files} if out.exists() else ()
    )
    if foreign:
        named = ", ".join(sorted(foreign)[:3])
        raise Refused(f"{out} holds more than a page: {named}. Name a new folder, or move that away.")
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as beside:
        made, before = Path(beside, "made"), Path(beside, "before")
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            if out.exists():
                out.rename(before)
            made.rename(out)
        finally:  # also of Ctrl-C, behind which the folder beside is removed
            if before.exists() and not out.exists():
                before.rename(out)
        shutil.rmtree(before, ignore_errors=True)
