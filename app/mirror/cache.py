"""Where on this machine the versions of stores elsewhere are kept: a folder for each address."""

import contextlib
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.errors import StoreError


def folder_for(address: str, wanted: Path | None = None) -> Path:
    """Return the folder in which the versions of the store at an address are kept, made if it is missing.

    Args:
        address: of the store.
        wanted: the folder for all of them; None: the user's cache folder, else one in the temporary folder.
            These must be this user's alone, as a model file is a program.

    Raises:
        StoreError: no such folder can be written to.
    """
    own = hashlib.sha256(address.encode()).hexdigest()[:16]
    reasons = []
    for parent in [wanted] if wanted is not None else _usual():
        try:
            if wanted is None:
                _make_own(parent)
            folder = parent / own
            folder.mkdir(parents=True, exist_ok=True)
            _require_writable(folder)
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror or error}")
        else:
            return folder
    raise StoreError(
        f"no folder for the models of {address} can be written to ({'; '.join(reasons)}). "
        "Name one by VITRINE_STORE_CACHE."
    )


def _usual() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield Path.home() / ".cache" / "vitrine"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with contextlib.suppress(FileNotFoundError):  # no temporary folder can be written to
        yield Path(tempfile.gettempdir()) / f"vitrine-{user}"


def _make_own(folder: Path) -> None:
    """Have a folder that is closed to others; refuse one that somebody else may have put something into."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(None, "not a folder of its own", str(folder))
    if not hasattr(os, "getuid"):
        return
    if found.st_uid != os.getuid():
        raise PermissionError(None, "belongs to another user", str(folder))
    if found.st_mode & 0o022:
        raise PermissionError(None, "others can write to it", str(folder))
    folder.chmod(0o700)  # an older one may let others read


def _require_writable(folder: Path) -> None:
    probe = folder / f".probe-{secrets.token_hex(4)}"
    probe.touch()
    probe.unlink()
