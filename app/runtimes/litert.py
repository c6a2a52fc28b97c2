"""Runs a version's flatbuffers by LiteRT, TensorFlow's own small runtime."""

from collections import deque
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from app.runtimes import LITERT_DECODER, LITERT_ENCODER, LITERT_ROWS, Array


class LiteRTRuntime:
    """The signatures of one version.

    The matrix products are XNNPACK's, which divides its work among threads by rows and columns, never within
    one sum. So the number of threads does not change a bit.

    Args:
        folder: a version's folder, with the flatbuffers inside ``encoder`` and ``decoder``.
        threads: threads that one computation may use.
    """

    name = "litert"

    def __init__(self, folder: Path, threads: int) -> None:
        self._encoders = _Interpreters((folder / LITERT_ENCODER).read_bytes(), ("encode",), threads)
        self._decoders = _Interpreters((folder / LITERT_DECODER).read_bytes(), ("decode", "draw"), threads)

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return z_mean and z_log_var; see ``Runtime``. Takes 32 rows."""
        encoded = self._encoders.run("encode", images=images)
        return encoded["z_mean"], encoded["z_log_var"]

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z); see ``Runtime``. Takes 32 rows."""
        return self._decoders.run("decode", z=z)["image"]

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z); see ``Runtime``. Takes 32 rows."""
        return self._decoders.run("draw", z=z, noise=noise)["image"]

    def rest(self) -> None:
        """Let the idle interpreters go; see ``Runtime``."""
        self._encoders.rest()
        self._decoders.rest()


class _Interpreters:
    """As many interpreters of one flatbuffer as threads call at the same time: one serves one caller.

    An interpreter lets Python's lock go while it computes. The first is made at once, others when needed.
    """

    def __init__(self, flatbuffer: bytes, signatures: tuple[str, ...], threads: int) -> None:
        self._flatbuffer = flatbuffer
        self._signatures = signatures
        self._threads = threads
        self._idle = deque([self._make()])  # whose append and pop need no lock

    def run(self, signature: str, **arrays: Array) -> dict[str, Array]:
        """Return what the signature gives, in arrays of their own.

        Raises:
            ValueError: another number of rows than the flatbuffer was made for.
        """
        for name, array in arrays.items():
            if len(array) != LITERT_ROWS:
                raise ValueError(f"{name}: expected {LITERT_ROWS} rows. Received: {len(array)}")
        try:
            runners = self._idle.pop()
        except IndexError:
            runners = self._make()
        outputs: dict[str, Array] = runners[signature](**arrays)
        self._idle.append(runners)  # not one that failed
        return outputs

    def rest(self) -> None:
        """Let the idle ones go."""
        self._idle.clear()

    def _make(self) -> dict[str, Any]:
        interpreter = Interpreter(model_content=self._flatbuffer, num_threads=self._threads)
        return {name: interpreter.get_signature_runner(name) for name in self._signatures}
