"""What a run was made from: the state of this project, as far as it decides the weights."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
PINNED = PACKAGE.parent / "requirements" / "train.txt"  # only a checkout has it
SUFFIXES = (".py", ".toml")
UNRECORDED: dict[str, Any] = {"recorded": False}  # the state that a run without a record was begun in


def state() -> dict[str, Any]:
    """Return what identifies the sources of training, as they are now.

    Returns:
        ``training_sha256``: of all modules and configurations, see ``digest``. Of a checkout also
        ``requirements_sha256``, of the pinned libraries' file; ``commit``, the whole name that git gives it;
        and ``changed``, whether the training sources or the pins differ from that commit. What cannot be
        found out is left out.
    """
    found: dict[str, Any] = {"training_sha256": digest(PACKAGE)}
    if PINNED.exists():
        found["requirements_sha256"] = _digest_of_text(PINNED)
    return found | _commit(PACKAGE.parent)


def digest(package: Path) -> str:
    """Return one SHA-256 over the modules and configurations of a package.

    It is that of the lines ``<SHA-256 of a file> <its path from the package, with slashes>``, sorted by path.
    Lines end in a line feed, however a checkout wrote them.
    """
    files = {
        path.relative_to(package).as_posix(): _digest_of_text(path)
        for path in package.rglob("*")
        if path.suffix in SUFFIXES
    }
    lines = "".join(f"{sha256} {path}\n" for path, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def remembered(file: Path, goes_on: bool) -> list[dict[str, Any]]:
    """Return the states that a run was made from, the present one last.

    Args:
        file: holds those before, if there were any.
        goes_on: the run has epochs of former sessions. Without any it is made from the present state alone.

    Returns:
        A state as ``state`` gives it for each change of the digests, as it was when the run first met them: a
        commit that changed neither adds none. ``UNRECORDED`` stands first if nobody knows what a run that
        goes on was begun with.
    """
    if not goes_on:
        return [state()]
    try:
        before: list[dict[str, Any]] = json.loads(file.read_text()) or [UNRECORDED]
    except (OSError, ValueError):  # the run is older than this record, or the record is broken
        before = [UNRECORDED]
    now = state()
    return before if _digests(before[-1]) == _digests(now) else [*before, now]


def _digests(state: dict[str, Any]) -> tuple[str | None, str | None]:
    return state.get("training_sha256"), state.get("requirements_sha256")


def _digest_of_text(file: Path) -> str:
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _commit(project: Path) -> dict[str, Any]:
    """Return ``commit`` and ``changed`` of a checkout of this project; nothing, if it is none."""
    # Git's hooks, and people, set GIT_DIR and its like: those name another repository than the folder's.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")
    }

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(project), *arguments]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, check=True, text=True, timeout=30, env=environment
        )
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != project.resolve():
            return {}  # installed into somebody else's repository
        names = [PACKAGE.name, PINNED.relative_to(PACKAGE.parent).as_posix()]
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", *names))}
    except (OSError, subprocess.SubprocessError):
        return {}
