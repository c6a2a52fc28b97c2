"""Files in which processes count together; they grow only where the disk has space.

They are mapped into memory. A page for which the disk has no space ends the process that writes to it, by
SIGBUS. So space is reserved before a file grows.
"""

import os

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

SPARE_BYTES = 16  # a value and its time, at the end of every file: where values without space are written to


class CounterFile(MmapedDict):
    """The library's file, but that what has no space in it is not told, and harms nobody."""

    def _init_value(self, key: str) -> None:
        """Give a value its place, at 0; the caller holds the lock."""
        size = len(key.encode()) + 32  # at most, with length, padding, value and time
        if self._used + size + SPARE_BYTES > self._capacity and not _reserve(
            self._f.fileno(), max(2 * self._capacity, self._used + size + SPARE_BYTES)
        ):
            self._positions[key] = self._capacity - SPARE_BYTES  # behind the values that are read
            return
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _reserve(descriptor: int, size: int) -> bool:
    """Have the disk keep space for a file, and say whether it does."""
    if not hasattr(os, "posix_fallocate"):  # not on this system
        return True
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        return False
    return True


def grow_only_with_space() -> None:
    """Have the library's counters of several processes use files of this kind."""
    values.MmapedDict = CounterFile  # type: ignore[attr-defined]
