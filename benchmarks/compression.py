"""What a model's bound says that pictures cost, beside what PNG and lossless WebP take for them.

    vitrine-train evaluate runs/emoji --full
    .venv/bin/python -m benchmarks.compression runs/emoji

The pictures are the test split of the run's own data. PNG is Pillow's, optimised; WebP's effort is the
greatest. Both take them as files of one picture each, and as one file with all below each other, which shares
the codes and has one header. The bounds are those of the run's ``report.json``, in bits a level, per dim;
the sizes count whole files. A bound is what bits-back coding would take on average; no such coder is part of
Vitrine, and the size of the model does not count.
"""

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.tables import markdown
from training import data, runs

Pixels = npt.NDArray[np.uint8]

FORMATS: dict[str, dict[str, Any]] = {
    "PNG, optimised": {"format": "PNG", "optimize": True},
    "WebP, lossless": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6, "exact": True},
}
TALLEST = 16_383  # pixels, of a WebP


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run that was evaluated")
    parser.add_argument("--data", type=Path, help="as of vitrine-train")
    arguments = parser.parse_args()
    config, environment = runs.read(arguments.run)
    dataset = data.load_again(config.data.name, arguments.data, runs.image_fit(config), environment)
    levels = np.rint(255 * dataset.test).astype(np.uint8)
    report = json.loads((arguments.run / runs.REPORT).read_text())
    print(f"{len(levels)} pictures of {' x '.join(map(str, levels.shape[1:]))}, bits a level:\n")
    header = ["", "each alone", "all together"]
    print(markdown([header, *_rows(levels), *_bounds(report["bounds"]["log_p_x"])]))


def _rows(levels: Pixels) -> Iterator[list[str]]:
    for name, options in FORMATS.items():
        yield [name, f"{alone(levels, options):.3f}", f"{together(levels, options):.3f}"]


def _bounds(rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    for row in rows:
        yield [f"the model, L_{row['k']} of {row['num_images']}", f"{row['bits_per_dim']:.3f}", "-"]


def alone(levels: Pixels, options: dict[str, Any]) -> float:
    """Return the bits a level of pictures, (N, H, W) or (N, H, W, 3), each in a file of its own."""
    return 8 * sum(_size(image, options) for image in levels) / levels.size


def together(levels: Pixels, options: dict[str, Any]) -> float:
    """Return the bits a level of pictures below each other in one file, or as few files as formats allow."""
    at_once = TALLEST // levels.shape[1]
    parts = [levels[first : first + at_once] for first in range(0, len(levels), at_once)]
    return 8 * sum(_size(part.reshape(-1, *part.shape[2:]), options) for part in parts) / levels.size


def _size(pixels: Pixels, options: dict[str, Any]) -> int:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, **options)
    return len(file.getvalue())


if __name__ == "__main__":
    main()
