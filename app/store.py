"""Reads the model store: ``<name>/<version>/manifest.json`` and the files it lists.

The format is defined in ``model_store/README.md``. A version is served if its manifest is valid, no file is
missing, changed or added, there is no symbolic link in it, its signature holds, its programs have allowed
operations alone and the manifest's shapes, and its number was not published as another version. Else the
reason is kept. Versions that were published and have no folder are known by their digests.
"""

import dataclasses
import functools
import hashlib
import json
import re
import stat
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app import programs, published, signing
from app.errors import ModelGone, ModelNotFound, ModelUnavailable, StoreError
from app.manifest import FORM, File, Manifest, as_written
from app.published import Digests, Published

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")
SHORT_DIGEST = 12  # hex digits of a digest in a reference
REFERENCE = re.compile(
    rf"(?P<name>{NAME.pattern})(@(?P<number>{VERSION.pattern})(-(?P<digest>[0-9a-f]{{{SHORT_DIGEST}}}))?)?"
)
MAX_MANIFEST_BYTES = 4_194_304


@dataclasses.dataclass(frozen=True)
class Version:
    """One version that may be served."""

    name: str
    number: int
    folder: Path
    manifest: Manifest

    @functools.cached_property
    def reference(self) -> str:
        """``name@version``, as requests write it."""
        return f"{self.name}@{self.number}"

    @functools.cached_property
    def pinned(self) -> str:
        """``name@version-digest``, with the digest's first 12 digits: never another version in any store."""
        return pinned(self.name, self.number, self.manifest.digest)


def pinned(name: str, number: int, digest: str) -> str:
    """Return the reference of the version `number` of `name` that has this digest and no other."""
    return f"{name}@{number}-{digest[:SHORT_DIGEST]}"


class InvalidVersion(Exception):
    """A version's folder is not what its manifest says, or has none."""


@dataclasses.dataclass(frozen=True)
class Store:
    """What a scan of the store found.

    Args:
        versions: by name, names and versions in rising order; no name without a version.
        rejected: ``name/version`` -> why it is not served.
        gone: the digests of versions that were published and are not there any more.
        warning: what the store's memory of them lacks, in one line; empty if nothing.
    """

    versions: dict[str, tuple[Version, ...]]
    rejected: dict[str, str]
    gone: Digests = dataclasses.field(default_factory=dict)
    warning: str = ""

    @property
    def names(self) -> set[str]:
        """Names of all models, including those of which no version can be served."""
        return self.versions.keys() | {version.partition("/")[0] for version in self.rejected}

    @property
    def all(self) -> list[Version]:
        """Every version, by name and in rising order."""
        return [version for versions in self.versions.values() for version in versions]

    @property
    def deleted(self) -> dict[str, str]:
        """Pinned reference -> digest, of every version that was published and is not there any more."""
        return {
            pinned(name, number, digest): digest
            for name, numbers in self.gone.items()
            for number, digests in numbers.items()
            for digest in digests
        }

    @functools.cached_property
    def _by_reference(self) -> dict[str, Version]:
        """Every version by ``name@version`` and by its pinned reference: requests look it up."""
        return {reference: each for each in self.all for reference in (each.reference, each.pinned)}

    def find(self, reference: str, passed_over: Container[str] = ()) -> Version:
        """Return the version that ``name`` (its newest), ``name@version`` or ``name@version-digest`` means.

        Args:
            reference: what a request or a setting says.
            passed_over: references, as ``name@version``, that a bare name does not stand for.

        Raises:
            ModelNotFound: there is none; names those there are, or the reference with the right digest.
            ModelGone: there was, and it has been deleted; names its digests.
            ModelUnavailable: there is, and the scan refused it; says why.
        """
        if (named := self._by_reference.get(reference)) is not None:
            return named
        for version in reversed(self.versions.get(reference, ())):
            if version.reference not in passed_over:
                return version
        known = [version.reference for version in self.all if version.reference not in passed_over]
        raise self._refusal(reference, known)

    def _refusal(self, reference: str, known: list[str]) -> ModelNotFound | ModelUnavailable:
        """Return why there is nothing to serve by `reference`, where `known` can be."""
        parts = REFERENCE.fullmatch(reference)
        if parts is None:
            return ModelNotFound(reference, known)
        name, number, digest = parts["name"], parts["number"], parts["digest"]
        rejected = self._rejected(name, number)
        if rejected is not None:
            return ModelUnavailable.of(rejected.replace("/", "@"), self.rejected[rejected], known)
        gone = self.gone.get(name, {})
        if number is None and gone and name not in self.versions:
            number = str(max(gone))
        digests = gone.get(int(number or 0), ())
        if digests and any(each.startswith(digest or "") for each in digests):
            of_name = [each for each in known if each.partition("@")[0] == name]
            said = f"{name}@{number}" if digest is None else reference
            return ModelGone(reference, said, digests, of_name or known)
        if (right := self._by_reference.get(f"{name}@{number}")) is not None:
            remedy = f"Version {number} of {name} has another digest; ask for {right.pinned}."
            return ModelNotFound(reference, [right.pinned], remedy)
        return ModelNotFound(reference, known)

    def _rejected(self, name: str, number: str | None) -> str | None:
        """Return the path by which the scan refused a version, or the newest one of a name without any."""
        if number is not None:
            return next((path for path in (f"{name}/{number}", name) if path in self.rejected), None)
        if name in self.versions:
            return None
        return next((path for path in reversed(self.rejected) if path.partition("/")[0] == name), None)


