"""An encoder or a decoder from elsewhere as a function of arrays: a Keras file or a SavedModel.

It is frozen: weights become constants, and of its outputs only those that are asked for are computed. So
random operations that make a draw of the code go away with that draw.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import convert_to_constants

from training.errors import RunError
from training.publish.importing import keras_files
from training.types import Array, Tensor

# Operations that reach beyond the model's own numbers, in a file that comes from elsewhere.
REACHING_OUT = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|.*PyFunc.*|.*Dataset.*|.*Reader.*|LoadAndRemap.*|.*Send|.*Recv|.*Summary.*"
    r"|Print.*|Bigquery.*|.*SQL.*|Debug.*|CollectiveReduce.*|Rpc.*|.*Custom.*Call.*"
)
BATCH = 256  # rows computed at a time
ONNX_REMEDY = (
    "ONNX files are not read; make SavedModels of them, in an environment of their own, by onnx2tf "
    "(onnx2tf -i encoder.onnx -o encoder), and name these folders"
)


@dataclasses.dataclass(frozen=True)
class Network:
    """A function of one array, for any number of rows.

    Args:
        path: where it came from.
        input_shape: of one row; None where any size will do.
        outputs: the names of what it gives, in its own order; numbers if it names none.
        sha256: of the file, or of all files of the folder.
        unknown: layers whose code was not run, by class; what depends on them is not a number.
        function: a tensor -> every output, draws of the code included.
        graph: the same with constants for weights; what changes with each call, as a seed does, is left out.
        tensors: of the graph: the input, then the outputs.
        dtype: of the input.
    """

    path: Path
    input_shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    sha256: str
    unknown: tuple[str, ...]
    function: Callable[[Tensor], list[Tensor]]
    graph: Any
    tensors: tuple[str, ...]
    dtype: Any

    def only(self, names: tuple[str, ...]) -> Any:
        """Return a function of a tensor (B, *input_shape) that gives these outputs alone, float32."""
        get = self.graph.graph.get_tensor_by_name
        fetched = [get(self.tensors[1 + self.outputs.index(name)]) for name in names]
        pruned = self.graph.prune([get(self.tensors[0])], fetched)
        dtype = self.dtype

        def function(rows: Tensor) -> list[Tensor]:
            return [tf.cast(each, tf.float32) for each in pruned(tf.cast(rows, dtype))]

        return function

    def __call__(self, rows: Array) -> dict[str, Array]:
        """Return every output of rows, by name.

        Raises:
            RunError: it cannot compute these.
        """
        if any(found != size for found, size in zip(rows.shape[1:], self.input_shape, strict=True) if size):
            expected = tuple(self.input_shape)
            raise RunError(f"{self.path}: cannot compute an array of {rows.shape}: its rows are {expected}")
        try:
            parts = [
                [
                    np.asarray(each, np.float32)
                    for each in self.function(tf.cast(rows[start : start + BATCH], self.dtype))
                ]
                for start in range(0, len(rows), BATCH)
            ]
        except (tf.errors.OpError, ValueError, TypeError) as error:
            reason = str(getattr(error, "message", error)).strip().splitlines()[0]
            raise RunError(f"{self.path}: cannot compute an array of {rows.shape}: {reason}") from error
        return {
            name: np.concatenate(each)
            for name, each in zip(self.outputs, zip(*parts, strict=True), strict=True)
        }


def load(path: Path, trust: bool = False) -> Network:
    """Open a ``.keras`` file or the folder of a SavedModel.

    Args:
        path: where it is.
        trust: run code that a Keras file carries (Lambda layers), and operations that reach beyond the model.

    Raises:
        RunError: it is none, takes more than one input, or a fixed number of rows; names a remedy.
    """
    if path.suffix.lower() == ".onnx":
        raise RunError(f"{path}: {ONNX_REMEDY}")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return _load_saved_model(path, trust)
    if path.is_file() and path.suffix.lower() == ".keras":
        model, unknown = keras_files.load(path, trust)
        if len(model.inputs or ()) != 1:
            raise RunError(f"{path}: takes {len(model.inputs or ())} inputs; one was expected")
        shape = tuple(model.inputs[0].shape[1:])
        spec = tf.TensorSpec((None, *shape), model.inputs[0].dtype)
        return _frozen(path, lambda x: model(x, training=False), spec, _names_of(model), unknown)
    what = "no such file" if not path.exists() else "neither a .keras file nor a SavedModel's folder"
    raise RunError(
        f"{path}: {what}; write one by encoder.save('encoder.keras'), or by encoder.export('encoder')"
    )


def _load_saved_model(path: Path, trust: bool) -> Network:
    if not trust:
        _require_harmless(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise RunError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from error
    signatures = loaded.signatures
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if key is None:
        raise RunError(f"{path}: has no signature; write it by model.export('{path.name}')")
    signature = signatures[key]
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise RunError(f"{path}: takes {len(inputs)} inputs; one was expected")
    name, spec = next(iter(inputs.items()))
    if spec.shape[0] is not None:
        raise RunError(f"{path}: takes {spec.shape[0]} rows at a time; write it for any number (None)")

    def run(x: Tensor, kept: Any = loaded) -> Any:  # noqa: ARG001  signatures work as long as it lives
        return signature(**{name: x})

    return _frozen(path, run, spec, (), ())


def _require_harmless(path: Path) -> None:
    """Refuse a SavedModel with operations that reach beyond it, before anything of it is run."""
    content = SavedModel()
    try:
        content.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's own kind
        raise RunError(f"{path}: saved_model.pb cannot be read ({error})") from error
    found = set()
    for meta in content.meta_graphs:
        nodes = [
            *meta.graph_def.node,
            *(node for each in meta.graph_def.library.function for node in each.node_def),
        ]
        found |= {node.op for node in nodes if REACHING_OUT.fullmatch(node.op)}
    if found:
        names = ", ".join(sorted(found))
        raise RunError(f"{path}: has operations that reach beyond the model ({names}); --trust runs them")


def _names_of(model: Any) -> tuple[str, ...]:
    """Return how a Keras model names its outputs; nothing if it does not."""
    names = tuple(getattr(model, "output_names", None) or ())
    return names if len(set(names)) == len(names) else ()


def _frozen(
    path: Path, function: Any, spec: Any, names: tuple[str, ...], unknown: tuple[str, ...]
) -> Network:
    """Return a function of one tensor as a Network; `names` are those of its outputs, if it has any."""
    keys: list[str] = []

    def flat(x: Tensor) -> list[Tensor]:
        given = function(x)
        if isinstance(given, dict):
            # A signature's own order is that of a hash: output_0, output_1 ... stand for it.
            keys[:] = sorted(map(str, given), key=lambda name: (len(name), name))
            return [given[key] for key in keys]
        return list(tf.nest.flatten(given))

    try:
        concrete = tf.function(flat).get_concrete_function(tf.TensorSpec(spec.shape, spec.dtype))
        definition = _with_constants(concrete)
        graph = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(definition, name=""), [])
    except (ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
        raise RunError(f"{path}: cannot be run ({str(error).strip().splitlines()[0]})") from error
    outputs = tuple(keys) or names
    if len(outputs) != len(concrete.outputs):
        outputs = tuple(f"output {number}" for number in range(len(concrete.outputs)))
    tensors = (concrete.inputs[0].name, *(each.name for each in concrete.outputs))
    return Network(
        path=path,
        input_shape=tuple(spec.shape[1:]),
        outputs=outputs,
        sha256=_digest_of(path),
        unknown=unknown,
        function=concrete,
        graph=graph,
        tensors=tensors,
        dtype=spec.dtype,
    )


def _with_constants(concrete: Any) -> Any:
    """Return the graph of a function with its weights as constants, but for numbers that a call changes.

    These are of whole numbers, like the seed of a draw; ``convert_variables_to_constants_v2``, which knows no
    exception, fails where one is assigned.
    """
    changing = {
        inner.name.partition(":")[0]
        for outer, inner in concrete.graph.captures
        for variable in concrete.graph.variables
        if variable.handle is outer and not variable.dtype.is_floating
    }
    data = convert_to_constants._FunctionConverterDataInEager(
        func=concrete, lower_control_flow=True, aggressive_inlining=False, variable_names_denylist=changing
    )
    definition = convert_to_constants._replace_variables_by_constants(data)[0]
    for (
        node
    ) in definition.node:  # no output is to wait until a seed has changed: with constants, order is nothing
        wanted = [each for each in node.input if not each.startswith("^")]
        del node.input[:]
        node.input.extend(wanted)
    return definition


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files in the order of their paths."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
