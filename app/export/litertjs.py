"""LiteRT.js as it is installed -> the files of it that a page needs."""

import json
from pathlib import Path

VERSION = "2.5.3"
FOLDER = "litert"
MODULE, LOADER, WASM = "index.js", "litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm"
UTILITIES = "wasm-utils.js"
_BARE = '"@litertjs/wasm-utils"'


class NotInstalled(Exception):
    """LiteRT.js is not where it is looked for; says how to get it."""


def files(folder: Path) -> dict[str, bytes]:
    """Return LiteRT.js by paths in the page's folder: its module, and the WebAssembly without relaxed SIMD.

    The module's import of its own package by name becomes one by address, as a page without an import map
    needs it; all else is as published.

    Args:
        folder: with ``core`` and ``wasm-utils``, the packages of the scope @litertjs as npm installs them.

    Raises:
        NotInstalled: they are not there, or of another version than VERSION.
    """
    core, utilities = folder / "core", folder / "wasm-utils"
    try:
        found = json.loads((core / "package.json").read_text(encoding="utf-8"))["version"]
        module = (core / "dist" / "index.js").read_text(encoding="utf-8")
        loader, wasm = ((core / "wasm" / name).read_bytes() for name in (LOADER, WASM))
        helper = (utilities / "dist" / "index.js").read_bytes()
    except OSError as error:
        raise NotInstalled(
            f"LiteRT.js is not installed: {error.filename} is missing. Install @litertjs/core "
            f"{VERSION} by npm, and name its folder by --litertjs node_modules/@litertjs."
        ) from None
    if found != VERSION:
        raise NotInstalled(f"{core}: expected LiteRT.js {VERSION}. Found: {found}")
    return {
        f"{FOLDER}/{MODULE}": module.replace(_BARE, f'"./{UTILITIES}"').encode(),
        f"{FOLDER}/{UTILITIES}": helper,
        f"{FOLDER}/{LOADER}": loader,
        f"{FOLDER}/{WASM}": wasm,
    }
