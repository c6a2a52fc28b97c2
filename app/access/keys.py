"""API keys: random words that the service knows by their SHA-256 alone.

A fast hash is right here: a key has 256 random bits, which nobody can try through. Slow hashes are for
passwords, which people choose. A line of the file is

    NAME sha256:HEX [images-per-minute=N] [models=NAME,NAME]

and lines that are blank or begin with ``#`` are passed over.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from app.access.files import AccessError

PREFIX = "vitrine_"  # so that programs that look for secrets in files find a key
RANDOM_BYTES = 32
MAX_KEY_BYTES = 256  # of what a client sends; a longer one is none of ours

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_MODELS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(,[a-z0-9][a-z0-9._-]{0,63})*", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Key(NamedTuple):
    """What is known of an API key."""

    name: str  # for the operator
    digest: bytes  # SHA-256 of the key
    images_per_minute: int | None = None  # None: without a bound
    models: frozenset[str] | None = None  # names that may be asked for; None: all

    @property
    def line(self) -> str:
        """The line of the file."""
        words = [self.name, f"sha256:{self.digest.hex()}"]
        if self.images_per_minute is not None:
            words.append(f"images-per-minute={self.images_per_minute}")
        if self.models is not None:
            words.append(f"models={','.join(sorted(self.models))}")
        return " ".join(words)


def new(name: str, images_per_minute: int | None = None, models: Sequence[str] = ()) -> tuple[str, Key]:
    """Return a new key, which nothing keeps, and what is to be known of it.

    Raises:
        AccessError: the name, the number or a model's name cannot stand in the file.
    """
    if not _NAME.fullmatch(name):
        raise AccessError("a name begins with a letter or digit, and has up to 64 of these, '.', '_' and '-'")
    for model in models:
        if "," in model or not _MODELS.fullmatch(model):
            raise AccessError(f"--model {model!a}: expected a model's name, without a version")
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    key = Key(name, digest_of(secret.encode()), images_per_minute, frozenset(models) or None)
    if parse_line(key.line) != key:
        raise AccessError("a name has letters, digits, '.', '_' and '-'")
    return secret, key


def digest_of(key: bytes) -> bytes:
    """Return the SHA-256 of a key."""
    return hashlib.sha256(key).digest()


def parse(text: str) -> tuple[Key, ...]:
    """Return the keys of a file's text.

    Raises:
        AccessError: a line is no key, a name or a key is there twice, or there is no key.
    """
    found: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = parse_line(line)
        except AccessError as error:
            raise AccessError(f"line {number}: {error}") from None
        if key.name in found:
            raise AccessError(f"line {number}: the name {key.name} is there already")
        if any(key.digest == other.digest for other in found.values()):
            raise AccessError(f"line {number}: the key of {key.name} is there already")
        found[key.name] = key
    if not found:
        raise AccessError("has no key; make one: vitrine keys new NAME")
    return tuple(found.values())


def parse_line(line: str) -> Key:
    """Return the key of a line.

    Raises:
        AccessError: it is none; the message never repeats the line, which may hold a key itself.
    """
    words = line.split()
    if not _NAME.fullmatch(words[0]) or len(words) < 2 or not (digest := _DIGEST.fullmatch(words[1])):
        raise AccessError("expected NAME sha256:HEX, as vitrine keys new prints it")
    images_per_minute, models = None, None
    for word in words[2:]:
        option, _, value = word.partition("=")
        if option == "images-per-minute" and images_per_minute is None and _COUNT.fullmatch(value):
            images_per_minute = int(value)
        elif option == "models" and models is None and _MODELS.fullmatch(value):
            models = frozenset(value.split(","))
        else:
            raise AccessError("expected images-per-minute=N or models=NAME,NAME behind the hash, each once")
    return Key(words[0], bytes.fromhex(digest[1]), images_per_minute, models)


def find(keys: Sequence[Key], presented: bytes) -> Key | None:
    """Return the key that was presented, None if it is none of these.

    Every digest is compared to its end, whichever it is: the time says nothing of a key.
    """
    if len(presented) > MAX_KEY_BYTES:
        return None
    digest, found = digest_of(presented), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
