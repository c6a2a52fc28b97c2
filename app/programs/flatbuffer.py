"""Which operations a flatbuffer for LiteRT has, and the shapes of its signatures.

Reads the part of the schema that says so, by the numbers of its fields. An offset that leads out of the file
is refused.
"""

import struct
from collections.abc import Iterator

from app.programs.allowed import BUILT_IN
from app.programs.operators import NAMES
from app.programs.program import Program, RefusedProgram, Shape, Signature, printable

IDENTIFIER = b"TFL3"
MAX_TABLES = 100_000  # the largest of the published models has some 3,000
_CUSTOM = NAMES.index("CUSTOM")

# Fields by table, as the schema numbers them.
_OPERATOR_CODES, _SUBGRAPHS, _SIGNATURES, _EXTERNAL = 1, 2, 7, (8, 9)
_OLD_CODE, _CUSTOM_CODE, _CODE = 0, 1, 3
_TENSORS = 0
_SHAPE, _EXTERNAL_BUFFER, _SHAPE_SIGNATURE = 0, 10, 7
_INPUTS, _OUTPUTS, _KEY, _SUBGRAPH = 0, 1, 2, 4
_NAME, _TENSOR = 0, 1


class _Bytes:
    """A flatbuffer, of which nothing outside is read.

    Offsets may lead to the same table again and again, so the tables that are looked at are counted.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._tables = 0

    def table(self, at: int) -> "_Table":
        """Return the table at `at`."""
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise RefusedProgram(f"over {MAX_TABLES} tables")
        return _Table(self, at)

    def number(self, kind: str, at: int) -> int:
        """Return the number of a ``struct`` format, little-endian, at `at`."""
        if not 0 <= at <= len(self._data) - struct.calcsize(kind):
            raise _damaged(at)
        value: int = struct.unpack_from("<" + kind, self._data, at)[0]
        return value

    def follow(self, at: int) -> int:
        """Return where the offset at `at` leads."""
        return at + self.number("I", at)

    def elements(self, at: int, size: int) -> range:
        """Return where the elements of the vector at `at` lie, each of `size` bytes."""
        start, count = at + 4, self.number("I", at)
        if start + count * size > len(self._data):
            raise _damaged(at)
        return range(start, start + count * size, size)

    def text(self, at: int) -> bytes:
        """Return the string at `at`."""
        found = self.elements(at, 1)
        return self._data[found.start : found.stop]


class _Table:
    """A table: its fields by their numbers in the schema."""

    def __init__(self, data: _Bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - data.number("i", at)
        if data.number("H", self._fields) < 4:
            raise _damaged(at)

    def where(self, field: int) -> int | None:
        """Return where a field lies; None: it has its default."""
        entry = 4 + 2 * field
        if entry + 2 > self._data.number("H", self._fields):
            return None
        offset = self._data.number("H", self._fields + entry)
        return self._at + offset if offset else None

    def number(self, field: int, kind: str) -> int:
        """Return a number, by default 0."""
        at = self.where(field)
        return 0 if at is None else self._data.number(kind, at)

    def text(self, field: int) -> bytes:
        """Return a string, by default empty."""
        at = self.where(field)
        return b"" if at is None else self._data.text(self._data.follow(at))

    def numbers(self, field: int) -> Shape | None:
        """Return a vector of whole numbers of 32 bits; None: there is none."""
        at = self.where(field)
        if at is None:
            return None
        return tuple(self._data.number("i", each) for each in self._data.elements(self._data.follow(at), 4))

    def tables(self, field: int) -> "list[_Table]":
        """Return a vector of tables, by default empty."""
        at = self.where(field)
        if at is None:
            return []
        elements = self._data.elements(self._data.follow(at), 4)
        return [self._data.table(self._data.follow(each)) for each in elements]


def read(content: bytes) -> Program:
    """Return what a flatbuffer would do.

    Raises:
        RefusedProgram: it has an operation that is not allowed, takes arrays from another file, or cannot be
            read.
    """
    if content[4:8] != IDENTIFIER:
        raise RefusedProgram(f"not a flatbuffer for LiteRT: expected {IDENTIFIER.decode()} at byte 4")
    data = _Bytes(content)
    model = data.table(data.follow(0))
    if any(model.tables(field) for field in _EXTERNAL):
        raise RefusedProgram("has arrays in another file")
    operations = {_operation(code) for code in model.tables(_OPERATOR_CODES)}
    for name in sorted(operations - BUILT_IN):
        raise RefusedProgram(f"operation {name} is not allowed")
    graphs = [graph.tables(_TENSORS) for graph in model.tables(_SUBGRAPHS)]
    if any(tensor.number(_EXTERNAL_BUFFER, "I") for tensors in graphs for tensor in tensors):
        raise RefusedProgram("has arrays in another file")
    return Program(frozenset(operations), dict(_signatures(model, graphs)))


def _operation(code: _Table) -> str:
    """Return the name of an operation: LiteRT takes the greater of two numbers."""
    number = max(code.number(_OLD_CODE, "b"), code.number(_CODE, "i"))
    if number == _CUSTOM:
        return f"CUSTOM {printable(code.text(_CUSTOM_CODE))}".strip()
    return NAMES[number] if 0 <= number < len(NAMES) else f"number {number}"


def _signatures(model: _Table, graphs: list[list[_Table]]) -> Iterator[tuple[str, Signature]]:
    for signature in model.tables(_SIGNATURES):
        number = signature.number(_SUBGRAPH, "I")
        if number >= len(graphs):
            raise RefusedProgram(f"a signature of graph {number}; found {len(graphs)}")
        inputs, outputs = (
            {
                printable(entry.text(_NAME)): _shape(graphs[number], entry.number(_TENSOR, "I"))
                for entry in signature.tables(field)
            }
            for field in (_INPUTS, _OUTPUTS)
        )
        yield printable(signature.text(_KEY)), Signature(inputs, outputs)


def _shape(tensors: list[_Table], number: int) -> Shape | None:
    if number >= len(tensors):
        raise RefusedProgram(f"a signature of tensor {number}; found {len(tensors)}")
    open_to = tensors[number].numbers(_SHAPE_SIGNATURE)  # which sizes are open; not of every tensor
    return open_to or tensors[number].numbers(_SHAPE)


def _damaged(at: int) -> RefusedProgram:
    return RefusedProgram(f"not a flatbuffer (an offset at byte {at} leads out of it)")
