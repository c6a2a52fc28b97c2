import sys
from pathlib import Path

import pytest

from app.runtimes import trim

MEGABYTES = 64


def resident_bytes():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Rss:"))


@pytest.mark.skipif(trim._trim is None, reason="another C library than glibc")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_was_freed_between_what_is_kept_goes_back_to_the_system():
    import ctypes

    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    size = 65_536  # below the size from which the C library gives every block pages of its own
    blocks = [library.malloc(size) for _ in range(MEGABYTES * 16)]
    kept = library.malloc(size)  # at the end of the heap, which therefore cannot shrink
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks:
        library.free(block)
    before = resident_bytes()
    trim.give_back()
    assert before - resident_bytes() > MEGABYTES * 2**20 // 2
    library.free(kept)


def test_a_c_library_without_it_gives_nothing_back(monkeypatch):
    monkeypatch.setattr(trim, "_trim", None)
    trim.give_back()
    monkeypatch.setattr(trim.ctypes, "CDLL", lambda _: object())
    assert trim._trimmer() is None
