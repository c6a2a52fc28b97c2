"""Which versions of a model a store has."""

import os
from pathlib import Path


def newest(model_folder: Path) -> Path | None:
    """Return the version with the highest number; None if there is none, or no such folder."""
    versions = [path for path in model_folder.glob("*") if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name), default=None)


def named(reference: str, store: Path) -> Path | None:
    """Return the folder that a path, NAME@VERSION or NAME, the newest, means; None if there is none."""
    if os.path.exists(reference):  # noqa: PTH110  False where a path cannot be read
        return Path(reference)
    name, _, number = reference.partition("@")
    version = store / name / number if number.isdecimal() else newest(store / name) if not number else None
    return version if version is not None and (version / "manifest.json").is_file() else None


def standing_in_for(run: Path) -> Path | None:
    """Return the newest published version of the name of a run, if nothing is at that path; else None.

    A card that says runs/NAME was written where that run was; whoever has the published versions alone has no
    such folder.
    """
    if os.path.exists(run):  # noqa: PTH110  False where a path cannot be read
        return None
    return newest(Path("model_store", run.name))