Known = Callable[[Path], Version | None]


def scan(folder: Path, known: Known = lambda _: None, trusted: frozenset[str] = frozenset()) -> Store:
    """Read every version in the store and check every file of it against the manifest's checksums.

    Args:
        folder: the store.
        known: returns the version in a folder if it was read before and has not changed since; else None.
        trusted: public keys of which one must have signed a version; none: no version need be signed.

    Raises:
        StoreError: there is no such folder, or no version in it can be served.
    """
    found = survey(folder, known, trusted)
    if not found.versions:
        reasons = "".join(f" {version}: {reason}." for version, reason in found.rejected.items())
        raise StoreError(f"{folder}: no model that can be served.{reasons} {_REMEDY}")
    return found


def survey(folder: Path, known: Known = lambda _: None, trusted: frozenset[str] = frozenset()) -> Store:
    """Return what ``scan`` does, of a store without any version that can be served too.

    Raises:
        StoreError: there is no such folder.
    """
    # Before the folders: of a version that is published meanwhile there is a folder, if there is a record.
    remembered = published.read(folder)
    versions: dict[str, tuple[Version, ...]] = {}
    rejected: dict[str, str] = {}
    for model in _models(folder):
        if model.is_symlink():
            rejected[model.name] = "a symbolic link; a model must lie in the store itself"
            continue
        try:
            paths = [path for path in model.iterdir() if VERSION.fullmatch(path.name)]
        except OSError as error:
            rejected[model.name] = f"cannot be read ({error.strerror or error})"
            continue
        found = []
        for path in sorted(paths, key=lambda path: int(path.name)):
            try:
                version = known(path) or _read_version(path, model.name, trusted)
                found.append(_as_published(version, remembered))
            except (InvalidVersion, OSError) as error:
                # File names may hold bytes that are no text, which no JSON answer could carry.
                reason = str(error).encode("ascii", "backslashreplace").decode()
                rejected[f"{model.name}/{path.name}"] = reason
        if found:
            versions[model.name] = tuple(found)
    return Store(versions, rejected, _gone(remembered, versions, rejected), remembered.warning)


def _read_version(path: Path, name: str, trusted: frozenset[str]) -> Version:
    return Version(name, int(path.name), path, check(path, name, trusted))


def _as_published(version: Version, remembered: Published) -> Version:
    """Return a version, or raise InvalidVersion: another was published under its number."""
    recorded = remembered.of(version.name, version.number)
    if recorded and version.manifest.digest not in recorded:
        raise InvalidVersion(
            f"version {version.number} was published as digest {' and '.join(recorded)}, "
            f"not {version.manifest.digest}; a number is never used again"
        )
    return version


