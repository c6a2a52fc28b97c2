"""Which versions of its models a store ever published: ``published.jsonl``, which outlives their folders.

The format is defined in ``model_store/README.md``. Lines are only ever added, each whole: one write of a few
hundred bytes to a file that is open for appending does not mix with another process'.
"""

import contextlib
import errno
import json
import logging
import os
import re
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from training.errors import NotWritten
from training.publish.versions import newest
from training.runs import writing

if sys.platform != "win32":
    import fcntl

PUBLISHED = "published.jsonl"
MAX_VERSION = 999_999_999  # nine digits, which is what a reader takes

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


class Record(NamedTuple):
    """One line: a version that was published, and the digest of its manifest."""

    model: str
    version: int
    digest: str


def next_number(model_folder: Path) -> int:
    """Return the number after the highest that the model's folder has or its store remembers.

    Raises:
        NotWritten: what the store remembers cannot be read, or there is no further number.
    """
    last = newest(model_folder)
    numbers = [int(last.name)] if last else []
    path = model_folder.parent / PUBLISHED
    with writing(path), contextlib.suppress(FileNotFoundError):  # a store from before the file
        records, _ = _parse(_content(_open(path, os.O_RDONLY), then_close=True))
        numbers += [record.version for record in records if record.model == model_folder.name]
    number = 1 + max(numbers, default=0)
    if number > MAX_VERSION:
        raise NotWritten(f"{model_folder}: there is no version number after {MAX_VERSION}")
    return number


def remember(store: Path) -> None:
    """Add a line for every version in the store that has none, in one write that is flushed to disk.

    So a version whose publisher was killed before this is recorded by the next one, and so are those of a
    store from before the file. A warning names the lines that are no records.

    Raises:
        NotWritten: the file cannot be written, or not in full.
    """
    path = store / PUBLISHED
    with writing(path):
        descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            _lock(descriptor)
            content = _content(descriptor)
            if not content:
                path.chmod(0o644)  # for every reader, whatever the umask is
            records, malformed = _parse(content)
            if malformed:
                others = f" and {len(malformed) - 1} more" if len(malformed) > 1 else ""
                logger.warning(
                    "%s: line %d%s: no record of a version, passed over", path, malformed[0], others
                )
            known = {(record.model, record.version) for record in records}
            lines = [json.dumps(each._asdict()) + "\n" for each in _present(store) if each[:2] not in known]
            if lines:
                # What a killed process left of a line ends there, so that it takes no other with it.
                begin = "\n" if content and not content.endswith(b"\n") else ""
                _write(descriptor, (begin + "".join(lines)).encode())
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file")
    return descriptor


def _lock(descriptor: int) -> None:
    """Wait until no other process writes: without it a version may be recorded twice, which does no harm."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # the file system has no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _content(descriptor: int, then_close: bool = False) -> bytes:
    with open(descriptor, "rb", closefd=then_close) as file:
        return file.read()


def _write(descriptor: int, lines: bytes) -> None:
    if os.write(descriptor, lines) != len(lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _parse(content: bytes) -> tuple[list[Record], list[int]]:
    """Return the records of a file, and the numbers of the lines that are none."""
    records, malformed = [], []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            found = _record(line)
            if found is None:
                malformed.append(number)
            else:
                records.append(found)
    return records, malformed


def _record(line: bytes) -> Record | None:
    """Return the record of a line; None if it is none."""
    try:
        found = json.loads(line)
        record = Record(*(found[key] for key in Record._fields))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    model, version, digest = record
    names = isinstance(model, str) and _MODEL.fullmatch(model)
    numbered = type(version) is int and 1 <= version <= MAX_VERSION
    return record if names and numbered and isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def _present(store: Path) -> Iterable[Record]:
    """Yield a record of every version that lies in the store, by model and in rising order."""
    for model in sorted(path for path in store.iterdir() if _MODEL.fullmatch(path.name)):
        if model.is_symlink() or not model.is_dir():
            continue
        versions = [path for path in model.iterdir() if _VERSION.fullmatch(path.name)]
        for version in sorted(versions, key=lambda path: int(path.name)):
            try:
                digest = json.loads((version / "manifest.json").read_bytes())["digest"]
            except (OSError, ValueError, RecursionError, KeyError, TypeError):
                continue  # which a reader refuses
            if isinstance(digest, str) and _DIGEST.fullmatch(digest):
                yield Record(model.name, int(version.name), digest)
