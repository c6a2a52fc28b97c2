"""What scores and completions of a version are worth: unusual images found, lower halves filled in.

    .venv/bin/python -m benchmarks.unusual model_store/fashion/8    a quarter of an hour
    .venv/bin/python -m benchmarks.unusual model_store/fashion/8 --images 50 --completions 20

Of Fashion-MNIST's test images and of as many of other kinds: the AUROC of -L_k, and of the score that is
corrected for complexity. Then the mean of L_k beside the card's. Then the mean squared error on the lower
halves of test images, hidden: of the mean completion, of one completion, and of the mean training image. All
of it is what the service computes, without HTTP.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app import runtimes
from app.explore.completion import Incomplete, Wanted, complete
from app.explore.scores import Draws, Score, score
from app.models import Model
from app.pictures.encode import encode_png
from app.settings import Settings
from app.store import scan
from training import data

CARDS_K = 100  # of whose L_k the cards tell
AT_ONCE = 32  # images
SEED = 42
LIMITS = Settings(max_draws=10**8)

Levels = npt.NDArray[np.uint8]


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=Path, help="folder of a version in a model store")
    parser.add_argument("--images", type=int, default=1_000, help="of every kind to score")
    parser.add_argument("--completions", type=int, default=1_000, help="images to complete")
    parser.add_argument("--runtime", choices=("auto", "litert", "tensorflow"), default="auto")
    arguments = parser.parse_args()
    folder = arguments.version.resolve()
    version = scan(folder.parents[1]).find(f"{folder.parent.name}@{folder.name}")
    model = Model(version, runtimes.opener(arguments.runtime)(version.folder, 1))
    model.prepare_scoring()
    dataset = data.load("fashion-mnist")
    test = dataset.test
    print_scores(model, folder, test[: arguments.images])
    average = dataset.train.mean(axis=0, dtype=np.float64)
    print_completions(model, test[: arguments.completions], average)


def print_scores(model: Model, folder: Path, images: data.Images) -> None:
    """Print how well both scores find images of other kinds, and L_k beside the card's."""
    from training.metrics import ood  # TensorFlow takes seconds, for which --help has no use
    from training.metrics.two_sample import auroc

    started = time.monotonic()
    kinds = {"test": images, **ood.outlier_sets(images, SEED)}
    kinds |= {"upside down": images[:, ::-1], "black": np.zeros_like(images)}
    found = {kind: scores_of(model, some) for kind, some in kinds.items()}
    usual = found.pop("test")
    print(f"{model.version.reference}, {model.runtime}: k = {CARDS_K}, {len(images)} images of every kind\n")
    print("| kind | AUROC, corrected score | AUROC, -L_k |\n|---|---|---|")
    for kind, scores in found.items():
        both = [auroc(each(usual), each(scores)) for each in (corrected, unlikely)]
        print(f"| {kind} | {both[0]:.3f} | {both[1]:.3f} |")
    nats = -unlikely(usual)
    error = nats.std(ddof=1) / np.sqrt(len(nats))
    bounds = json.loads((folder / "manifest.json").read_text())["metrics"]["bounds"]["log_p_x"]
    card = next((row for row in bounds if row["k"] == CARDS_K), None)
    told = f"{card['nats']:.1f} +- {card['standard_error']:.1f} by the card" if card else "not on the card"
    print(f"\nL_{CARDS_K} of the test images: {nats.mean():.1f} +- {error:.1f} nats; {told}")
    print(f"in {time.monotonic() - started:.0f} s\n")


def scores_of(model: Model, images: data.Images) -> list[Score]:
    """Return the score of every image, (N, H, W) in [0, 1]."""
    files = [("image", encode_png(image)) for image in levels_of(images)]
    groups = [files[start : start + AT_ONCE] for start in range(0, len(files), AT_ONCE)]
    draws = Draws(CARDS_K, SEED)
    return [one for group in groups for one in score(model, LIMITS, group, "no", draws)().scores]


def corrected(scores: list[Score]) -> npt.NDArray[np.float64]:
    """Return the corrected scores, (N,), as numbers; none of them may be missing."""
    return np.array([each.corrected for each in scores], np.float64)


def unlikely(scores: list[Score]) -> npt.NDArray[np.float64]:
    """Return -L_k of every image, (N,)."""
    return -np.array([each.log_p_x for each in scores])


def print_completions(model: Model, images: data.Images, average: npt.NDArray[np.float64]) -> None:
    """Print the errors on hidden lower halves; `average` is the mean training image."""
    started = time.monotonic()
    levels = levels_of(images)
    hidden = np.arange(images.shape[1]) >= images.shape[1] // 2
    seen = np.broadcast_to(~hidden[None, :, None], levels.shape)
    mean, one, sizes = [], [], []
    for start in range(0, len(levels), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        read = functools.partial(Incomplete, levels[part], seen[part])
        work = complete(model, LIMITS, Wanted(render="mean"), read, len(levels[part]))
        for image, found in zip(images[part], work().completions, strict=True):
            mean.append(np.mean((found.mean - image)[hidden] ** 2))
            one.append(np.mean((found.images / 255 - image)[:, hidden] ** 2))
            sizes.append(found.effective_sample_size)
    trivial = float(np.mean((average - images)[:, hidden] ** 2))
    draws = Wanted().draws.k
    print(f"{model.version.reference}: lower halves of {len(images)} test images, {draws} draws each\n")
    print("| by | mean squared error | of that of the mean training image |\n|---|---|---|")
    rows = {"mean completion": np.mean(mean), "one completion": np.mean(one), "mean training image": trivial}
    for by, error in rows.items():
        print(f"| {by} | {error:.4f} | {error / trivial:.0%} |")
    print(f"\neffective sample size: median {np.median(sizes):.1f}; in {time.monotonic() - started:.0f} s")


def levels_of(images: data.Images) -> Levels:
    """Return images in [0, 1] as the 8-bit levels that they come from."""
    return np.rint(images * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
