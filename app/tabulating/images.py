"""Images of some place, in an order, and what each is called; the files that count as pictures."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

# By the ends of their names; what of it cannot be decoded is told in its row.
DECODED = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp")
PICTURES = (*DECODED, ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".ppm", ".pgm", ".ico")


# What file managers leave beside pictures, in lower case; training leaves out the same.
SYSTEM_NAMES = frozenset(
    {
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir",
        "lost+found", "system volume information",
    }
)  # fmt: skip


class Image(NamedTuple):
    """One image, not decoded.

    Args:
        number: in its place, from 0.
        name: what its row is called; text that UTF-8 can hold.
        label: its class, as text; None: nobody says.
        data: the bytes of its file; None: there are none to be had.
        error: why; "" if there are.
    """

    number: int
    name: str
    label: str | None
    data: bytes | None
    error: str = ""


class Images(Protocol):
    """Images of some place. Opened in every process by itself, so each must see the same."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of their names and sizes: a job is gone on with if it is the same."""

    @property
    def left_out(self) -> int:
        """Files of that place that are no pictures by their names."""

    def read(self, numbers: range) -> Iterator[Image]:
        """Yield these images in their order; numbers of consecutive ones, ascending."""


def is_picture(name: str) -> bool:
    """Say whether a file is a picture by its name."""
    return name.lower().endswith(PICTURES)


def is_passed_over(path: str) -> bool:
    """Say whether a file, or a folder around it, is hidden or of the operating system; slashes between."""
    parts = (part for part in path.split("/") if part not in (".", ".."))
    return any(part.startswith(".") or part.lower() in SYSTEM_NAMES for part in parts)


def as_text(name: str) -> str:
    """Return a name that UTF-8 can hold; the numbers of bytes that are no UTF-8, in hexadecimal."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fingerprint_of(parts: Iterable[tuple[str, int]]) -> str:
    """Return the SHA-256 of names and sizes."""
    digest = hashlib.sha256()
    for name, size in parts:
        digest.update(b"%s\0%d\n" % (name.encode("utf-8", "surrogateescape"), size))
    return digest.hexdigest()


def too_large(size: int, most: int) -> str:
    """Return what is said of a file that is larger than uploads may be, "" if it is not."""
    expected = f"expected at most {most} bytes (VITRINE_MAX_UPLOAD_BYTES)"
    return f"{expected}. Received: {size} bytes." if size > most else ""
