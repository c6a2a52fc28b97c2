"""Runs a version's flatbuffers by LiteRT, TensorFlow's own small runtime."""

import functools
import threading
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from app.runtimes import LITERT_DECODER, LITERT_ENCODER, Array


class LiteRTRuntime:
    """The signatures of one version.

    The matrix products are XNNPACK's, which divides its work among threads by rows and columns, never within
    one sum. So the number of threads does not change a bit.

    Args:
        folder: a version's folder, with the flatbuffers inside ``encoder`` and ``decoder``.
        threads: threads that one computation may use.

    Attributes:
        rows: the only number of rows that it takes; None: any.
        scores: whether the decoder's flatbuffer has ``log_prob``.
    """

    name = "litert"

    def __init__(self, folder: Path, threads: int) -> None:
        self._encoders = _Interpreters((folder / LITERT_ENCODER).read_bytes(), ("encode",), threads)
        decoder = (folder / LITERT_DECODER).read_bytes()
        self._decoders = _Interpreters(decoder, ("decode", "draw"), threads)
        # Few requests ask for scores: what computes them takes memory from the first of these on.
        self._scorers = functools.cache(lambda: _Interpreters(decoder, ("log_prob",), threads))
        self.rows = self._encoders.rows or self._decoders.rows
        self.scores = "log_prob" in self._decoders.signatures

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return z_mean and z_log_var; see ``Runtime``."""
        encoded = self._encoders.run("encode", images=images)
        return encoded["z_mean"], encoded["z_log_var"]

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z); see ``Runtime``."""
        return self._decoders.run("decode", z=z)["image"]

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z); see ``Runtime``."""
        return self._decoders.run("draw", z=z, noise=noise)["image"]

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel; see ``Runtime``."""
        return self._scorers().run("log_prob", z=z, images=images)["log_prob_per_pixel"]

    def rest(self) -> None:
        """Let the idle interpreters go; see ``Runtime``."""
        self._encoders.rest()
        self._decoders.rest()
        if self._scorers.cache_info().currsize:
            self._scorers().rest()


class _Interpreter:
    """One interpreter, which serves one caller at a time and lets Python's lock go while it computes."""

    def __init__(self, flatbuffer: bytes, signatures: tuple[str, ...], threads: int) -> None:
        interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
        self.signatures = frozenset(interpreter.get_signature_list())
        self._runners = {name: interpreter.get_signature_runner(name) for name in signatures}
        self._sizes: dict[str, int] = {}  # by signature, the number of rows that its memory is allocated for

    @property
    def rows(self) -> int | None:
        """The only number of rows that its signatures take; None: any."""
        first = next(iter(self._runners.values()))
        rows = int(next(iter(first.get_input_details().values()))["shape_signature"][0])
        return None if rows < 0 else rows

    def is_allocated_for(self, signature: str, rows: int) -> bool:
        """Say whether the signature's last computation had so many rows."""
        return self._sizes.get(signature) == rows

    def run(self, signature: str, rows: int, arrays: dict[str, Array]) -> dict[str, Array]:
        """Return what the signature gives, in arrays of their own."""
        outputs: dict[str, Array] = self._runners[signature](**arrays)
        self._sizes[signature] = rows
        return outputs


class _Interpreters:
    """As many interpreters of one flatbuffer as threads call at the same time.

    The first is made at once, others when needed. For another number of rows a graph of a thousand operations
    takes a millisecond to allocate its memory, so a caller gets one that has it, if that is idle.
    """

    def __init__(self, flatbuffer: bytes, signatures: tuple[str, ...], threads: int) -> None:
        self._make = functools.partial(_Interpreter, flatbuffer, signatures, threads)
        first = self._make()
        self.rows = first.rows
        self.signatures = first.signatures
        self._idle = [first]
        self._lock = threading.Lock()

    def run(self, signature: str, **arrays: Array) -> dict[str, Array]:
        """Return what the signature gives, in arrays of their own.

        Raises:
            ValueError: another number of rows than the flatbuffer takes.
        """
        rows = len(next(iter(arrays.values())))
        for name, array in arrays.items():
            if len(array) != (self.rows or rows):
                raise ValueError(f"{name}: expected {self.rows or rows} rows. Received: {len(array)}")
        interpreter = self._take(signature, rows) or self._make()
        outputs = interpreter.run(signature, rows, arrays)
        with self._lock:
            self._idle.append(interpreter)  # not one that failed
        return outputs

    def _take(self, signature: str, rows: int) -> _Interpreter | None:
        """Take an idle interpreter: one allocated for `rows`, else the one that was used least lately."""
        with self._lock:
            if not self._idle:
                return None
            found = (i for i, each in enumerate(self._idle) if each.is_allocated_for(signature, rows))
            return self._idle.pop(next(found, 0))

    def rest(self) -> None:
        """Let the idle ones go."""
        with self._lock:
            self._idle.clear()
