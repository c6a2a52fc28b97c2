"""Time and size of a grid's PNG: ours beside Pillow's, and beside the other deflate libraries we could use.

    pip install zlib-ng deflate     # the two that Vitrine does without; left out of the table if missing
    python benchmarks/png.py

The pictures are the shipped model's own samples. Runs are interleaved; the median of them is reported.
"""

import argparse
import importlib
import io
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import latent
from app.pictures import grids
from app.pictures.encode import encode_png
from app.store import Version, scan

STORE = Path(__file__).resolve().parent.parent / "model_store"
MODEL = "fashion-dense"
ROUNDS = 15


def main() -> None:
    """Measure, and print a table."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    from app.runtimes.tensorflow import TensorFlowRuntime  # takes seconds, which help should not

    version = newest(STORE, MODEL)
    print(f"Samples of {version.reference}.\n")
    runtime = TensorFlowRuntime(version.folder, threads=1)
    pictures = {
        count: grids.grid(
            grids.to_pixels(
                runtime.decode(latent.standard_normal(42, 0, count, version.manifest.latent_dim))
            ),
            columns=columns,
        )
        for count, columns in ((21, 7), (400, 25))
    }
    print("| images | encoder | ms | bytes |\n|---|---|---|---|")
    for count, pixels in pictures.items():
        times: dict[str, list[float]] = {}
        sizes = {}
        for _ in range(ROUNDS):
            for name, encode in encoders().items():
                started = time.perf_counter()
                for _ in range(10):
                    png = encode(pixels)
                times.setdefault(name, []).append((time.perf_counter() - started) / 10)
                sizes[name] = len(png)
        for name, values in times.items():
            print(f"| {count} | {name} | {1000 * statistics.median(values):.3f} | {sizes[name]} |")


def newest(store: Path, name: str) -> Version:
    """Return the newest version of a model, which the name alone means."""
    return scan(store).find(name)


def encoders() -> dict[str, Callable[[grids.Pixels], bytes]]:
    """Return what is compared; the libraries other than ours deflate rows filtered in the same way."""
    found: dict[str, Callable[[grids.Pixels], bytes]] = {
        "Vitrine (ISA-L, level 1)": encode_png,
        "Pillow": lambda pixels: pillow(pixels, 6),
        "Pillow, level 1": lambda pixels: pillow(pixels, 1),
        "zlib, level 1": lambda pixels: zlib.compress(filtered(pixels), 1),
    }
    for module, label in (("zlib_ng.zlib_ng", "zlib-ng, level 1"), ("deflate", "libdeflate, level 1")):
        try:
            library = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        compress = getattr(library, "zlib_compress", None) or library.compress
        found[label] = lambda pixels, compress=compress: compress(filtered(pixels), 1)
    return found


def pillow(pixels: grids.Pixels, level: int) -> bytes:
    """Encode as Pillow does."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()


def filtered(pixels: grids.Pixels) -> bytes:
    """Return the rows as differences from the row above, each behind its filter's number."""
    rows = np.vstack([pixels[:1], pixels[1:] - pixels[:-1]])
    return np.hstack([np.full((len(rows), 1), 2, np.uint8), rows]).tobytes()


if __name__ == "__main__":
    main()
