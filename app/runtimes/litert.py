"""Runs a version's flatbuffers by LiteRT, TensorFlow's own small runtime."""

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ai_edge_litert.interpreter import Interpreter

from app.runtimes import LITERT_DECODER, LITERT_ENCODER, Array
from app.runtimes.trim import give_back

T = TypeVar("T")

UNUSED_SECONDS = 5.0  # after which an interpreter gives way, if others do what there is to do


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
    widens = True

    def __init__(self, folder: Path, threads: int) -> None:
        self._encoders = _Interpreters((folder / LITERT_ENCODER).read_bytes(), ("encode",), threads)
        decoder = (folder / LITERT_DECODER).read_bytes()
        self._decoders = _Interpreters(decoder, ("decode", "draw", "parameters"), threads)
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

    def decode_wide(self, z: Array, threads: int) -> Array:
        """Return ``decode``, computed by so many threads; see ``Runtime``."""
        return self._decoders.run("decode", threads, z=z)["image"]

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z); see ``Runtime``."""
        return self._decoders.run("draw", z=z, noise=noise)["image"]

    def with_parameters(self, z: Array, use: Callable[[Array], Array]) -> Array:
        """Return what `use` makes of what p(x given z) is made of at each pixel; see ``Runtime``."""
        return self._decoders.use("parameters", use, z=z)

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel; see ``Runtime``."""
        return self._scorers().run("log_prob", z=z, images=images)["log_prob_per_pixel"]

    def rest_wide(self) -> None:
        """Let the idle interpreters of ``decode_wide`` go; see ``Runtime``."""
        self._decoders.rest_wide()

    def rest(self, ready: bool = False) -> None:
        """Let the idle interpreters go; see ``Runtime``."""
        self._encoders.rest(ready)
        self._decoders.rest(ready)
        if self._scorers.cache_info().currsize:
            self._scorers().rest()


class _Interpreter:
    """One interpreter, which serves one caller at a time and lets Python's lock go while it computes.

    It runs those of `signatures` that the flatbuffer has.
    """

    def __init__(self, flatbuffer: bytes, signatures: tuple[str, ...], threads: int) -> None:
        interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
        self.signatures = frozenset(interpreter.get_signature_list())
        self._runners = {
            name: interpreter.get_signature_runner(name) for name in signatures if name in self.signatures
        }
        if not self._runners:
            raise ValueError(f"the flatbuffer has no signature {' or '.join(signatures)}")
        self.threads = threads
        self.used = 0.0  # when, by the monotonic clock
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

    def use(
        self, signature: str, rows: int, arrays: dict[str, Array], use: Callable[[Array], Array]
    ) -> Array:
        """Return what `use` makes of the signature's only output, the interpreter's own memory.

        A copy of it would go through the caches once more: what draws need is a hundred kilobytes an image.
        """
        runner = self._runners[signature]
        interpreter, graph = runner._interpreter_wrapper, runner._subgraph_index
        if self.is_allocated_for(signature, rows):
            for name, array in arrays.items():
                interpreter.SetTensor(runner._inputs[name], array, graph)
            interpreter.Invoke(graph)
        else:
            self.run(signature, rows, arrays)
        ((_, output),) = runner._outputs
        return use(interpreter.tensor(None, output, graph))


class _Interpreters:
    """As many interpreters of one flatbuffer as threads call at the same time.

    The first is made at once, others when needed. For another number of rows a graph of a thousand operations
    takes a millisecond to allocate its memory, so a caller gets one that has it, if that is idle.

    A caller may want more threads than `threads`: such an interpreter is another one, as the number is fixed
    when it is made, and each has its own copy of the weights. So those of one kind give way, UNUSED_SECONDS
    after their last use, where only the other kind computes; the next one is made in 20 ms.
    """

    def __init__(self, flatbuffer: bytes, signatures: tuple[str, ...], threads: int) -> None:
        self._flatbuffer = flatbuffer
        self._of_all = signatures
        self._threads = threads
        first = _Interpreter(flatbuffer, signatures, threads)
        self.rows = first.rows
        self.signatures = first.signatures
        self._idle = [first]
        self._running = 0
        self._lock = threading.Lock()  # for the two above

    def run(self, signature: str, threads: int | None = None, **arrays: Array) -> dict[str, Array]:
        """Return what the signature gives, in arrays of their own.

        Raises:
            ValueError: another number of rows than the flatbuffer takes.
        """
        return self._with_one(signature, threads, arrays, _Interpreter.run)

    def use(self, signature: str, use: Callable[[Array], Array], **arrays: Array) -> Array:
        """Return what `use` makes of the signature's only output, which it must not keep.

        Raises:
            ValueError: as ``run``.
        """

        def lend(interpreter: _Interpreter, signature: str, rows: int, arrays: dict[str, Array]) -> Array:
            return interpreter.use(signature, rows, arrays, use)

        return self._with_one(signature, None, arrays, lend)

    def _with_one(
        self,
        signature: str,
        threads: int | None,
        arrays: dict[str, Array],
        compute: Callable[[_Interpreter, str, int, dict[str, Array]], T],
    ) -> T:
        """Return what `compute` makes of an interpreter that is nobody else's meanwhile."""
        rows = len(next(iter(arrays.values())))
        for name, array in arrays.items():
            if len(array) != (self.rows or rows):
                raise ValueError(f"{name}: expected {self.rows or rows} rows. Received: {len(array)}")
        interpreter = self._take(signature, rows, threads or self._threads)
        try:
            computed = compute(interpreter, signature, rows, arrays)
        except BaseException:
            self._put_back(None)
            raise
        self._put_back(interpreter)
        return computed

    def _take(self, signature: str, rows: int, threads: int) -> _Interpreter:
        """Take an idle interpreter: one allocated for `rows`, else that used least lately, else a new one."""
        with self._lock:
            self._running += 1
            idle = [each for each in self._idle if each.threads == threads]
            if idle:
                found = next((each for each in idle if each.is_allocated_for(signature, rows)), idle[0])
                self._idle.remove(found)
                return found
        try:
            return _Interpreter(
                self._flatbuffer, self._of_all if threads == self._threads else (signature,), threads
            )
        except BaseException:
            self._put_back(None)
            raise

    def _put_back(self, interpreter: _Interpreter | None) -> None:
        """Let an interpreter be idle; None: it failed, and is not used again."""
        with self._lock:
            self._running -= 1
            unused = [] if interpreter is None else self._unused_beside(interpreter)
            for other in unused:
                self._idle.remove(other)
            if interpreter is not None:
                self._idle.append(interpreter)
        if unused:
            unused.clear()
            del other
            give_back()

    def _unused_beside(self, interpreter: _Interpreter) -> list[_Interpreter]:
        """Return the idle ones that give way to one that has just computed."""
        interpreter.used = time.monotonic()
        if interpreter.threads != self._threads:  # nothing else computes: one of the others will do
            others = [each for each in self._idle if each.threads == self._threads][:-1]
        elif self._running:  # several compute at the same time
            others = [each for each in self._idle if each.threads != self._threads]
        else:
            others = []
        return [each for each in others if interpreter.used - each.used > UNUSED_SECONDS]

    def rest(self, ready: bool = False) -> None:
        """Let the idle ones go; if `ready`, all but one with the usual threads."""
        with self._lock:
            usual = [each for each in self._idle if each.threads == self._threads]
            self._idle[:] = usual[-1:] if ready else []
            del usual
        give_back()

    def rest_wide(self) -> None:
        """Let those idle ones go that have other threads than most."""
        with self._lock:
            self._idle = [each for each in self._idle if each.threads == self._threads]
        give_back()
