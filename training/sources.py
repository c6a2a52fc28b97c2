"""What a run was made from: the state of this project, as far as it decides the weights."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
PINNED = PACKAGE.parent / "requirements" / "train.txt"  # only a checkout has it
SUFFIXES = (".py", ".toml")


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
        found["requirements_sha256"] = hashlib.sha256(PINNED.read_bytes()).hexdigest()
    return found | _commit(PACKAGE.parent)


def digest(package: Path) -> str:
    """Return one SHA-256 over the modules and configurations of a package.

    It is that of the lines ``<SHA-256 of a file> <its path from the package, with slashes>``, sorted by path.
    """
    files = {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*")
        if path.suffix in SUFFIXES
    }
    lines = "".join(f"{sha256} {path}\n" for path, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def remembered(file: Path, resume: bool) -> list[dict[str, Any]]:
    """Return the states that a run was made from, the present one last; those before are what `file` holds.

    A run that goes on with the same sources has one.
    """
    try:
        before = json.loads(file.read_text()) if resume else []
    except (OSError, ValueError):  # the run is older than this record
        before = []
    now = state()
    return before if before and before[-1] == now else [*before, now]


def _commit(project: Path) -> dict[str, Any]:
    """Return ``commit`` and ``changed`` of a checkout of this project; nothing, if it is none."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(project), *arguments]
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=30)  # noqa: S603
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != project.resolve():
            return {}  # installed into somebody else's repository
        names = [PACKAGE.name, PINNED.relative_to(PACKAGE.parent).as_posix()]
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", *names))}
    except (OSError, subprocess.SubprocessError):
        return {}
