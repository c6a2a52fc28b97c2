"""What is read of a program, and the refusal of one."""

import dataclasses

Shape = tuple[int, ...]  # -1: any size, as that of a batch


class RefusedProgram(Exception):
    """A program that is not run; says why in one line."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """The arrays that one function of a program takes and gives: their shapes by name; None: not told."""

    inputs: dict[str, Shape | None]
    outputs: dict[str, Shape | None]


@dataclasses.dataclass(frozen=True)
class Program:
    """One SavedModel or flatbuffer.

    Args:
        operations: names of the kinds of operation in it, as its own format calls them.
        signatures: by name.
    """

    operations: frozenset[str]
    signatures: dict[str, Signature]


def printable(name: bytes) -> str:
    """Return a name of a file that is not trusted in ASCII, at most 100 characters of it."""
    return name[:100].decode("ascii", "backslashreplace").encode("unicode_escape").decode()[:100]
