"""What runs in a decoder's process: it decodes one upload after the other, and can do little else.

It has no threads, no file beside its connection, and of the packages only Pillow and NumPy. Memory beyond
its bound is refused to it, processor time beyond its bound ends it. It ends with the service, and when nobody
needs it.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.decoding import messages
from app.errors import InvalidParameter
from app.pictures import uploads
from app.pictures.files import load_formats
from app.pictures.marks import frames_of

Files = list[tuple[str, bytes]]
Answered = tuple[dict[str, Any], Sequence[npt.NDArray[Any]]]

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_GUESSED_BYTES = 1 << 30  # of address space, where the system does not say how much is taken


class Limits(NamedTuple):
    """The settings that bound an upload."""

    max_upload_pixels: int
    max_upload_side: int


class Bounds(NamedTuple):
    """What a decoder may take.

    Args:
        parent: number of the process that it ends with.
        memory: bytes beside what it has when it starts.
        seconds: of processor time, for one upload.
        idle_seconds: after which it ends if nobody asks.
    """

    parent: int
    memory: int
    seconds: float
    idle_seconds: float


def main(descriptor: int, bounds: Bounds) -> None:
    """Answer what comes over a connection until it ends, or nothing comes for long."""
    connection = socket.socket(fileno=descriptor)
    try:
        _prepare(descriptor, bounds)
    except Exception:
        messages.send(connection, messages.FAILED, {"trace": traceback.format_exc()})
        return
    messages.send(connection, messages.READY, {})
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    # A peer that is gone is no error here: the service has ended, or has given this decoder up.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while waiting.poll(bounds.idle_seconds * 1000):
            asked = messages.receive(connection, sys.maxsize, most_words=sys.maxsize)
            signal.setitimer(signal.ITIMER_PROF, bounds.seconds)
            answer = _answer(asked)
            del asked
            messages.send(connection, *answer)
            signal.setitimer(signal.ITIMER_PROF, 0)


def _prepare(descriptor: int, bounds: Bounds) -> None:
    """Give up what decoding does not need, and end with the service, by whatever it ends."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # sent to all processes of a service
        signal.signal(each, signal.SIG_IGN)
    load_formats()
    if sys.platform == "linux":
        _prepare_on_linux(bounds.parent)
    import resource

    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_AS: _address_space() + bounds.memory,
        resource.RLIMIT_NOFILE: descriptor + 1,
    }
    for limit, most in limits.items():
        highest = resource.getrlimit(limit)[1]
        with contextlib.suppress(ValueError, OSError):  # some systems know a limit and do not take it
            lowest = most if highest == resource.RLIM_INFINITY else min(most, highest)
            resource.setrlimit(limit, (lowest, lowest))


def _prepare_on_linux(parent: int) -> None:
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the first of these
        raise RuntimeError("the service has ended")


def _address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _GUESSED_BYTES


def _answer(asked: messages.Message) -> tuple[int, dict[str, Any], Sequence[memoryview]]:
    """Return what is said to one upload."""
    try:
        words, arrays = _TASKS[asked.words["task"]](_files(asked), asked.words)
        return messages.DONE, words, [np.ascontiguousarray(each).data.cast("B") for each in arrays]
    except InvalidParameter as error:
        faults = [
            [each.parameter, each.expected, each.received, each.remedy, each.code] for each in error.faults
        ]
        return messages.REFUSED, {"error": type(error).__name__, "faults": faults}, ()
    except MemoryError:
        return messages.NO_MEMORY, {}, ()
    except Exception:
        return messages.FAILED, {"trace": traceback.format_exc()[-16_384:]}, ()


def _files(asked: messages.Message) -> Files:
    """Return the files of a message; its content is given up."""
    files, view, start = [], memoryview(asked.content), 0
    for name, size in asked.words["files"]:
        files.append((name, bytes(view[start : start + size])))
        start += size
    view.release()
    asked.content.clear()
    return files


def _read_uploads(files: Files, words: dict[str, Any]) -> Answered:
    shape, limits, given = tuple(words["shape"]), Limits(*words["limits"]), words["given"]
    read = uploads.read_uploads(
        files, shape, given["invert"], limits, given["polarity"], on_white=given["on_white"]
    )
    return {"notes": [each.notes for each in read]}, [each.pixels for each in read]


def _read_seen(files: Files, words: dict[str, Any]) -> Answered:
    return {}, uploads.read_seen(files, tuple(words["shape"]), Limits(*words["limits"]))


def _read_masks(files: Files, words: dict[str, Any]) -> Answered:
    return {}, uploads.read_masks(files, tuple(words["shape"]), Limits(*words["limits"]))


def _read_frames(files: Files, _: dict[str, Any]) -> Answered:
    (name, data), *_rest = files
    frames = frames_of(data, name)
    return {"shape": frames.shape}, [frames]


_TASKS: dict[str, Callable[[Files, dict[str, Any]], Answered]] = {
    "uploads": _read_uploads,
    "seen": _read_seen,
    "masks": _read_masks,
    "frames": _read_frames,
}
