"""Which modules of JavaScript a page needs, so that a browser asks for all of them at once.

Without it a browser learns of a module's imports when the module has come, one depth after another.
"""

import functools
import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "static" / "js"
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.{1,2}/[^"]+\.js)";', re.MULTILINE)


@functools.cache
def needed_by(*names: str) -> tuple[str, ...]:
    """Return the modules that some modules import, directly or through others, and they themselves.

    Args:
        names: files below ``app/static/js``, like ``gallery.js``.

    Returns:
        Names of the same kind, each once, sorted. What is imported late, by ``import()``, is not among them.
    """
    return tuple(sorted(sources(names, source)))


def source(name: str) -> str:
    """Return what a file below ``app/static/js`` holds."""
    return (FOLDER / name).read_text(encoding="utf-8")


def sources(names: Iterable[str], read: Callable[[str], str]) -> dict[str, str]:
    """Return by name what ``needed_by`` names, of modules that `read` gives."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = read(name)
            waiting += [
                posixpath.normpath(posixpath.join(posixpath.dirname(name), address))
                for address in _IMPORT.findall(found[name])
            ]
    return found
