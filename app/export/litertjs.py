"""LiteRT.js as ``front-end/install.py`` installs it -> the files of a page."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

CORE, UTILITIES = "@litertjs/core", "@litertjs/wasm-utils"
FOLDER = "litert"
# The build without relaxed SIMD, whose results differ between processors, and without threads, for which a
# host would have to isolate the page.
MODULE, LOADER, WASM = "index.js", "litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm"
REMEDY = "Run make assets in the project's folder."


class NotInstalled(Exception):
    """LiteRT.js is not there as it should be; says how to get it."""


class LiteRT(NamedTuple):
    """What computes in the browser; its files by their paths in the page's folder."""

    version: str
    module: str  # path
    loader: str  # path
    wasm: str  # path
    files: dict[str, bytes]  # with the licences


def installed(vendor: Path) -> LiteRT:
    """Return LiteRT.js out of the folder that ``vendor/MANIFEST.json`` lists.

    Args:
        vendor: app/static/vendor.

    Raises:
        NotInstalled: a file is missing, or not what the manifest says.
    """
    manifest = vendor / "MANIFEST.json"
    try:
        packages = {each["name"]: each for each in json.loads(manifest.read_bytes())["packages"]}
        core, utilities = packages[CORE], packages[UTILITIES]
        files = {}
        for package in (core, utilities):  # side by side, as one imports the other by its address
            for name, digest in package["files"].items():
                path = vendor / package["folder"] / name
                files[f"{FOLDER}/{package['folder']}/{name}"] = content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() != digest:
                    raise NotInstalled(f"{path}: not what {manifest.name} says. {REMEDY}")
    except (OSError, KeyError) as error:
        what = f"{error.filename} is missing" if isinstance(error, OSError) else f"{manifest} has no {error}"
        raise NotInstalled(f"LiteRT.js is not installed: {what}. {REMEDY}") from None
    here = f"{FOLDER}/{core['folder']}"
    return LiteRT(core["version"], f"{here}/{MODULE}", f"{here}/{LOADER}", f"{here}/{WASM}", files)
