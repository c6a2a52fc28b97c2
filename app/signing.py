"""Who made a version: an ed25519 signature of its manifest, which has the checksum of every other file.

``manifest.sig`` is one line: ``ed25519``, the public key, the signature, and a checksum of these and the
manifest, in hexadecimal digits. The checksum needs no library: a file that is damaged, or of another
manifest, is found out wherever it is read. Whether the key made the signature is known only where the package
``cryptography`` is installed.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "manifest.sig"
MAX_KEYS_BYTES = 65_536
INSTALL = "the package cryptography, which is not installed: pip install 'vitrine-vae[signing]'"

_KEY = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(
    rb"(?P<signed>ed25519 (?P<key>[0-9a-f]{64}) (?P<signature>[0-9a-f]{128})) (?P<sum>[0-9a-f]{64})\n"
)
_PURPOSE = b"vitrine manifest 1\n"  # so that a signature of something else is none of a manifest


class BadSignature(Exception):
    """A version has no signature that counts; says why.

    Args:
        reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{SIGNATURE}: {reason}")


class SigningUnavailable(Exception):
    """The library is missing; says how it is had."""


def parse_keys(given: str) -> frozenset[str]:
    """Return the public keys that a setting names, 64 hexadecimal digits each.

    Args:
        given: keys with commas between them, or the path of a file with one in a line; there a word may
            follow a key, and ``#`` begins a comment.

    Raises:
        ValueError: there is no such file, no key in it, or what is no key.
    """
    words = [word.strip() for word in given.split(",")]
    if not all(map(_KEY.fullmatch, words)):
        words = [line.split()[0] for line in _lines(Path(given)) if line.split()]
    for word in words:
        if not _KEY.fullmatch(word):
            raise ValueError(f"expected public keys of 64 hexadecimal digits; found {word[:80]!r}")
    if not words:
        raise ValueError("expected a public key at least; found none")
    return frozenset(words)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEYS_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"expected public keys, or a file of them that can be read ({reason})") from None
    if len(content) > MAX_KEYS_BYTES:
        raise ValueError(f"expected a file of at most {MAX_KEYS_BYTES} bytes")
    return [line.partition("#")[0] for line in content.decode("utf-8", "replace").splitlines()]


def check(folder: Path, manifest: bytes, trusted: Collection[str]) -> None:
    """Check the signature of the version in `folder`, if it has one or needs one.

    Args:
        folder: the version's.
        manifest: the bytes of its manifest.
        trusted: public keys, of which one must have signed it; none: every version passes whose signature, if
            it has one, is whole and of this manifest.

    Raises:
        BadSignature: it is missing, damaged, of another manifest, or of another key.
    """
    path = folder / SIGNATURE
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BadSignature("no file of its own")
        with path.open("rb") as file:
            found = _LINE.fullmatch(file.read(512))
    except FileNotFoundError:
        if trusted:
            raise BadSignature("missing; only versions are served that a trusted key has signed") from None
        return
    except OSError as error:
        raise BadSignature(f"cannot be read ({error.strerror or error})") from None
    if found is None or found["sum"] != _checksum(found["signed"], manifest):
        raise BadSignature("damaged, or of another manifest")
    if not trusted:
        return
    key = found["key"].decode()
    if key not in trusted:
        raise BadSignature(f"signed by {key}, which is no trusted key")
    if not _is_of(key, bytes.fromhex(found["signature"].decode()), manifest):
        raise BadSignature(f"not signed by {key}, which it names")


def signer(folder: Path) -> str | None:
    """Return the public key that the signature in a folder names, unchecked; None: there is no signature."""
    try:
        found = _LINE.fullmatch((folder / SIGNATURE).read_bytes())
    except OSError:
        return None
    return None if found is None else found["key"].decode()


def require_library() -> None:
    """Do nothing where signatures can be made and checked.

    Raises:
        SigningUnavailable: else.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise SigningUnavailable(f"needs {INSTALL}") from None


def _is_of(key: str, signature: bytes, manifest: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, _PURPOSE + manifest)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(folder: Path, manifest: bytes, key: "Ed25519PrivateKey") -> str:
    """Write the signature of the version in `folder` in one step; return the public key.

    Raises:
        OSError: it cannot be written; one that there was stays.
    """
    public = public_key(key)
    signed = b"ed25519 %s %s" % (public.encode(), key.sign(_PURPOSE + manifest).hex().encode())
    # Beside the version: a service that looks at it meanwhile would find a file too many.
    partial = folder.parent / f".{SIGNATURE}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _write(partial, b"%s %s\n" % (signed, _checksum(signed, manifest)), 0o644)
        partial.replace(folder / SIGNATURE)
    finally:
        partial.unlink(missing_ok=True)
    return public


def new_key(path: Path) -> str:
    """Write a new private key, and the public one beside it as ``.pub``; return the public key.

    Raises:
        OSError: one of the files is there already, or cannot be written; then neither is left.
        SigningUnavailable: the library is missing.
    """
    require_library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    beside = path.with_name(path.name + ".pub")
    _write(beside, f"{public_key(key)}\n".encode(), 0o644)
    try:
        _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    except OSError:
        beside.unlink()
        raise
    return public_key(key)


def read_key(path: Path) -> "Ed25519PrivateKey":
    """Return the private key in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no unencrypted ed25519 key.
        SigningUnavailable: the library is missing.
    """
    require_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("no private key of ed25519, as vitrine keygen writes it")
    return key


def public_key(key: "Ed25519PrivateKey") -> str:
    """Return the public key of a private one, in hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def _checksum(signed: bytes, manifest: bytes) -> bytes:
    return hashlib.sha256(signed + b"\n" + manifest).hexdigest().encode()


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a new file, flushed to the disk; if that fails, it is not there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            path.chmod(mode)  # whatever the umask is
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise
