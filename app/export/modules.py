"""The JavaScript of a page: our own modules, as the service has them, but for those that ask a service."""

from app.http.modules import source, sources

ENTRIES = ("site.js", "gallery.js", "explorer.js")
OWN = "exported"  # folder of the modules of a page without a service
REPLACED = ("pictures.js", "share.js", "drop.js")  # in whose place one of the same name in OWN stands
WORKER = f"{OWN}/decoder-worker.js"


def modules() -> dict[str, str]:
    """Return by path every module that the entries import, however far."""
    return sources([*ENTRIES, WORKER], _read)


def needed_by(*names: str) -> tuple[str, ...]:
    """Return what ``app.http.modules.needed_by`` does, of the page's modules."""
    return tuple(sorted(sources(names, _read)))


def _read(name: str) -> str:
    return f'export * from "./{OWN}/{name}";\n' if name in REPLACED else source(name)
