"""What a version's SavedModels and flatbuffers would do, read from their bytes before anything runs them.

Both are programs. Nothing here executes one, and neither TensorFlow nor LiteRT is needed.
"""

from collections.abc import Callable

from app.manifest import File, Manifest
from app.programs import flatbuffer, saved_model, shapes
from app.programs.program import Program, RefusedProgram

__all__ = ["Program", "RefusedProgram", "check", "read"]

_READERS = {"saved_model.pb": saved_model.read}
_SUFFIX = ".tflite"
# TensorFlow looks for a graph in these too, and prefers some to saved_model.pb.
_OTHER_GRAPHS = ("saved_model.pbtxt", "saved_model.cpb")


# What was read before, by path and SHA-256: a store is scanned again and again.
_KNOWN: dict[tuple[str, str], Program | RefusedProgram] = {}
_MAX_KNOWN = 4_096


def check(file: File, content: bytes, manifest: Manifest) -> None:
    """Refuse a program that must not run, or whose shapes are not the manifest's; other files pass.

    Raises:
        RefusedProgram: as ``read``, or as ``shapes.check``.
    """
    program = read(file.path, content, file.sha256)
    if program is not None:
        shapes.check(file.path, program, manifest)


def read(path: str, content: bytes, sha256: str) -> Program | None:
    """Return what a file of a version would do; None if no runtime runs such a file.

    Args:
        path: of the file inside its version's folder.
        content: its bytes.
        sha256: of these bytes, in hexadecimal digits.

    Raises:
        RefusedProgram: it has an operation that is not allowed, or cannot be read; names both.
    """
    name = path.rpartition("/")[2]
    if name in _OTHER_GRAPHS:
        raise RefusedProgram(f"{path}: a second form of a SavedModel; only saved_model.pb is served")
    reader = flatbuffer.read if name.endswith(_SUFFIX) else _READERS.get(name)
    if reader is None:
        return None
    known = _KNOWN.get((path, sha256)) or _read(reader, path, content)
    if len(_KNOWN) >= _MAX_KNOWN:
        _KNOWN.clear()
    _KNOWN[path, sha256] = known
    if isinstance(known, RefusedProgram):
        raise RefusedProgram(*known.args)
    return known


def _read(reader: Callable[[bytes], Program], path: str, content: bytes) -> Program | RefusedProgram:
    try:
        return reader(content)
    except RefusedProgram as refusal:
        return RefusedProgram(f"{path}: {refusal}")
