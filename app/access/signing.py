"""Signed addresses: who has one may ask it without a key, until it expires.

The signature is the HMAC-SHA-256 of the path, as it is decoded, and of the query's parts as they are written,
sorted. So parameters may come in any order, and nothing may be asked that was not signed. Two parameters are
added: ``expires``, in seconds since 1970, and ``signature``. Scheme and host are not signed.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.access.files import AccessError
from app.access.refusals import SignatureExpired, SignatureInvalid

MIN_SECRET_BYTES = 32
_EXPIRES, _SIGNATURE = b"expires=", b"signature="
_SECONDS = re.compile(rb"[0-9]{1,12}")


class Signature(NamedTuple):
    """What a signed address has beside what it asks for; empty what it lacks, or has twice."""

    expires: bytes
    signature: bytes


def parse(text: str) -> tuple[bytes, ...]:
    """Return the secrets of a file's text, a line each: the first signs, and each of them verifies.

    Raises:
        AccessError: one is short, or there is none.
    """
    secrets = [line.strip().encode() for line in text.splitlines() if line.strip()]
    for number, secret in enumerate(secrets, 1):
        if len(secret) < MIN_SECRET_BYTES:
            raise AccessError(
                f"secret {number} has {len(secret)} bytes, at least {MIN_SECRET_BYTES} are needed"
            )
    if not secrets:
        raise AccessError(f"has no secret; write a line of at least {MIN_SECRET_BYTES} random bytes as text")
    return tuple(secrets)


def sign(secret: bytes, path: str, query: str, expires: int) -> str:
    """Return the query of a signed address.

    Args:
        secret: that the service knows.
        path: decoded, without the path under which a proxy offers the service.
        query: as it is written in the address, ASCII.
        expires: until when it is good, in seconds since 1970.

    Raises:
        AccessError: the address is signed already.
    """
    rest, found = lift(query.encode())
    if found is not None:
        raise AccessError("the address has a parameter expires or signature already")
    until = b"%d" % expires
    signature = _signature(secret, path, rest, until)
    return "&".join(filter(None, (query, f"expires={expires}", f"signature={signature.decode()}")))


def lift(query: bytes) -> tuple[bytes, Signature | None]:
    """Return a query without what a signature adds to it, and that; None: it has nothing of it."""
    if _SIGNATURE not in query and _EXPIRES not in query:
        return query, None
    parts = query.split(b"&")
    own = [part for part in parts if part.startswith((_EXPIRES, _SIGNATURE))]
    if not own:
        return query, None
    rest = b"&".join(part for part in parts if not part.startswith((_EXPIRES, _SIGNATURE)))
    return rest, Signature(_only(own, _EXPIRES), _only(own, _SIGNATURE))


def verify(
    secrets: Sequence[bytes], path: str, query: bytes, found: Signature, now: float | None = None
) -> int:
    """Return for how many seconds a signed address is still good.

    Args:
        secrets: any of which may have signed it.
        path: see ``sign``.
        query: what is left of the query.
        found: what was taken out of it.
        now: seconds since 1970; the clock's if not given.

    Raises:
        SignatureInvalid: nobody has signed this address.
        SignatureExpired: it was good, and is no more.
    """
    signed = [_signature(secret, path, query, found.expires) for secret in secrets]
    good = [hmac.compare_digest(each, found.signature) for each in signed]  # each to its end
    if not any(good) or not _SECONDS.fullmatch(found.expires):
        raise SignatureInvalid
    left = int(found.expires) - (time.time() if now is None else now)
    if left <= 0:
        raise SignatureExpired(int(found.expires))
    return int(left)


def _only(parts: Iterable[bytes], name: bytes) -> bytes:
    """Return the value of a parameter that is there once, else nothing."""
    values = [part.removeprefix(name) for part in parts if part.startswith(name)]
    return values[0] if len(values) == 1 else b""


def _signature(secret: bytes, path: str, query: bytes, expires: bytes) -> bytes:
    """Return a signature as text. It is compared so too: two texts of base64 may be the same bytes."""
    parts = sorted([*filter(None, query.split(b"&")), _EXPIRES + expires])
    told = b"\n".join((b"vitrine-address-1", path.encode(errors="surrogateescape"), b"&".join(parts)))
    return base64.urlsafe_b64encode(hmac.digest(secret, told, hashlib.sha256)).rstrip(b"=")
