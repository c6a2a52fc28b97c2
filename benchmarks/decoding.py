"""How fast one runtime decodes one model in this process: codes in, images out, nothing around it.

    .venv/bin/python -m benchmarks.decoding --runtime litert --folder model_store/fashion/8 --at-once 2

``benchmarks.runtimes`` runs it, each time in a process of its own, by the Python that has the runtime. So
nothing but NumPy may be imported before the runtime is. Prints one line of JSON.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.runtimes import Array

Compute = Callable[..., Array]
PACKAGES = {
    "litert": ("ai-edge-litert",),
    "tensorflow": ("tensorflow-cpu", "tensorflow"),
    "naive": ("tensorflow-cpu",),
    "openvino": ("openvino",),
}
FIRST_ROWS = 21
FIXED_ROWS = 32  # of flatbuffers that take no other number
PADDING = 0.5  # a code and noise that every decoder knows


def main() -> None:
    """Open, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", required=True, choices=PACKAGES)
    parser.add_argument("--folder", type=Path, required=True, help="of a version")
    parser.add_argument("--threads", type=int, default=1, help="of one computation")
    parser.add_argument("--at-once", type=int, default=1, help="computations, each in a thread of Python's")
    parser.add_argument("--means", nargs="*", type=int, default=[1, 7, 21, 100], help="rows")
    parser.add_argument("--draws", nargs="*", type=int, default=[], help="rows")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each loop")
    print(json.dumps(measure(parser.parse_args())))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what opening costs, and the rate of every loop."""
    manifest = json.loads((asked.folder / "manifest.json").read_text())
    before = resident_mib()
    marks = [time.perf_counter()]
    make = LOADERS[asked.runtime]()
    marks.append(time.perf_counter())
    runtime = make(asked.folder, asked.threads, asked.at_once)
    marks.append(time.perf_counter())
    z, _ = inputs(manifest, FIRST_ROWS)
    _, first = first_call(runtime.decode, z)
    marks.append(time.perf_counter())
    opened = resident_mib() - before
    rows = [loop(runtime, "mean", inputs(manifest, n)[:1], asked) for n in asked.means]
    rows += [loop(runtime, "draw", inputs(manifest, n), asked) for n in asked.draws]
    imported, constructed, decoded = np.diff(marks)
    return {
        "import_seconds": imported,
        "open_seconds": constructed,
        "first_seconds": decoded,
        "opened_mib": opened,
        "loaded_mib": resident_mib() - before,
        "package_mib": package_mib(PACKAGES[asked.runtime]),
        "image_means": [round(float(mean), 4) for mean in first.mean(axis=(1, 2))],
        "loops": rows,
    }


def inputs(manifest: dict[str, Any], n: int) -> tuple[Array, Array]:
    """Return `n` codes and their noise, always the same."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((n, manifest["latent_dim"])).astype(np.float32)
    shape = manifest["likelihood"]["noise_shape"]
    return z, generator.uniform(0.01, 0.99, (n, *shape)).astype(np.float32)


def loop(runtime: Any, render: str, arrays: tuple[Array, ...], asked: argparse.Namespace) -> dict[str, Any]:
    """Return what the first call took, and the images a second of those that follow."""
    compute = {"mean": runtime.decode, "draw": getattr(runtime, "draw", None)}[render]
    started = time.perf_counter()
    compute, _ = first_call(compute, *arrays)
    first = time.perf_counter() - started
    found = rate(lambda: compute(*arrays), len(arrays[0]), asked.at_once, asked.seconds)
    return {"render": render, "n": len(arrays[0]), "first_call_seconds": first, "images_per_second": found}


def rate(call: Callable[[], object], n: int, at_once: int, seconds: float) -> float:
    """Return the images a second of so many threads, each of which calls again and again.

    Args:
        call: computes `n` images; called once by each thread before time is taken.
        n: images of a call.
        at_once: threads.
        seconds: for which calls are begun.
    """
    ready = threading.Barrier(at_once)
    rates = []

    def work() -> None:
        call()
        ready.wait()
        calls, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds or not calls:
            call()
            calls += 1
        rates.append(n * calls / elapsed)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def first_call(compute: Compute, *arrays: Array) -> tuple[Compute, Array]:
    """Return what computes so many rows, and what it gives: `compute`, or in batches if that refuses them."""
    try:
        return compute, compute(*arrays)
    except ValueError:
        batched = in_batches(compute, FIXED_ROWS)
        return batched, batched(*arrays)


def in_batches(compute: Compute, rows: int) -> Compute:
    """Return what computes any number of rows by `compute`, which takes `rows`: the last are filled up."""

    def computed(*arrays: Array) -> Array:
        parts = []
        for start in range(0, len(arrays[0]), rows):
            batch = [filled(array[start : start + rows], rows) for array in arrays]
            parts.append(compute(*batch))
        return np.concatenate(parts)[: len(arrays[0])]

    return computed


def filled(array: Array, rows: int) -> Array:
    """Return an array with rows of padding at its end."""
    padding = [(0, rows - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, padding, constant_values=PADDING)


def resident_mib() -> float:
    """Return the memory of this process that is resident, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def package_mib(names: tuple[str, ...]) -> float:
    """Return the size of the first of these packages that is installed, in MiB, without what it needs."""
    for name in names:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = [Path(str(file.locate())) for file in files]
        return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20
    return float("nan")


def litert() -> Callable[[Path, int, int], Any]:
    """Import LiteRT, and return what opens a version as the service does."""
    from app.runtimes.litert import LiteRTRuntime

    return lambda folder, threads, _: LiteRTRuntime(folder, threads)


def tensorflow() -> Callable[[Path, int, int], Any]:
    """Import TensorFlow, and return what opens a version as the service does."""
    from app.runtimes.tensorflow import TensorFlowRuntime

    return lambda folder, threads, _: TensorFlowRuntime(folder, threads)


def openvino() -> Callable[[Path, int, int], Any]:
    """Import OpenVINO, and return what opens a version."""
    from benchmarks.peers.openvino_runtime import OpenVINORuntime

    return OpenVINORuntime


class Naive:
    """TensorFlow as the naive service runs it: with its own threads and oneDNN; the decoder's means alone."""

    def __init__(self, decoder: Callable[[npt.NDArray[np.float32]], Array]) -> None:
        self.decode = decoder


def naive() -> Callable[[Path, int, int], Any]:
    """Import what the naive service decodes with, and return what opens the newest version of a model."""
    sys.path.insert(0, str(Path(__file__).with_name("peers")))

    import tensorflow  # noqa: F401  what takes the time

    def open_version(folder: Path, *_: int) -> Naive:
        os.environ["PEER_MODEL"] = folder.parent.name
        import drawing

        if folder.resolve() != drawing.VERSION:
            raise SystemExit(f"the naive service decodes {drawing.VERSION}, not {folder}")
        return Naive(drawing.Decoder())

    return open_version


LOADERS = {"litert": litert, "tensorflow": tensorflow, "openvino": openvino, "naive": naive}


if __name__ == "__main__":
    main()
