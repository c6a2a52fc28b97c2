import subprocess
import sys

import pytest

from app import heaps

# What a block between large ones keeps in a heap, with other threads' heaps; and large blocks that are freed.
PROGRAM = """
import ctypes, re, sys, threading
from pathlib import Path
from app import heaps
if {bound}:
    assert heaps.bound()
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def use(size, kept):
    for _ in range(8):
        block = library.malloc(size)
        ctypes.memset(block, 1, size)
        kept.append(library.malloc(3000))
        library.free(block)

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before, kept = resident(), []
for size in (3 << 20, 6 << 20, 12 << 20, 5 << 20):
    threads = [threading.Thread(target=use, args=(size, kept)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
print(resident() - before)
"""


def grown(bound):
    """Megabytes that a process keeps after threads had large blocks and freed them."""
    code = PROGRAM.format(bound=bound)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_blocks_that_threads_freed_are_given_back_at_once():
    assert grown(bound=True) < 24


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heaps.ctypes, "CDLL", lambda _: object())
    assert heaps.bound() is False
