"""A ``vitrine`` that keeps telling what it holds, for long runs: a line of JSON each so many seconds.

``program`` writes a command that takes the words of ``vitrine``. A service has no such thread, and no such file.
"""

import contextlib
import ctypes
import functools
import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
TYPES = 12  # of objects, those there are most of


class _MallInfo(ctypes.Structure):
    """What glibc says of its memory; see mallinfo2(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def program(folder: Path, out: Path, seconds: float) -> Path:
    """Write such a command into a folder, and return it; it adds its lines to `out`."""
    script = folder / "counted"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(PROJECT)!r})\n"
        f"from tests import counted\ncounted.main({str(out)!r}, {seconds!r})\n"
    )
    script.chmod(0o700)
    return script


def main(out: str, seconds: float) -> None:
    """Run ``vitrine`` with the words of the command line, and write what it holds."""
    threading.Thread(target=_write, args=(Path(out), seconds), name="counted", daemon=True).start()
    from app.cli import cli

    cli(prog_name="vitrine")


def _write(out: Path, seconds: float) -> None:
    while True:
        time.sleep(seconds)
        with out.open("a") as file:
            file.write(json.dumps({"time": time.monotonic()} | held()) + "\n")


def held() -> dict[str, Any]:
    """Return bytes of the C library's memory, the blocks that Python has, caches and objects by their number."""
    objects = gc.get_objects()
    types = Counter(type(each).__name__ for each in objects)
    caches = {
        each.__qualname__: [each.cache_info().currsize, each.cache_info().maxsize]
        for each in objects + list(_of_modules())
        if isinstance(each, functools._lru_cache_wrapper)
    }
    return {
        "megabytes": megabytes(),
        "malloc": malloc(),
        "blocks": sys.getallocatedblocks(),
        "objects": len(objects),
        "types": dict(types.most_common(TYPES)),
        "caches": caches,
        "threads": sorted(each.name for each in threading.enumerate()),
    }


def megabytes() -> dict[str, float]:
    """Return resident megabytes of this process, and of each that it started, by their numbers."""
    found = {}
    pids = [os.getpid()]
    for task in Path("/proc/self/task").glob("*/children"):
        pids += map(int, task.read_text().split())
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found[str(pid)] = next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS:"))
    return found


def _of_modules() -> list[Any]:
    """Return what is kept out of collections, as all modules are when a service has started."""
    return [value for module in list(sys.modules.values()) for value in list(vars(module).values())]


def malloc() -> dict[str, int]:
    """Return bytes in heaps, in use and free there, and in mappings of their own; empty without glibc."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return {}
    library.mallinfo2.restype = _MallInfo
    info = library.mallinfo2()
    return {"heaps": info.arena, "used": info.uordblks, "free": info.fordblks, "mapped": info.hblkhd}
