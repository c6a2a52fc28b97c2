"""Messages between the service and a decoder: a head, words as JSON, and bytes.

Nothing of what a decoder says is taken at its word, as a picture may have taken it over: lengths are bounded,
and no object is made of its bytes but numbers, texts and lists.
"""

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

READY, ASK, DONE, REFUSED, NO_MEMORY, FAILED = _KINDS = b"HADRMF"
MAX_WORDS = 1_048_576  # bytes of JSON
WORDS_A_FILE = 512  # and as many for each file of an upload: its name and its size, or the notes on it
_HEAD = struct.Struct(">BIQ")  # what it is, bytes of JSON, bytes behind that
_SMALL = 65_536  # bytes that are copied into one send


class GarbledError(Exception):
    """What came is no message that could come here."""


class Message(NamedTuple):
    """One message.

    Args:
        kind: what it is, one of the constants above.
        words: a JSON object.
        content: what is too large for it.
    """

    kind: int
    words: dict[str, Any]
    content: bytearray


def send(
    connection: socket.socket,
    kind: int,
    words: dict[str, Any],
    contents: Sequence[bytes | memoryview] = (),
    until: float | None = None,
) -> None:
    """Send a message, waiting until a time of ``time.monotonic`` at most.

    Raises:
        OSError: nobody reads; TimeoutError: not in time.
    """
    text = json.dumps(words).encode()
    size = sum(len(content) for content in contents)
    parts = [_HEAD.pack(kind, len(text), size), text, *contents]
    if size <= _SMALL:
        parts = [b"".join(parts)]
    for part in parts:
        view = memoryview(part)
        while view:
            _wait_until(connection, until)
            view = view[connection.send(view) :]


def receive(
    connection: socket.socket, most: int, until: float | None = None, most_words: int = MAX_WORDS
) -> Message:
    """Return the next message.

    Args:
        connection: where it comes from.
        most: bytes that its content may have.
        until: how long it may take; see ``send``.
        most_words: bytes that its JSON may have.

    Raises:
        EOFError: the other side has ended.
        GarbledError: it is no message, or too long.
        OSError: as ``send``.
    """
    begun = bytearray()
    while len(begun) < _HEAD.size:
        _wait_until(connection, until)
        piece = connection.recv(_SMALL)  # mostly all of it: every call costs
        if not piece:
            raise EOFError
        begun += piece
    kind, words_size, size = _HEAD.unpack_from(begun)
    if kind not in _KINDS or words_size > most_words or size > most:
        raise GarbledError(f"kind {kind}, {words_size} and {size} bytes")
    whole = _completed(connection, begun, _HEAD.size + words_size + size, until)
    try:
        words = json.loads(whole[_HEAD.size : _HEAD.size + words_size])
    except (ValueError, RecursionError) as error:
        raise GarbledError("no JSON") from error
    if not isinstance(words, dict):
        raise GarbledError("no object")
    del whole[: _HEAD.size + words_size]
    return Message(kind, words, whole)


def _completed(connection: socket.socket, begun: bytearray, size: int, until: float | None) -> bytearray:
    """Return so many bytes that begin with those that have come."""
    if len(begun) > size:
        raise GarbledError(f"{len(begun) - size} bytes too many")
    if len(begun) == size:
        return begun
    whole = bytearray(size)
    whole[: len(begun)] = begun
    with memoryview(whole) as view:
        at = len(begun)
        while at < size:
            _wait_until(connection, until)
            received = connection.recv_into(view[at:])
            if not received:
                raise EOFError
            at += received
    return whole


def _wait_until(connection: socket.socket, until: float | None) -> None:
    if until is None:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
