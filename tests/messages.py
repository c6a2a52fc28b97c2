"""Messages as Protocol Buffers write them: SavedModels of a few nodes, to be refused or not."""


def varint(value: int) -> bytes:
    """Return a whole number; a negative one as 64 bits."""
    value &= (1 << 64) - 1
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def field(number: int, *values: bytes | str | int) -> bytes:
    """Return a field, once for each value: a message or a string, or a whole number."""
    written = b""
    for value in values:
        if isinstance(value, int):
            written += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            written += varint(number << 3 | 2) + varint(len(content)) + content
    return written


def node(name: str, operation: str, *inputs: str, calls: str | None = None) -> bytes:
    """Return a NodeDef, which calls a function if one is named."""
    attribute = b"" if calls is None else field(5, field(1, "f") + field(2, field(10, field(1, calls))))
    return field(1, name) + field(2, operation) + field(3, *inputs) + attribute


def function(name: str, *nodes: bytes) -> bytes:
    """Return a FunctionDef."""
    return field(1, field(1, name)) + field(3, *nodes)


def array(name: str, *shape: int) -> bytes:
    """Return a TensorInfo of float32."""
    return field(1, name) + field(2, 1) + field(3, field(2, *(field(1, size) for size in shape)))


def signature(inputs: dict[str, bytes], outputs: dict[str, bytes]) -> bytes:
    """Return a SignatureDef of arrays by name."""
    return b"".join(
        field(number, *(field(1, name) + field(2, info) for name, info in arrays.items()))
        for number, arrays in ((1, inputs), (2, outputs))
    )


VARIABLE = field(7, field(1, 1))  # a SavedObject
USER_OBJECT = field(4, field(1, "_generic_user_object"))
SAVE = function("save", node("s", "SaveV2"))
SAVER = field(2, "saving:0")


def saved_model(
    nodes: tuple[bytes, ...] = (),
    functions: tuple[bytes, ...] = (),
    objects: tuple[bytes, ...] = (USER_OBJECT, VARIABLE),
    callable_functions: tuple[str, ...] = (),
    signatures: dict[str, bytes] | None = None,
    rest: bytes = b"",
) -> bytes:
    """Return ``saved_model.pb`` with one graph; `rest` are further fields of its MetaGraphDef."""
    graph = field(1, *nodes) + field(2, field(1, *functions))
    found = field(1, *objects) + field(2, *(field(1, name) + field(2, b"") for name in callable_functions))
    entries = field(5, *(field(1, name) + field(2, each) for name, each in (signatures or {}).items()))
    return field(1, 1) + field(2, field(2, graph) + entries + field(7, found) + rest)
