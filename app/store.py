"""Reads the model store: ``<name>/<version>/manifest.json`` and the files it lists.

The format is defined in ``model_store/README.md``. A version is served if its manifest is valid, no file is
missing, changed or added, and there is no symbolic link in it. Else the reason is kept.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.errors import ModelNotFound, ModelUnavailable, StoreError
from app.manifest import Manifest

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")
MAX_MANIFEST_BYTES = 4_194_304


@dataclasses.dataclass(frozen=True)
class Version:
    """One version that may be served."""

    name: str
    number: int
    folder: Path
    manifest: Manifest

    @functools.cached_property
    def pinned(self) -> str:
        """``name@version-digest``, with the first 12 digits: what permanent addresses name."""
        return f"{self.reference}-{self.manifest.digest[:12]}"

    @functools.cached_property
    def reference(self) -> str:
        """``name@version``, as requests write it."""
        return f"{self.name}@{self.number}"


class InvalidVersion(Exception):
    """A version's folder is not what its manifest says, or has none."""


@dataclasses.dataclass(frozen=True)
class Store:
    """What a scan of the store found.

    Args:
        versions: by name, names and versions in rising order; no name without a version.
        rejected: ``name/version`` -> why it is not served.
    """

    versions: dict[str, tuple[Version, ...]]
    rejected: dict[str, str]

    @property
    def names(self) -> set[str]:
        """Names of all models, including those of which no version can be served."""
        return self.versions.keys() | {version.partition("/")[0] for version in self.rejected}

    @property
    def all(self) -> list[Version]:
        """Every version, by name and in rising order."""
        return [version for versions in self.versions.values() for version in versions]

    def find(self, reference: str, passed_over: Container[str] = ()) -> Version:
        """Return the version that ``name`` (its newest) or ``name@version`` means.

        Args:
            reference: what a request or a setting says.
            passed_over: references that a bare name does not stand for.

        Raises:
            ModelNotFound: there is none; names those there are.
            ModelUnavailable: there is, and the scan refused it; says why.
        """
        name, _, number = reference.partition("@")
        for version in reversed(self.versions.get(name, ())):
            if reference == version.reference or (not number and version.reference not in passed_over):
                return version
        known = [version.reference for version in self.all if version.reference not in passed_over]
        for path, reason in reversed(self.rejected.items()):
            rejected = path.replace("/", "@")
            if reference in (rejected, path.partition("/")[0]) and reference not in self.versions:
                raise ModelUnavailable.of(rejected, reason, known)
        raise ModelNotFound(reference, known)


def scan(folder: Path) -> Store:
    """Read every version in the store and check every file of it against the manifest's checksums.

    Raises:
        StoreError: there is no such folder, or no version in it can be served.
    """
    versions: dict[str, tuple[Version, ...]] = {}
    rejected: dict[str, str] = {}
    for model in _models(folder):
        if model.is_symlink():
            rejected[model.name] = "a symbolic link; a model must lie in the store itself"
            continue
        found = []
        try:
            paths = [path for path in model.iterdir() if VERSION.fullmatch(path.name)]
        except OSError as error:
            rejected[model.name] = f"cannot be read ({error.strerror or error})"
            continue
        for path in sorted(paths, key=lambda path: int(path.name)):
            try:
                found.append(Version(model.name, int(path.name), path, check(path, model.name)))
            except (InvalidVersion, OSError) as error:
                # File names may hold bytes that are no text, which no JSON answer could carry.
                reason = str(error).encode("ascii", "backslashreplace").decode()
                rejected[f"{model.name}/{path.name}"] = reason
        if found:
            versions[model.name] = tuple(found)
    if not versions:
        reasons = "".join(f" {version}: {reason}." for version, reason in rejected.items())
        raise StoreError(f"{folder}: no model that can be served.{reasons} {_REMEDY}")
    return Store(versions, rejected)


def _models(folder: Path) -> list[Path]:
    """Return the folders of the models in a store, by name."""
    try:
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder. {_REMEDY}")
        return sorted(path for path in folder.iterdir() if path.is_dir() and NAME.fullmatch(path.name))
    except OSError as error:  # a volume, say, that belongs to another user
        raise StoreError(f"{folder}: cannot be read ({error.strerror}). Let who serves read it.") from None


_REMEDY = "Make one with vitrine-train (fit, then export), or name another store by VITRINE_MODEL_STORE."


def check(folder: Path, name: str) -> Manifest:
    """Return the manifest of a version whose every file is as the manifest says, or raise InvalidVersion."""
    content = _read_manifest(folder)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise InvalidVersion(f"manifest.json: {where + ': ' if where else ''}{fault['msg']}") from None
    try:
        json.dumps(manifest.model_dump(), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # no answer could carry it either
        raise InvalidVersion("manifest.json: holds a number that is not finite, or what is no text") from None
    if manifest.name != name:
        raise InvalidVersion(f"manifest.json: name: expected {name}; found {manifest.name}")
    if manifest.digest != digest(content):
        raise InvalidVersion("manifest.json: changed since it was published (digest differs)")
    check_files(folder, manifest)
    return manifest


def digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its ``digest``, as JSON with sorted keys and no spaces."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if folder.is_symlink() or path.is_symlink():
        raise InvalidVersion("a symbolic link; a version must lie in the store itself")
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise InvalidVersion(f"manifest.json: over {MAX_MANIFEST_BYTES} bytes")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidVersion("no manifest.json") from None
    except OSError as error:
        raise InvalidVersion(f"manifest.json: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise InvalidVersion("manifest.json: not valid JSON") from None
    if not isinstance(content, dict):
        raise InvalidVersion("manifest.json: not a JSON object")
    return content


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise InvalidVersion if a file of a version is missing, changed or added.

    What is served was read between two such checks: of the scan, and after the version was opened.
    """
    listed = {file.path: file for file in manifest.files}
    present: set[str] = set()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InvalidVersion(f"{relative}: a symbolic link; a version must lie in the store itself")
        if path.is_file() and relative != "manifest.json":
            present.add(relative)
    for missing in sorted(listed.keys() - present):
        raise InvalidVersion(f"{missing}: missing")
    for added in sorted(present - listed.keys()):
        raise InvalidVersion(f"{added}: not listed in the manifest")
    for relative, file in listed.items():
        try:
            content = (folder / relative).read_bytes()
        except OSError as error:
            raise InvalidVersion(f"{relative}: cannot be read ({error.strerror or error})") from None
        if len(content) != file.size:
            raise InvalidVersion(f"{relative}: {len(content)} bytes, expected {file.size}")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise InvalidVersion(f"{relative}: changed since it was published (SHA-256 differs)")
