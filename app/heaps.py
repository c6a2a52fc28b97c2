"""How the C library keeps the memory of a process that serves."""

import ctypes

# Words of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

MIB = 1_048_576
# Else every thread has heaps of its own, in which blocks that were freed lie among small ones that stay.
HEAPS = 1
# Larger blocks are mapped, and go back to the system when they are freed. What is set here stays: else glibc
# raises it to the largest block that was ever freed.
MAPPED_FROM = 4 * MIB
KEPT_FREE = 16 * MIB


def bound() -> bool:
    """Let freed memory go back to the system while the service is busy; call it before there are threads.

    Returns:
        Whether the C library can be told so: glibc can.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    words = ((_ARENA_MAX, HEAPS), (_MMAP_THRESHOLD, MAPPED_FROM), (_TRIM_THRESHOLD, KEPT_FREE))
    return all(tuple(tell(word, value) for word, value in words))
