"""LiteRT.js as it is installed, but for what is in its files."""

import hashlib
import json
from pathlib import Path

import pytest

FILES = {
    "@litertjs/core": {
        "index.js": b'import "../litertjs-wasm-utils-2.5.3/index.js";',
        "litert_wasm_compat_internal.js": b"loader",
        "litert_wasm_compat_internal.wasm": b"\0asm",
        "LICENSE.txt": b"Apache",
    },
    "@litertjs/wasm-utils": {"index.js": b"export {};", "LICENSE.txt": b"Apache"},
    "openseadragon": {"openseadragon.min.js": b"not of a page"},
}


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "vendor"
    packages = []
    for name, files in FILES.items():
        own = folder / f"{name.removeprefix('@').replace('/', '-')}-2.5.3"
        own.mkdir(parents=True)
        for file, content in files.items():
            (own / file).write_bytes(content)
        digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
        packages.append({"name": name, "version": "2.5.3", "folder": own.name, "files": digests})
    (folder / "MANIFEST.json").write_text(json.dumps({"packages": packages}))
    return folder
