"""What `vitrine-train quick` makes of somebody's own pictures: from the folder to a picture over HTTP.

    python -m benchmarks.own_pictures                      both folders, a quarter of an hour each
    python -m benchmarks.own_pictures --minutes 1 shapes   a first look at one

Two folders are drawn by seed: 400 coloured shapes of 64 x 64 pixels in four folders of classes, and 300 faces
of many sizes. Each is given to ``vitrine-train quick`` with nothing but its name, and the version that it
publishes to ``vitrine serve``. The table has, of held-out pictures, the PSNR of the model's reconstructions
and of PCA with as many components, and how far the colour of a reconstructed shape is from its own: the
largest difference of a channel's median inside the shape, as a share of the scale. Samples, as the service
answers, are left as PNG files to be looked at; reconstructions stand in each run's ``sheet.png``.
"""

import argparse
import json
import math
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.processes import HOST, PROJECT, free_port
from tests.own_pictures import draw_faces, draw_shapes

FOLDERS = {"shapes": draw_shapes, "faces": draw_faces}
TRAIN = "from training.cli import main; main()"
SERVE = "from app.cli import main; main()"
START_SECONDS = 60
NEAR = 0.02  # of the scale: two colours of one flat part differ by less
FEWEST_PIXELS = 20  # of a part that has a colour

Images = npt.NDArray[np.float32]


class Found(NamedTuple):
    """What came of one folder."""

    name: str
    minutes: float  # from the folder to a picture over HTTP
    psnr: float  # dB, of held-out pictures
    pca_psnr: float
    colour_errors: list[float]  # of each held-out shape; of faces none


def main() -> None:
    """Train, publish, serve, measure; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", choices=[*FOLDERS, []], help="shapes, faces; both if not given")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training each")
    parser.add_argument("--out", type=Path, default=Path("own-pictures"), help="folder for all that is made")
    arguments = parser.parse_args()
    found = [
        measure(name, arguments.out.resolve(), arguments.minutes) for name in arguments.folders or FOLDERS
    ]
    print("\n".join(table(found)))


def measure(name: str, out: Path, minutes: float) -> Found:
    """Return what came of one folder, which is drawn first."""
    pictures, store, run = (out / part / name for part in ("pictures", "stores", "runs"))
    if not pictures.exists():
        FOLDERS[name](pictures)
    began = time.perf_counter()
    words = ["quick", str(pictures), "--out", str(run), "--store", str(store), "--minutes", str(minutes)]
    subprocess.run([sys.executable, "-c", TRAIN, *words], check=True)
    (out / f"{name}-samples.png").write_bytes(first_picture(store, name))
    took = (time.perf_counter() - began) / 60
    errors = [] if name == "faces" else colour_errors(*held_out(run))
    measured = json.loads((run / "report.json").read_text())["test"]
    psnr, pca = (-10 * math.log10(measured[key]) for key in ("reconstruction_mse", "pca_reconstruction_mse"))
    return Found(name, took, psnr, pca, errors)


def first_picture(store: Path, model: str) -> bytes:
    """Return the first samples of a model that a service of this store answers with."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        SERVE,
        "serve",
        "--model-store",
        str(store),
        "--port",
        str(port),
        "--host",
        HOST,
    ]
    server = subprocess.Popen(command, cwd=PROJECT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                address = f"http://{HOST}:{port}/samples?model={model}&n=32&seed=1"
                with urllib.request.urlopen(address, timeout=START_SECONDS) as answer:
                    return bytes(answer.read())
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait()


def held_out(run: Path) -> tuple[Images, Images]:
    """Return the test images of a run, and their reconstructions."""
    from training import data, runs
    from training.trained import TrainedModel

    config, environment = runs.read(run)
    images = data.load_again("images", None, runs.image_fit(config), environment).test
    return images, np.clip(TrainedModel.from_run(run).reconstruct(images), 0, 1)


def colour_errors(images: Images, reconstructions: Images) -> list[float]:
    """Return by how much the colour of each image's shape differs in its reconstruction, of the scale.

    The ground is the colour of the corner; the shape, the largest part of another colour.
    """
    errors = []
    for image, reconstruction in zip(images, reconstructions, strict=True):
        levels, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
        counts[np.abs(levels - image[0, 0]).max(axis=1) < NEAR] = 0
        inside = np.abs(image - levels[counts.argmax()]).max(axis=2) < NEAR
        if inside.sum() >= FEWEST_PIXELS:
            own, drawn = (np.median(each[inside], axis=0) for each in (image, reconstruction))
            errors.append(float(np.abs(own - drawn).max()))
    return errors


def table(found: list[Found]) -> list[str]:
    """Return the lines of the table."""
    lines = ["| folder | minutes | PSNR | of PCA | better by | colour error, median | within 10 % |"]
    lines.append("|---|---|---|---|---|---|---|")
    for each in found:
        errors = np.array(each.colour_errors)
        colour = f"{np.median(errors):.1%} | {np.mean(errors < 0.1):.0%}" if len(errors) else "- | -"
        better = each.psnr - each.pca_psnr
        lines.append(
            f"| {each.name} | {each.minutes:.1f} | {each.psnr:.2f} dB | {each.pca_psnr:.2f} dB | "
            f"{better:+.2f} dB | {colour} |"
        )
    return lines


if __name__ == "__main__":
    main()
