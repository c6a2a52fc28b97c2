"""Takes a version from another store into this one: every file verified, the whole or nothing."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from app import published, signing
from app.manifest import File, Manifest
from app.registry.locks import changing, fsync
from app.registry.objects import Objects
from app.registry.records import record, require_free
from app.registry.refusals import NotAllowed, NotThere, Refused
from app.registry.sources import Source
from app.store import MAX_MANIFEST_BYTES, NAME, REFERENCE, InvalidVersion, check, digest

PULLING = ".pulling-"  # begins the name of the folder that a version is downloaded into
PARTS = ".parts"  # in it: what has arrived of each file, by its SHA-256
MAX_BYTES = 4_294_967_296  # of one version, unless another limit is asked for
MAX_FILES = 10_000
MAX_SIGNATURE_BYTES = 1_024
# A part of a path: nothing hidden, nothing that a file system or a shell takes for something else.
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+=, -]{0,254}")


class Pulled(NamedTuple):
    """A version that is here now.

    Args:
        model: ``name@version``.
        digest: of its manifest.
        bytes: of its files.
        was_there: whether it was here before.
    """

    model: str
    digest: str
    bytes: int
    was_there: bool


class Wanted(NamedTuple):
    """A version of another store.

    Args:
        name: of the model.
        number: of the version.
        content: of its manifest.
        manifest: the same, read.
    """

    name: str
    number: int
    content: bytes
    manifest: Manifest

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.manifest.files)


def pull(
    source: Source,
    reference: str | None,
    store: Path,
    max_bytes: int = MAX_BYTES,
    trusted: frozenset[str] = frozenset(),
) -> Pulled:
    """Publish a version of another store here, under its own number.

    It is downloaded to a hidden folder, verified as a start of the service verifies, flushed to the disk and
    renamed. What has arrived when a pull is broken off is used by the next one. Labels are not taken.

    Args:
        source: the other store.
        reference: NAME@VERSION, NAME@VERSION-DIGEST, or NAME, its newest; None: the only model that it has.
        store: this one; made if it is missing.
        max_bytes: of the version.
        trusted: public keys of which one must have signed it; none: it need not be signed.

    Raises:
        NotAllowed: `reference` names no version.
        Unreachable: the other store does not answer as it should.
        Refused: the version is not there, does not verify, is too large, or its number is another one's here.
    """
    return _pulled(source, _wanted(source, reference), store, max_bytes, trusted)


def pull_digest(
    source: Source, version: str, digest: str, store: Path, max_bytes: int, trusted: frozenset[str]
) -> Pulled:
    """Publish the version ``NAME@VERSION`` of another store here, if it has this digest; see ``pull``."""
    name, _, number = version.partition("@")
    wanted = _read_manifest(source, name, int(number))
    if wanted is None:
        raise Refused(f"{source.name}: has no {version}, though it says so")
    if wanted.manifest.digest != digest:
        raise Refused(f"{source.name}: {version} has the digest {wanted.manifest.digest}, not {digest}")
    return _pulled(source, wanted, store, max_bytes, trusted)


def _pulled(source: Source, wanted: Wanted, store: Path, max_bytes: int, trusted: frozenset[str]) -> Pulled:
    if wanted.size > max_bytes:
        raise Refused(
            f"{wanted.name}@{wanted.number}: has {wanted.size} bytes, over {max_bytes}; "
            "see --max-bytes or VITRINE_STORE_MAX_BYTES"
        )
    was_there = _publish(source, wanted, store, trusted)
    return Pulled(f"{wanted.name}@{wanted.number}", wanted.manifest.digest, wanted.size, was_there)


def _publish(source: Source, wanted: Wanted, store: Path, trusted: frozenset[str]) -> bool:
    """Have the version here and recorded; return whether it was here before."""
    model, digest_there = store / wanted.name, wanted.manifest.digest
    try:
        model.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{model}: cannot be written ({error.strerror or error})") from None
    with changing(model):
        require_free(store, wanted.name, wanted.number, digest_there)
        folder, staging = model / str(wanted.number), model / f"{PULLING}{wanted.number}-{digest_there[:12]}"
        was_there = folder.exists()
        if was_there:
            _require_same(folder, wanted, trusted)
        else:
            _download(source, wanted, staging, trusted)
            staging.rename(folder)
            fsync(model)
        try:
            record(store, wanted.name, wanted.number, digest_there)
        except OSError:  # its number would not be safe from another version
            if not was_there:
                folder.rename(staging)
            raise
        fsync(store)
    return was_there


def _wanted(source: Source, reference: str | None) -> Wanted:
    """Return the version that a reference means in another store."""
    parts = REFERENCE.fullmatch(reference) if reference is not None else None
    if reference is not None and parts is None:
        raise NotAllowed(f"{reference}: expected NAME, NAME@VERSION or NAME@VERSION-DIGEST")
    name, number = (parts["name"], parts["number"]) if parts else (None, None)
    if number is not None and name is not None:
        found = _read_manifest(source, name, int(number))
        if found is None:
            raise NotThere(f"{source.name}: has no {name}@{number}")
        if parts is not None and parts["digest"] and not found.manifest.digest.startswith(parts["digest"]):
            raise Refused(f"{source.name}: its {name}@{number} has the digest {found.manifest.digest}")
        return found
    known = _published_by(source)
    names = [name] if name is not None else sorted(known)
    if len(names) != 1:
        raise NotAllowed(
            f"{source.name}: has the models {', '.join(names)}; name one" if names else _unlisted(source)
        )
    for each in sorted(known.get(names[0], {}), reverse=True):
        if (found := _read_manifest(source, names[0], each)) is not None:
            return found
    raise NotThere(
        f"{source.name}: has no version of {names[0]} that {published.PUBLISHED} names; say which number"
    )


def _unlisted(source: Source) -> str:
    return f"{source.name}: has no {published.PUBLISHED} that names its versions; say which, as NAME@VERSION"


def _published_by(source: Source) -> published.Digests:
    """Return the versions that another store says it published."""
    if isinstance(source, Objects):
        pointers = {name: source.pointer(name) for name in source.models()}
        return {
            name: {number: (its,) for number, its in pointer.digests.items()}
            for name, pointer in pointers.items()
            if pointer is not None
        }
    content = source.read(published.PUBLISHED, published.MAX_PUBLISHED_BYTES)
    return published.parse(content or b"", Path(published.PUBLISHED)).digests


def _read_manifest(source: Source, name: str, number: int) -> Wanted | None:
    """Return a version of another store by its manifest, which agrees with itself; None if it has none."""
    where = f"{name}/{number}/manifest.json"
    content = source.read(where, MAX_MANIFEST_BYTES)
    if content is None:
        return None
    try:
        told = json.loads(content)
        manifest = Manifest.model_validate(told)
        right = manifest.name == name and NAME.fullmatch(name) and manifest.digest == digest(told)
    except (ValueError, RecursionError, ValidationError, AttributeError) as error:
        raise Refused(f"{source.name}/{where}: no manifest ({str(error).splitlines()[0]})") from None
    if not right:
        raise Refused(f"{source.name}/{where}: its name or its digest is not what it should be")
    _require_safe(f"{source.name}/{where}", manifest.files)
    return Wanted(name, number, content, manifest)


def _require_safe(where: str, files: tuple[File, ...]) -> None:
    """Refuse a manifest whose paths lead out of the version's folder, or over each other."""
    if len(files) > MAX_FILES:
        raise Refused(f"{where}: names over {MAX_FILES} files")
    folded = [file.path.casefold() for file in files]
    for file in files:
        safe = all(PART.fullmatch(part) and not part.endswith((" ", ".")) for part in file.path.split("/"))
        if not safe or file.path in ("manifest.json", signing.SIGNATURE) or file.size < 0:
            raise Refused(f"{where}: names the file {file.path!r}, which no version may have")
        if any(other.startswith(f"{file.path.casefold()}/") for other in folded):
            raise Refused(f"{where}: {file.path} is a file and a folder")
    if len(set(folded)) < len(folded):
        raise Refused(f"{where}: names a file twice")


