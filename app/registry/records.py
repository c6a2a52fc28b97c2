"""Adds lines to ``published.jsonl``, as training does when it publishes; ``app.published`` reads it."""

import contextlib
import errno
import json
import os
import stat
import sys
from pathlib import Path

from app import published
from app.registry.refusals import Refused

if sys.platform != "win32":
    import fcntl


def record(store: Path, name: str, number: int, digest: str) -> None:
    """Have the store remember a version, in one write that is flushed to the disk.

    Nothing is written if it remembers the version already.

    Raises:
        Refused: the store remembers the number as another version's.
        OSError: the file cannot be written, or is none.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(store / published.PUBLISHED, flags, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # the file system has no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if digest in require_free(store, name, number, digest):
            return
        size = os.fstat(descriptor).st_size
        # What a killed process left of a line ends there, so that it takes no other with it.
        begin = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
        line = begin + json.dumps({"model": name, "version": number, "digest": digest}).encode() + b"\n"
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_free(store: Path, name: str, number: int, digest: str) -> tuple[str, ...]:
    """Return the digests that the store remembers of a number, if `digest` may have it.

    Raises:
        Refused: the number was given to another version alone.
    """
    known = published.read(store).of(name, number)
    if known and digest not in known:
        raise Refused(
            f"{name}@{number}: this store published that number as digest {' and '.join(known)}, "
            f"not {digest}; a number is never used again"
        )
    return known
