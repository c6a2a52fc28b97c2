"""Files of other projects that pages load: where they are, if ``front-end/install.py`` installed them."""

import functools
import json
from pathlib import Path
from typing import Any

STATIC = Path(__file__).resolve().parent.parent / "static"


@functools.cache
def installed(static: Path = STATIC) -> dict[str, dict[str, Any]]:
    """Return what ``vendor/MANIFEST.json`` lists below a folder of static files: packages by name."""
    manifest = static / "vendor" / "MANIFEST.json"
    if not manifest.is_file():
        return {}
    packages = json.loads(manifest.read_text(encoding="utf-8"))["packages"]
    return {package["name"]: package for package in packages}


def vendor(name: str, file: str, static: Path = STATIC) -> str | None:
    """Return the address of another project's file, below the service's root.

    Args:
        name: npm's name of the package, like ``openseadragon``.
        file: which file of its folder.
        static: the folder of static files.

    Returns:
        Like ``static/vendor/openseadragon-6.1.1/openseadragon.min.js``; None where nothing is installed.

    Raises:
        LookupError: they are, and have no such file.
    """
    packages = installed(static)
    if not packages:
        return None
    if name not in packages or file not in packages[name]["files"]:
        raise LookupError(f"{name}: no file {file} is served: see front-end/install.py")
    return f"static/vendor/{packages[name]['folder']}/{file}"