def _gone(
    remembered: Published, versions: dict[str, tuple[Version, ...]], rejected: dict[str, str]
) -> Digests:
    """Return the recorded digests of which there is no version, and no rejected folder in its place."""
    served = {version.pinned for found in versions.values() for version in found}
    gone: Digests = {}
    for name, numbers in sorted(remembered.digests.items()):
        for number, recorded in sorted(numbers.items()):
            missing = tuple(digest for digest in recorded if pinned(name, number, digest) not in served)
            if missing and not {name, f"{name}/{number}"} & rejected.keys():
                gone.setdefault(name, {})[number] = missing
    return gone


def _models(folder: Path) -> list[Path]:
    """Return the folders of the models in a store, by name."""
    try:
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder. {_REMEDY}")
        return sorted(path for path in folder.iterdir() if path.is_dir() and NAME.fullmatch(path.name))
    except OSError as error:  # a volume, say, that belongs to another user
        raise StoreError(f"{folder}: cannot be read ({error.strerror}). Let who serves read it.") from None


_REMEDY = "Make one with vitrine-train (fit, then export), or name another store by VITRINE_MODEL_STORE."


def check(folder: Path, name: str, trusted: frozenset[str] = frozenset()) -> Manifest:
    """Return the manifest of a version whose every file is as the manifest says, or raise InvalidVersion."""
    content, written = _read_manifest(folder)
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
    try:
        signing.check(folder, written, trusted)
        check_files(folder, manifest, lambda file, content: programs.check(file, content, manifest))
    except (signing.BadSignature, programs.RefusedProgram) as refusal:
        raise InvalidVersion(str(refusal)) from None
    return manifest


def digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its ``digest``, as JSON with sorted keys and no spaces."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_manifest(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / "manifest.json"
    if folder.is_symlink() or path.is_symlink():
        raise InvalidVersion("a symbolic link; a version must lie in the store itself")
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InvalidVersion("manifest.json: not a file")
        if found.st_size > MAX_MANIFEST_BYTES:
            raise InvalidVersion(f"manifest.json: over {MAX_MANIFEST_BYTES} bytes")
        written = path.read_bytes()
        content = json.loads(written)
        expected = as_written(content)
    except FileNotFoundError:
        raise InvalidVersion("no manifest.json") from None
    except OSError as error:
        raise InvalidVersion(f"manifest.json: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise InvalidVersion("manifest.json: not valid JSON") from None
    if not isinstance(content, dict):
        raise InvalidVersion("manifest.json: not a JSON object")
    if written != expected:
        raise InvalidVersion(f"manifest.json: not in {FORM}")
    return content, written


def check_files(folder: Path, manifest: Manifest, also: Callable[[File, bytes], None] | None = None) -> None:
    """Raise InvalidVersion if a file of a version is missing, changed or added.

    What is served was read between two such checks: of the scan, and after the version was opened. `also` is
    called with every file and its content, which are as the manifest says.
    """
    listed = {file.path: file for file in manifest.files}
    present: set[str] = set()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InvalidVersion(f"{relative}: a symbolic link; a version must lie in the store itself")
        if path.is_dir():
            continue
        if not path.is_file():  # a pipe, say: whoever reads it waits
            raise InvalidVersion(f"{relative}: neither a file nor a folder")
        if relative not in ("manifest.json", signing.SIGNATURE):
            present.add(relative)
    for missing in sorted(listed.keys() - present):
        raise InvalidVersion(f"{missing}: missing")
    for added in sorted(present - listed.keys()):
        raise InvalidVersion(f"{added}: not listed in the manifest")
    for file in listed.values():
        content = read_file(folder, file)
        if also is not None:
            also(file, content)


def read_file(folder: Path, file: File) -> bytes:
    """Return a file of the version in `folder`, or raise InvalidVersion: it is not as the manifest says."""
    try:
        content = (folder / file.path).read_bytes()
    except OSError as error:
        raise InvalidVersion(f"{file.path}: cannot be read ({error.strerror or error})") from None
    if len(content) != file.size:
        raise InvalidVersion(f"{file.path}: {len(content)} bytes, expected {file.size}")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise InvalidVersion(f"{file.path}: changed since it was published (SHA-256 differs)")
    return content
