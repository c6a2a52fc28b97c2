"""The JavaScript of a page: our own modules, as the service has them, but for those that ask a service."""

import re
from pathlib import Path

ENTRIES = ("site.js", "gallery.js", "explorer.js")
OWN = "exported"  # folder of the modules of a page without a service
REPLACED = ("pictures.js", "share.js", "drop.js")  # in whose place one of the same name in OWN stands
WORKER = f"{OWN}/decoder-worker.js"

_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?["'](\.{1,2}/[^"']+)["'];""", re.MULTILINE)


def modules(folder: Path) -> dict[str, str]:
    """Return by path every module that the entries import, however far.

    Args:
        folder: our modules, app/static/js.
    """
    found: dict[str, str] = {}
    wanted = [*ENTRIES, WORKER]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = (
            f'export * from "./{OWN}/{name}";\n'
            if name in REPLACED
            else (folder / name).read_text(encoding="utf-8")
        )
        here = folder / name
        for address in _IMPORT.findall(found[name]):
            wanted.append((here.parent / address).resolve().relative_to(folder.resolve()).as_posix())
    return found
