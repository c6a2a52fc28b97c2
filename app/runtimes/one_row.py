"""A flatbuffer of ``decode`` alone, for one code at a time: what LiteRT.js can run.

LiteRT.js takes tensors of the very shape that the flatbuffer declares. One that leaves the number of rows
open fits none, so the copy here says 1; its operations and weights stay as they are.
"""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from app.runtimes import LITERT_DECODER, Array

IDENTIFIER = b"TFL3"  # of a flatbuffer of this schema
ALIGNMENT = 16  # bytes, of weights, as the schema asks for
SIGNATURE = "decode"


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # the package has no types
    """Writes vectors where the schema wants them; the generated code knows nothing of its alignment."""

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802  a method of the base class
        self.Prep(ALIGNMENT, x.nbytes)
        offset: int = super().CreateNumpyVector(x)
        return offset


def one_row_decoder(folder: Path) -> bytes:
    """Return the flatbuffer of ``decode`` of the version in `folder`, z (1, D) -> image (1, H, W).

    Raises:
        ValueError: it computes with other numbers of rows than it is given.
    """
    content = (folder / LITERT_DECODER).read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    signature = next(each for each in model.signatureDefs if each.signatureKey == SIGNATURE.encode())
    graph = model.subgraphs[signature.subgraphIndex]
    for tensor in graph.tensors:
        if tensor.shapeSignature is not None:
            # The declared shape is the one for a single row.
            if (tensor.shape[tensor.shapeSignature == -1] != 1).any():
                raise ValueError(f"{tensor.name.decode()}: expected 1 where the number of rows is open")
            tensor.shapeSignature = None
    used = [0, *sorted({tensor.buffer for tensor in graph.tensors} - {0})]
    numbers = {buffer: number for number, buffer in enumerate(used)}
    for tensor in graph.tensors:
        tensor.buffer = numbers[tensor.buffer]
    signature.subgraphIndex = 0
    model.subgraphs, model.signatureDefs, model.metadata = [graph], [signature], None
    model.buffers = [model.buffers[buffer] for buffer in used]
    builder = _Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def decode_one_by_one(flatbuffer: bytes, z: Array) -> Array:
    """Return what such a flatbuffer makes of codes `z`, (B, D): images (B, H, W) in [0, 1]."""
    runner = Interpreter(model_content=flatbuffer).get_signature_runner(SIGNATURE)
    return np.concatenate([runner(z=code[None])["image"] for code in z])
