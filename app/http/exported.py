"""The views as pages of files: the same templates, with addresses of files in the place of the service's."""

from collections.abc import Callable
from typing import Any

from fastapi import Request

from app.http.navigation import VIEWS_BY_NAME
from app.http.templates import TEMPLATES
from app.http.views import Source, context_of, described, embedded
from app.store import Version

PAGES = {"gallery": "index.html", "explorer": "explorer.html"}
SHORTCUTS = "shortcuts.html"
# LiteRT.js compiles WebAssembly, which is neither inline script nor eval.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def pages(
    source: Source,
    version: Version,
    litert: dict[str, str],
    pictures: list[str],
    num_bytes: int,
    needed_by: Callable[..., tuple[str, ...]],
) -> dict[str, str]:
    """Return the pages by their files' names.

    Args:
        source: settings, and the models of the store.
        version: the model that they show.
        litert: by name, the files that the decoder is loaded from: litert, loader, wasm and model.
        pictures: the files of the gallery's first images.
        num_bytes: of what is loaded with the decoder.
        needed_by: the modules that some modules import, as ``app.http.modules.needed_by`` gives them.
    """
    views = [VIEWS_BY_NAME[name]._replace(path=f"/{page}") for name, page in PAGES.items()]
    told = {"bytes": num_bytes, "megabytes": f"{num_bytes / 1e6:.1f}"}
    exported = {"policy": POLICY, "pictures": pictures, **told}
    data = described(source, version)
    data["models"] = {version.pinned: version.reference}
    data["paths"] = [path for path in data["paths"] if path != "density"]
    data["samples_render"] = "mean"  # draws need the service
    data["exported"] = {"pages": PAGES, **litert}
    common = {"views": views, "up": "./", "exported": exported, "modules_needed_by": needed_by}
    found = {SHORTCUTS: _rendered(SHORTCUTS, f"/{SHORTCUTS}", common | {"version": version})}
    for view in views:
        context: dict[str, Any] = context_of(source, view, version)
        context |= common | {"data": embedded(data)}
        found[view.path[1:]] = _rendered(f"{view.name}.html", view.path, context)
    return found


def _rendered(template: str, path: str, context: dict[str, Any]) -> str:
    """Return a page whose address is `path`."""
    return TEMPLATES.get_template(template).render(request=_plain_request(path), **context)


def _plain_request(path: str) -> Request:
    """Return a request of a page that asks for nothing more."""
    return Request({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []})
