"""The folder of a page: what is in it, how large that is, and that it shows the service's levels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app import store
from app.errors import ModelError
from app.export import codes, levels
from app.export.folder import MARK
from app.export.litertjs import LiteRT, installed
from app.export.modules import modules, needed_by
from app.http import exported
from app.http.templates import HERE
from app.mirror import stores
from app.models import Model, Models
from app.pictures.encode import encode_png
from app.pictures.grids import grid, to_pixels
from app.runtimes import LITERT_DECODER, opener
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


def opened(settings: Settings) -> tuple[Source, Model]:
    """Return what a page is made of, and the default model, opened.

    Raises:
        StoreError: there is no store.
        ModelNotFound: it has no such model.
        ModelError: it cannot be opened.
    """
    stored = store.scan(stores.folder_of(settings), trusted=settings.trusted)
    settings = settings.for_store(stored.names)
    models = Models(stored, opener(settings.runtime), settings.inference_threads)
    return Source(settings, models), models.get(models.find(settings.default_model))


def page_of(source: Source, model: Model, vendor: Path = STATIC / "vendor") -> Page:
    """Return the page of a model.

    Args:
        source: settings, and the models of the store.
        model: what the page shows.
        vendor: where LiteRT.js is; see ``litertjs.installed``.

    Raises:
        ModelError: the version has no flatbuffer, or that differs from the service by more than a level.
        NotInstalled: LiteRT.js is not there.
    """
    version = model.version
    litert = installed(vendor)
    if not (version.folder / LITERT_DECODER).is_file():
        remedy = "publish it again by vitrine-train"
        raise ModelError(f"{version.reference}: has no flatbuffer for LiteRT: {remedy}")
    decoder = one_row_decoder(version.folder)
    found = levels.difference(model, decoder)
    files = litert.files | codes.files(model) | _pictures(model) | {DECODER: decoder} | _static()
    wanted = {"litert": litert.module, "loader": litert.loader, "wasm": litert.wasm, "model": DECODER}
    streamed = len(files[litert.wasm]) + len(decoder)  # what the bar of the page counts
    names = [codes.name_of(k) for k in range(codes.READY_IMAGES)]
    pages = exported.pages(source, version, wanted, names, streamed, needed_by)
    files |= {name: text.encode() for name, text in pages.items()}
    files[MARK] = _about(model, litert, found)
    demanded = [*litert.files, DECODER, codes.MIXTURE]
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
    scripts = modules()
    return styles | {f"static/js/{name}": text.encode() for name, text in scripts.items()}


def _about(model: Model, litert: LiteRT, found: levels.Difference) -> bytes:
    """Return what a program can read of the page."""
    about = {
        "model": model.version.pinned,
        "litertjs": litert.version,
        "compared": found._asdict(),
    }
    return json.dumps(about, indent=2).encode()
