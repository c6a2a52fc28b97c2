"""What requests would import, imported before: it needs a free descriptor, and holds up every request."""

import importlib

from app.pictures import files

# By a library of Starlette's: when something waits for a thread, and when a file is sent.
LATE = ("anyio._backends._asyncio", "anyio._core._fileio")


def import_late(decodes: bool) -> None:
    """Import it; in some hundredths of a second.

    Args:
        decodes: whether uploads are decoded in this process; it else needs what writes pictures alone.
    """
    for name in LATE:
        importlib.import_module(name)
    if decodes:
        files.load_formats()
    else:
        files.load_writers()
