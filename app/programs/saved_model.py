"""Which operations a TensorFlow SavedModel has, and the shapes of its signatures.

A graph calls functions of its library. Every node of both is looked at, whether something reaches it or not.
Fields that come twice, which TensorFlow merges or of which it takes the last, are all looked at too.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

from app.programs.allowed import COMPUTING, SAVING
from app.programs.program import Program, RefusedProgram, Shape, Signature, printable
from app.programs.wire import BYTES, VARINT, Span, fields, varint

_COMPUTING = frozenset(name.encode() for name in COMPUTING)
_SAVING = frozenset(name.encode() for name in SAVING)
_CALLS = {b"PartitionedCall", b"StatefulPartitionedCall"}

# The fields of a SavedObject that exports have: what it is, and what it is made of.
_USER_OBJECT = 4
_OBJECT_FIELDS = {1, 3, _USER_OBJECT, 6, 7, 8, 12, 14, 15}
# The others have TensorFlow run or read something when the SavedModel is loaded.
_OTHER_FIELDS = {5: "an asset", 9: "a constant", 10: "a resource", 11: "functions that restore it"}
_CLASSES = {b"_generic_user_object", b"trackable_list_wrapper", b"trackable_dict_wrapper", b"signature_map"}


@dataclasses.dataclass
class _Nodes:
    """The nodes of a graph or of a function."""

    operations: set[bytes] = dataclasses.field(default_factory=set)
    calls: dict[bytes, set[bytes]] = dataclasses.field(default_factory=lambda: defaultdict(set))  # by node
    inputs: set[bytes] = dataclasses.field(default_factory=set)

    def add(self, data: bytes, span: Span) -> None:
        """Add a NodeDef."""
        name, operations, attributes = b"", set(), []
        for number, start, end in fields(data, span):
            if number == 5:
                attributes.append((start, end))
            elif number == 3:
                self.inputs.add(_node_of(data[start:end]))
            elif number == 2:
                operations.add(data[start:end])
            elif number == 1:
                name = data[start:end]
        self.operations |= operations or {b""}
        if operations & _CALLS:
            for attribute in attributes:  # key, AttrValue
                for value in _parts(data, attribute, 2):
                    self.calls[name] |= _functions(data, value)

    @property
    def called(self) -> set[bytes]:
        """Names of the functions that its nodes call."""
        return set().union(*self.calls.values())


def read(content: bytes) -> Program:
    """Return what ``saved_model.pb`` would do.

    Raises:
        RefusedProgram: it has an operation that is not allowed, or not where it stands; it would run
            something when it is loaded; or it cannot be read.
    """
    graphs = _parts(content, (0, len(content)), 2)
    if len(graphs) != 1:
        raise RefusedProgram(f"expected one graph; found {len(graphs)}")
    meta = graphs[0]
    if not _parts(content, meta, 7):
        raise RefusedProgram("expected the objects of an exported module; found none")
    if _parts(content, meta, 6):
        raise RefusedProgram("has assets, which TensorFlow would read")
    main, functions = _Nodes(), dict[bytes, _Nodes]()
    for graph in _parts(content, meta, 2):
        for node in _parts(content, graph, 1):
            main.add(content, node)
        for library in _parts(content, graph, 2):
            for function in _parts(content, library, 1):
                _add_function(content, function, functions)
    _check_operations(main, functions)
    signatures = _signatures(content, meta)
    _check_saving(content, meta, main, functions)
    _check_objects(content, meta, functions)
    operations = main.operations.union(*(nodes.operations for nodes in functions.values()))
    return Program(frozenset(name.decode() for name in operations), signatures)


def _check_operations(main: _Nodes, functions: dict[bytes, _Nodes]) -> None:
    for where, nodes in [(b"", main), *functions.items()]:
        allowed = _COMPUTING | _SAVING if where else _COMPUTING
        for name in sorted(nodes.operations - allowed):
            place = f" in {printable(where)}" if where else ""
            raise RefusedProgram(f"operation {printable(name) or 'without a name'}{place} is not allowed")
        if where in _COMPUTING | _SAVING:  # a node may call a function by its operation
            raise RefusedProgram(f"a function is called {printable(where)}, as an operation is")


def _check_saving(data: bytes, meta: Span, main: _Nodes, functions: dict[bytes, _Nodes]) -> None:
    """Refuse files that are written or read elsewhere than by the saver, which nothing calls."""
    saving = {name: nodes.operations & _SAVING for name, nodes in functions.items()}
    saving = {name: found for name, found in saving.items() if found}
    savers = {
        _node_of(data[start:end])
        for saver in _parts(data, meta, 3)
        for number, start, end in fields(data, saver)
        if number in (2, 3)
    }
    reached = {name for nodes in functions.values() for name in nodes.called}
    reached |= {name for node, called in main.calls.items() if node not in savers for name in called}
    for objects in _parts(data, meta, 7):
        reached |= {_key(data, entry) for entry in _parts(data, objects, 2)}
    if savers & (main.inputs | _nodes_of_signatures(data, meta)):
        reached |= saving.keys()
    for name in sorted(saving.keys() & reached):
        operation = printable(min(saving[name]))
        raise RefusedProgram(
            f"operation {operation} in {printable(name)} is allowed where variables are saved alone"
        )


def _check_objects(data: bytes, meta: Span, functions: dict[bytes, _Nodes]) -> None:
    """Refuse objects that have TensorFlow run or read something when the SavedModel is loaded."""
    for objects in _parts(data, meta, 7):
        for each in _parts(data, objects, 1):
            for number, start, end in fields(data, each):
                if number not in _OBJECT_FIELDS:
                    what = _OTHER_FIELDS.get(number, f"a field {number}")
                    raise RefusedProgram(f"an object is or has {what}, which no export writes")
                if number == _USER_OBJECT:
                    identifier = b"".join(_values(data, (start, end), 1))
                    if identifier not in _CLASSES:
                        raise RefusedProgram(f"an object of the class {printable(identifier)}")
        missing = {_key(data, entry) for entry in _parts(data, objects, 2)} - functions.keys()
        if missing:
            raise RefusedProgram(f"no function {printable(min(missing))}")


def _add_function(data: bytes, span: Span, functions: dict[bytes, _Nodes]) -> None:
    names = [name for signature in _parts(data, span, 1) for name in _values(data, signature, 1)] or [b""]
    for name in names:
        nodes = functions.setdefault(name, _Nodes())
        for node in _parts(data, span, 3):
            nodes.add(data, node)


def _functions(data: bytes, value: Span) -> set[bytes]:
    """Return the functions that an attribute's value names, alone or in a list."""
    named = _parts(data, value, 10)
    for listed in _parts(data, value, 1):
        named += _parts(data, listed, 9)
    return {name for each in named for name in _values(data, each, 1)}


