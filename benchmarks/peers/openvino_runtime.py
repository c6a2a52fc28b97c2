"""A version's SavedModels by OpenVINO, which reads them as they are, as ``app.runtimes`` has them."""

import threading
from collections import deque
from pathlib import Path
from typing import Any

import openvino as ov

from app.runtimes import Array


class OpenVINORuntime:
    """The signatures of one version, each compiled for a number of rows when that is first asked for.

    A shape that is known is what OpenVINO's kernels are fast for; for any number of rows they are slower.

    Args:
        folder: a version's folder, with ``encoder`` and ``decoder``.
        threads: threads that one computation may use.
        at_once: computations that may run at the same time, each on a stream of its own.
    """

    name = "openvino"

    def __init__(self, folder: Path, threads: int, at_once: int = 1) -> None:
        self._core = ov.Core()
        self._settings = {
            "INFERENCE_NUM_THREADS": threads * at_once,
            "NUM_STREAMS": at_once,
            "INFERENCE_PRECISION_HINT": "f32",  # where the processor has bfloat16, it is the default
        }
        self._models = signatures(self._core.read_model(folder / "decoder"))
        # Opened as the others open it, so that time and memory are of the same thing.
        self._encoder = self._compile(self._core.read_model(folder / "encoder"), 1)
        self._idle: dict[tuple[str, int], deque[Any]] = {}
        self._compiled: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z); see ``app.runtimes.Runtime``."""
        return self._run("decode", z)

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z); see ``app.runtimes.Runtime``."""
        return self._run("draw", z, noise)

    def _run(self, signature: str, *arrays: Array) -> Array:
        key = (signature, len(arrays[0]))
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(self._models[signature], key[1])
                self._idle[key] = deque()
        try:
            request = self._idle[key].pop()
        except IndexError:
            request = self._compiled[key].create_infer_request()
        result: Array = request.infer(list(arrays))[0]
        self._idle[key].append(request)
        return result

    def _compile(self, model: Any, rows: int) -> Any:
        shaped = model.clone()
        shapes = {}
        for parameter in shaped.inputs:
            shape = parameter.partial_shape
            shape[0] = rows
            shapes[parameter] = shape
        shaped.reshape(shapes)
        return self._core.compile_model(shaped, "CPU", self._settings)


def signatures(whole: Any) -> dict[str, Any]:
    """Return the models of ``decode`` and ``draw``, out of one that has the results of every signature.

    Which a result belongs to shows in what it is computed from: draws need noise, likelihoods need images.
    """
    found = {}
    for result in whole.get_results():
        parameters = parameters_of(result)
        names = [" ".join(parameter.output(0).get_names()) for parameter in parameters]
        if any("images" in name for name in names):
            continue
        noise = ["noise" in name for name in names]
        codes_first = [parameters[k] for k in sorted(range(len(noise)), key=noise.__getitem__)]
        found["draw" if any(noise) else "decode"] = ov.Model([result], codes_first)
    return found


def parameters_of(result: Any) -> list[Any]:
    """Return the parameters that a result is computed from."""
    found, seen, ahead = [], set(), [result]
    while ahead:
        node = ahead.pop()
        if (name := node.get_friendly_name()) in seen:
            continue
        seen.add(name)
        if node.get_type_name() == "Parameter":
            found.append(node)
        ahead += [each.get_source_output().get_node() for each in node.inputs()]
    return found
