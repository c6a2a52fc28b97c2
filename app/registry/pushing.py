"""Gives a version to another store: a folder, a server that takes PUT, Hugging Face's hub, or objects."""

import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from app import published, signing
from app.registry.objects import Changed, Objects
from app.registry.pointers import POINTER, Listed, Pointer
from app.registry.pulling import Pulled, pull
from app.registry.refusals import Refused, Unreachable
from app.registry.sources import TIMEOUT, Folder, Web, opened
from app.store import MAX_MANIFEST_BYTES, Version, check

NEEDS_HUB = (
    "pushing to hf:// needs huggingface_hub (pip install 'vitrine-vae[hub]'); or upload the version's "
    "folder by the hub's own program: hf upload OWNER/REPO"
)

POINTER_ATTEMPTS = 10  # each that fails is one in which another publisher succeeded


def push(version: Version, store: Path, destination: str) -> Pulled:
    """Give a version to another store, under its own number; labels never go along.

    A folder gets it whole or not at all. An HTTP server gets the manifest last, so that no reader sees a
    version before its files; the hub gets one commit. A store of objects gets the model's pointer last.

    Args:
        version: found right by a scan.
        store: where it is.
        destination: a folder, which is made, ``file://``, ``http(s)://``, ``hf://owner/repo[@revision]``, or
            an address that fsspec knows.

    Raises:
        Refused: the destination has another version of that number, or does not take it.
        Unreachable: it does not answer as it should.
        InvalidVersion: the version has changed since the scan.
    """
    if destination.startswith("hf://"):
        return _push_to_hub(version, destination)
    if destination.startswith(("http://", "https://")):
        return _push_to_web(version, Web(destination), destination)
    if "://" in destination and not destination.startswith("file://"):
        return _push_objects(version, Objects(destination))
    folder = Path(httpx.URL(destination).path if destination.startswith("file://") else destination)
    return pull(Folder(store), version.pinned, folder, max_bytes=2**63)


def _told(version: Version, was_there: bool) -> Pulled:
    size = sum(file.size for file in version.manifest.files)
    return Pulled(version.reference, version.manifest.digest, size, was_there)


def _is_there(version: Version, content: bytes | None, where: str) -> bool:
    """Whether another store has the version already; a Refused if its number is another one's there."""
    if content is None:
        return False
    try:
        found = json.loads(content).get("digest")
    except (ValueError, RecursionError, AttributeError):
        found = None
    if found != version.manifest.digest:
        raise Refused(
            f"{where}: has another {version.reference}, digest {found}; a number is never used again"
        )
    return True


def _paths(version: Version) -> list[str]:
    """Return the files of a version in the order in which a store may get them: the manifest last."""
    signed = [signing.SIGNATURE] if (version.folder / signing.SIGNATURE).is_file() else []
    return [*(file.path for file in version.manifest.files), *signed, "manifest.json"]


def _push_to_web(version: Version, web: Web, url: str) -> Pulled:
    """PUT every file of a version; a redirect is not followed, as it would take the files elsewhere."""
    where = f"{version.name}/{version.number}"
    if _is_there(version, web.read(f"{where}/manifest.json", MAX_MANIFEST_BYTES), web.name):
        return _told(version, was_there=True)
    check(version.folder, version.name)
    with httpx.Client(timeout=TIMEOUT) as client:
        for path in _paths(version):
            address = f"{url.rstrip('/')}/{quote(f'{where}/{path}')}"
            try:
                answer = client.put(address, content=(version.folder / path).read_bytes())
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise Unreachable(f"{web.name}: {path}: {reason}; the manifest was not sent") from None
            if not answer.is_success:
                raise Refused(f"{web.name}: does not take {path}: status {answer.status_code}")
    return _told(version, was_there=False)


def _push_objects(version: Version, objects: Objects) -> Pulled:
    """Write every file of a version, and then the pointer that names it: nobody reads it before."""
    pointer, digest = objects.pointer(version.name), version.manifest.digest
    if pointer is not None and version.number in pointer.digests:
        if pointer.digests[version.number] != digest:
            raise Refused(_taken(objects, version, pointer))
        return _told(version, was_there=True)
    check(version.folder, version.name)
    for path in _paths(version):
        objects.send(f"{version.name}/{version.number}/{path}", version.folder / path)
    path = f"{version.name}/{POINTER}"
    for _ in range(POINTER_ATTEMPTS):
        stamp = objects.stamp(path)  # before it is read: a later one is not what is replaced
        pointer = objects.pointer(version.name)
        if pointer is not None and pointer.digests.get(version.number, digest) != digest:
            raise Refused(_taken(objects, version, pointer))
        if pointer is not None and version.number in pointer.digests:
            return _told(version, was_there=False)
        listed = Listed(version=version.number, digest=digest)
        alone = Pointer(model=version.name, versions=(listed,))
        new = alone if pointer is None else pointer.with_version(version.number, digest)
        with contextlib.suppress(Changed):  # by another publisher, whose version is to stay
            objects.replace(path, new.as_json(), stamp)
    raise Refused(f"{objects.name}: others write {version.name}/{POINTER} at the same time; push again")


def _taken(objects: Objects, version: Version, pointer: Pointer) -> str:
    has = f"another {version.reference}, digest {pointer.digests[version.number]}"
    return f"{objects.name}: has {has}; a number is never used again"


def _push_to_hub(version: Version, destination: str) -> Pulled:
    """Commit a version to a repository of the hub, with its line of ``published.jsonl``."""
    try:
        import huggingface_hub
    except ImportError:
        raise Refused(NEEDS_HUB) from None
    source = opened(destination)
    where = f"{version.name}/{version.number}"
    if _is_there(version, source.read(f"{where}/manifest.json", MAX_MANIFEST_BYTES), destination):
        return _told(version, was_there=True)
    check(version.folder, version.name)
    lines = source.read(published.PUBLISHED, published.MAX_PUBLISHED_BYTES) or b""
    known = published.parse(lines, Path(published.PUBLISHED)).of(version.name, version.number)
    if known and version.manifest.digest not in known:
        raise Refused(f"{destination}: published {version.reference} as digest {' and '.join(known)}")
    line = {"model": version.name, "version": version.number, "digest": version.manifest.digest}
    if not known:
        lines += (b"\n" if lines and not lines.endswith(b"\n") else b"") + json.dumps(line).encode() + b"\n"
    repository, _, revision = destination.removeprefix("hf://").strip("/").partition("@")
    operation: Any = huggingface_hub.CommitOperationAdd
    files = [operation(f"{where}/{path}", str(version.folder / path)) for path in _paths(version)]
    try:
        huggingface_hub.HfApi().create_commit(
            repo_id=repository,
            operations=[*files, operation(published.PUBLISHED, lines)],
            commit_message=f"{version.pinned}",
            revision=revision or None,
        )
    except Exception as error:  # the library's, requests' and the hub's own kinds
        raise Unreachable(f"{destination}: {str(error).strip().splitlines()[0]}") from None
    return _told(version, was_there=False)
