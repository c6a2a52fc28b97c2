"""Which versions of its models a store ever published: ``published.jsonl``, which outlives their folders.

The format is defined in ``model_store/README.md``. A line that is no record, as an interrupted write leaves
one, is passed over: it hides no other line, and keeps nothing from being served.
"""

import dataclasses
import json
import re
import stat
from pathlib import Path

PUBLISHED = "published.jsonl"
MAX_PUBLISHED_BYTES = 4_194_304  # some thirty thousand versions
MAX_VERSION = 999_999_999

Digests = dict[str, dict[int, tuple[str, ...]]]  # by name and number; of one number the earliest first

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Published:
    """What a store remembers.

    Args:
        digests: what was published.
        warning: what could not be read, in one line; empty if nothing.
    """

    digests: Digests = dataclasses.field(default_factory=dict)
    warning: str = ""

    def of(self, name: str, number: int) -> tuple[str, ...]:
        """Return the digests that were published as version `number` of `name`; none if nothing is known."""
        return self.digests.get(name, {}).get(number, ())


def read(store: Path) -> Published:
    """Return what a store remembers; nothing, and a warning, of a file that cannot be read."""
    path = store / PUBLISHED
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return _unread(path, "no file of its own, as a symbolic link is none")
        if found.st_size > MAX_PUBLISHED_BYTES:
            return _unread(path, f"over {MAX_PUBLISHED_BYTES} bytes")
        content = path.read_bytes()
    except FileNotFoundError:  # a store from before the file
        return Published()
    except OSError as error:
        return _unread(path, error.strerror or str(error))
    return parse(content, path)


def _unread(path: Path, reason: str) -> Published:
    return Published(warning=f"{path}: not read ({reason}), so deleted versions count as unknown")


def parse(content: bytes, path: Path) -> Published:
    """Return what the content of a file says; `path` is named where a line is no record."""
    digests: Digests = {}
    malformed = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            malformed.append(number)
            continue
        model, version, digest = record
        known = digests.setdefault(model, {}).setdefault(version, ())
        if digest not in known:
            digests[model][version] = (*known, digest)
    if not malformed:
        return Published(digests)
    others = f" and {len(malformed) - 1} more" if len(malformed) > 1 else ""
    return Published(digests, f"{path}: line {malformed[0]}{others}: no record of a version, passed over")


def _record(line: bytes) -> tuple[str, int, str] | None:
    """Return model, version and digest of a line; None if it is no record."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    model, version, digest = (found.get(key) for key in ("model", "version", "digest"))
    if not (isinstance(model, str) and _MODEL.fullmatch(model)):
        return None
    if not (type(version) is int and 1 <= version <= MAX_VERSION):
        return None
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        return None
    return model, version, digest
