"""Names of files and classes as text: a name is bytes until somebody says how they read.

A class' name can be printed, written as JSON and typed: NFC, one space for white space, no marks that nobody
sees, escapes for control characters and for bytes that are no UTF-8, at most `MAX_CHARACTERS`. Two names that
read alike are one class.
"""

import hashlib
import os
import unicodedata
from pathlib import Path

MAX_CHARACTERS = 100  # as many as a service takes of a label
SHOWN_CHARACTERS = 200  # of a path in a line
JOINERS = "\u200c\u200d"  # unseen, but parts of words in some scripts, and of emoji


def text_of(name: str | bytes) -> str:
    """Return a name as text; bytes of it that are no UTF-8 become their escapes."""
    if isinstance(name, bytes):
        return name.decode("utf-8", "backslashreplace")
    try:
        content = name.encode("utf-8", "surrogateescape")  # whatever the locale says of file names
    except UnicodeEncodeError:
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")


def class_name(name: str | bytes) -> str:
    """Return the name of the class that a folder or a label means."""
    text = " ".join(text_of(name).split())
    kinds = [(each, unicodedata.category(each)) for each in text]
    seen = [
        _escaped(each) if kind == "Cc" else each for each, kind in kinds if kind != "Cf" or each in JOINERS
    ]
    # Composed behind that: a mark that nobody sees may stand within a letter.
    text = unicodedata.normalize("NFC", " ".join("".join(seen).split()).strip(JOINERS)) or "(blank)"
    if len(text) <= MAX_CHARACTERS:
        return text
    # The digest keeps two long names apart that begin alike.
    return f"{text[: MAX_CHARACTERS - 9]}~{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shown(path: Path | str) -> str:
    """Return a path for people: one line, and nothing in it that a terminal obeys."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text_of(os.fspath(path)))


def cut(text: str) -> str:
    """Return the beginning and the end of a long text, for a line that is read at a glance."""
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]}...{text[-half:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
