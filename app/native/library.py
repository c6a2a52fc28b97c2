"""The compiled code, if there is some for this machine; see ``build.py``."""

import ctypes
import functools
import hashlib
import logging
import platform
import sys
from pathlib import Path

log = logging.getLogger("vitrine")

FOLDER = Path(__file__).parent


class Task(ctypes.Structure):
    """What ``vitrine_causal_draw`` is to do: ``struct task`` of ``causal.c``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("parameters", "noise", "into", "out", "within", "known")),
        *((name, ctypes.c_void_p) for name in ("images", "squares")),
        *((name, ctypes.c_int32) for name in ("count", "height", "width", "components", "hidden")),
        *((name, ctypes.c_int32) for name in ("block", "given")),
    )


def file_name(system: str = sys.platform, machine: str = platform.machine()) -> str:
    """Return what the file for a machine is called, like ``native-linux-x86_64-1f2e3d4c.so``.

    Its last part is the beginning of the SHA-256 of the sources that it is made of.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()
    return f"native-{system}-{machine}-{digest[:8]}.so"


def sources() -> list[Path]:
    """Return what is compiled, in a certain order."""
    return sorted(FOLDER.glob("*.c"))


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled code; None if there is none that this machine can load."""
    path = FOLDER / file_name()
    try:
        found = ctypes.CDLL(str(path))
        found.vitrine_causal_draw.argtypes = [ctypes.POINTER(Task)]
        found.vitrine_uniform.argtypes = [
            *(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64),
            ctypes.c_void_p,
        ]
        found.vitrine_uniform.restype = None
    except (OSError, AttributeError) as error:
        log.warning("draws are made by NumPy, which takes long: %s; make native compiles it", error)
        return None
    return found
