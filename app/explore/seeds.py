"""Seeds: numbers of up to 63 bits, and words that stand for them."""

import hashlib
import re
import unicodedata

from app import latent
from app.errors import InvalidParameter
from app.explore.labels import JOINERS, spelled

MAX_WORD_CHARACTERS = 64
WORD_BITS = 53  # so that a reader whose numbers are doubles, like JavaScript, reads the seed as it is

MAX_DIGITS = 100  # more than a refusal shows, and few enough for a double

_WHOLE = re.compile(r"-?[0-9]+", re.ASCII)


def read_whole(text: str) -> int | None:
    """Return the whole number that a text is in digits, None if it is none.

    Of a longer one the first MAX_DIGITS digits: it lies beyond every range, and so do they.
    """
    if not _WHOLE.fullmatch(text):
        return None
    number = int(text.lstrip("-").lstrip("0")[:MAX_DIGITS] or "0")
    return -number if text.startswith("-") else number


def read_seed(text: str) -> int:
    """Return the seed that a text stands for: a whole number, itself; any other text, one that it hashes to.

    The seed of a word is the upper 53 bits of the SHA-256 of its UTF-8 bytes, after Unicode normalisation
    (NFC) and with single spaces between its parts. So a word gives the same seed from whatever keyboard.

    Args:
        text: a number, or a word of up to 64 characters.

    Raises:
        ValueError: another kind of number, like 1.5, more than 64 characters, or nothing that can be seen.
    """
    if (number := read_whole(text)) is not None:
        return number
    if len(text) > 4 * MAX_WORD_CHARACTERS or _is_number(text):  # a keyboard may write a character as several
        raise ValueError(text)
    word = spelled(text)
    if not word.strip(JOINERS) or len(word) > MAX_WORD_CHARACTERS:
        raise ValueError(text)
    if any(unicodedata.category(each) in ("Cc", "Cs", "Co", "Cn") for each in text):
        raise ValueError(text)
    if "\ufffd" in word:  # bytes that were no UTF-8
        raise ValueError(text)
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") >> (64 - WORD_BITS)


def _is_number(text: str) -> bool:
    """Say whether a text is a number of some kind, which nobody means as a word."""
    if re.fullmatch(r"\s*[+-]?0[xXoObB][0-9a-fA-F_]+\s*", text):
        return True
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def check_seed(seed: int) -> None:
    """Refuse a seed that does not fit in 63 bits."""
    if not 0 <= seed <= latent.MAX_SEED:
        raise InvalidParameter.of("seed", "0..2^63-1", seed, "Use a number in this range.", "out_of_range")
