"""The fields of a message as Protocol Buffers write them, without a schema.

Strict: what no writer of ours gives, such as groups or a number in more bytes than it needs, is refused. So
nobody else reads another message in the same bytes.
"""

from collections.abc import Iterator

from app.programs.program import RefusedProgram

Span = tuple[int, int]  # where a value begins and ends

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10


def fields(data: bytes, span: Span, kind: int = BYTES) -> Iterator[tuple[int, int, int]]:
    """Yield the fields of one wire type in the message at `span`: number, and where the value lies.

    Args:
        data: that the message is a part of.
        span: where it begins and ends.
        kind: ``BYTES``, of strings and messages, or ``VARINT``, of whole numbers.

    Raises:
        RefusedProgram: it is no such message.
    """
    at, end = span
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = varint(data, at - 1, end)
        wire = tag & 7
        if not 0 < tag >> 3 < 1 << 29:
            raise _damaged(at)
        if wire == BYTES:
            if at >= end:
                raise _damaged(at)
            length = data[at]
            start = at + 1
            if length > 127:
                length, start = varint(data, at, end)
            at = start + length
        elif wire == VARINT:
            start = at
            _, at = varint(data, at, end)
        elif wire in _FIXED:
            start = at
            at += _FIXED[wire]
        else:
            raise _damaged(at)
        if at > end:
            raise _damaged(start)
        if wire == kind:
            yield tag >> 3, start, at


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the whole number that begins at `at`, unsigned, and where it ends; see ``fields``."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if at + index >= end:
            break
        byte = data[at + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            if byte == 0 and index:
                break
            return value, at + index + 1
    raise _damaged(at)


def _damaged(at: int) -> RefusedProgram:
    return RefusedProgram(f"not a message of Protocol Buffers (at byte {at})")