def _signatures(data: bytes, meta: Span) -> dict[str, Signature]:
    """Return the signatures that a caller may ask for; that of the loader has no arrays of ours."""
    found = {}
    for entry in _parts(data, meta, 5):
        for signature in _parts(data, entry, 2):
            name = printable(_key(data, entry))
            if not name.startswith("__"):
                inputs, outputs = (_arrays(data, _parts(data, signature, number)) for number in (1, 2))
                found[name] = Signature(inputs, outputs)
    return found


def _arrays(data: bytes, entries: Iterable[Span]) -> dict[str, Shape | None]:
    return {
        printable(_key(data, entry)): _shape(data, _parts(data, info, 3))
        for entry in entries
        for info in _parts(data, entry, 2)
    }


def _shape(data: bytes, shapes: list[Span]) -> Shape | None:
    """Return a TensorShapeProto; None if the number of its dimensions is unknown."""
    sizes = []
    for shape in shapes:
        if any(number == 3 and data[start] for number, start, _ in fields(data, shape, VARINT)):
            return None
        for dimension in _parts(data, shape, 2):
            size = 0  # what is not written is zero
            for number, start, end in fields(data, dimension, VARINT):
                if number == 1:
                    size, _ = varint(data, start, end)
            sizes.append(-1 if size >= 1 << 63 else size)
    return tuple(sizes) if shapes else None


def _nodes_of_signatures(data: bytes, meta: Span) -> set[bytes]:
    """Return the nodes whose results signatures give, the loader's too."""
    return {
        _node_of(name)
        for entry in _parts(data, meta, 5)
        for signature in _parts(data, entry, 2)
        for output in _parts(data, signature, 2)
        for info in _parts(data, output, 2)
        for name in _values(data, info, 1)
    }


def _node_of(reference: bytes) -> bytes:
    """Return the node that ``^name`` or ``name:0`` is a result of."""
    return reference.lstrip(b"^").partition(b":")[0]


def _parts(data: bytes, span: Span, wanted: int) -> list[Span]:
    """Return where the fields of this number lie, strings or messages."""
    return [(start, end) for number, start, end in fields(data, span, BYTES) if number == wanted]


def _values(data: bytes, span: Span, wanted: int) -> list[bytes]:
    return [data[start:end] for start, end in _parts(data, span, wanted)]


def _key(data: bytes, entry: Span) -> bytes:
    """Return the key of a map's entry: its last one, as every reader takes it."""
    return (_values(data, entry, 1) or [b""])[-1]
