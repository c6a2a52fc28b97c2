"""The folder of a page: what is in it, how large that is, and that it shows the service's levels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app.errors import ModelError
from app.export import codes, levels, litertjs
from app.export.folder import MARK
from app.export.modules import modules
from app.http import exported
from app.http.templates import HERE
from app.models import Model, Models
from app.pictures.encode import encode_png
from app.pictures.grids import grid, to_pixels
from app.runtimes import LITERT_DECODER
from app.runtimes.one_row import one_row_decoder
from app.settings import Settings

DECODER = "model/decoder.tflite"
STATIC = HERE / "static"
STYLES = ("style.css", "gallery.css", "explorer.css", "decoder.css", "icon.svg")


class Source(NamedTuple):
    """What a page is made of; ``app.http.views.Source``."""

    settings: Settings
    models: Models


class Page(NamedTuple):
    """A page to be written."""

    files: dict[str, bytes]  # by their paths
    on_demand: int  # bytes that are loaded when the first picture is computed
    difference: levels.Difference  # from the service

    @property
    def num_bytes(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))


def page_of(source: Source, model: Model, litert: Path) -> Page:
    """Return the page of a model.

    Args:
        source: settings, and the models of the store.
        model: what the page shows.
        litert: folder of LiteRT.js; see ``litertjs.files``.

    Raises:
        ModelError: the version has no flatbuffer, or that differs from the service by more than a level.
        NotInstalled: LiteRT.js is not there.
    """
    version = model.version
    runtime = litertjs.files(litert)
    if not (version.folder / LITERT_DECODER).is_file():
        remedy = "publish it again by vitrine-train"
        raise ModelError(f"{version.reference}: has no flatbuffer for LiteRT: {remedy}")
    decoder = one_row_decoder(version.folder)
    found = levels.difference(model, decoder)
    files = runtime | codes.files(model) | _pictures(model) | {DECODER: decoder} | _static()
    wanted = {
        "litert": f"{litertjs.FOLDER}/{litertjs.MODULE}",
        "loader": f"{litertjs.FOLDER}/{litertjs.LOADER}",
        "wasm": f"{litertjs.FOLDER}/{litertjs.WASM}",
        "model": DECODER,
    }
    streamed = len(files[wanted["wasm"]]) + len(decoder)  # what the bar of the page counts
    names = [codes.name_of(k) for k in range(codes.READY_IMAGES)]
    pages = exported.pages(source, version, wanted, names, streamed)
    files |= {name: text.encode() for name, text in pages.items()}
    files[MARK] = _about(model, found)
    demanded = [*runtime, DECODER, codes.MIXTURE]
    return Page(files, _size(files, demanded), found)


def _size(files: Mapping[str, bytes], names: list[str]) -> int:
    return sum(len(files[name]) for name in names if name in files)


def _pictures(model: Model) -> dict[str, bytes]:
    """Return the gallery's first images as the service draws them."""
    ink = model.manifest.image.ink
    images = to_pixels(model.decode(codes.ready_codes(model)))
    return {codes.name_of(k): encode_png(grid(image[None], 1, ink=ink)) for k, image in enumerate(images)}


def _static() -> dict[str, bytes]:
    """Return stylesheets, the icon and our modules."""
    styles = {f"static/{name}": (STATIC / name).read_bytes() for name in STYLES}
    scripts = modules(STATIC / "js")
    return styles | {f"static/js/{name}": text.encode() for name, text in scripts.items()}


def _about(model: Model, found: levels.Difference) -> bytes:
    """Return what a program can read of the page."""
    about = {
        "model": model.version.pinned,
        "litertjs": litertjs.VERSION,
        "compared": found._asdict(),
    }
    return json.dumps(about, indent=2).encode()