def _require_same(folder: Path, wanted: Wanted, trusted: frozenset[str]) -> None:
    """Refuse to go on unless the version is here already, as it is there."""
    try:
        here = check(folder, wanted.name, trusted)
    except InvalidVersion as error:
        raise Refused(f"{folder}: does not verify ({error}); vitrine models remove it first") from None
    if here.digest != wanted.manifest.digest:
        raise Refused(f"{folder}: is another version, digest {here.digest}, not {wanted.manifest.digest}")


def _download(source: Source, wanted: Wanted, staging: Path, trusted: frozenset[str]) -> None:
    """Download a version, verify it and flush it to the disk; what is right of an earlier attempt is kept."""
    parts, where = staging / PARTS, f"{wanted.name}/{wanted.number}"
    parts.mkdir(parents=True, exist_ok=True)
    try:
        for file in wanted.manifest.files:
            _download_file(source, f"{where}/{file.path}", file, staging)
        signature = source.read(f"{where}/{signing.SIGNATURE}", MAX_SIGNATURE_BYTES)
        if signature is not None:
            (staging / signing.SIGNATURE).write_bytes(signature)
        shutil.rmtree(parts)
        (staging / "manifest.json").write_bytes(wanted.content)
        check(staging, wanted.name, trusted)
        for path in (*staging.rglob("*"), staging):
            path.chmod(0o755 if path.is_dir() else 0o644)  # for every reader, whatever the umask is
            fsync(path)
    except InvalidVersion as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise Refused(f"{source.name}: {wanted.name}@{wanted.number} does not verify ({error})") from None
    except OSError:  # a full disk, say, which is not to stay full
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _download_file(source: Source, path: str, file: File, staging: Path) -> None:
    """Download a file; one that was resumed and is wrong is asked for once more as a whole."""
    target = staging / file.path
    if _is(target, file):
        return
    part = staging / PARTS / file.sha256
    for resumed in (part.exists(), False):
        source.fetch(path, part, file.size)
        if not part.exists():
            part.touch()  # a file without a byte
        if _is(part, file):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)  # noqa: PTH105
            return
        size = part.stat().st_size
        part.unlink()
        if not resumed:
            what = f"{size} bytes, expected {file.size}" if size != file.size else "its SHA-256 differs"
            raise Refused(f"{source.name}/{path}: not what the manifest says ({what}); nothing was published")


def _is(path: Path, file: File) -> bool:
    """Whether a file is what the manifest says."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
