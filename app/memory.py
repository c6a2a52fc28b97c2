"""Memory of a process that starts: what only the start needed is collected, and goes back to the system."""

import contextlib
import gc
from collections.abc import Iterator

from app.runtimes.trim import give_back


@contextlib.contextmanager
def collections_held() -> Iterator[None]:
    """Collect no cycles until ``settle``, or the end: imports leave few, and lose a tenth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Collect once, leave what remains out of later collections, and give free memory back.

    Modules and models remain as long as the process. It takes some hundredths of a second, so it is for a
    thread that may wait. Collections go on after it.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    give_back()
