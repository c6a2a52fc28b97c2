"""The quality of samples and reconstructions: every number beside that of real images, with its protocol.

One call, `quality_report`, measures one model; it reads the test split. To see several models side by side,
describe the real images once by `describe_real` and hand the result to every call.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import data
from training.metrics import classifier, fidelity, ood
from training.metrics.classifier import Classifier, Outputs
from training.metrics.neighbours import Memorisation, Nearest, memorisation, nearest
from training.metrics.two_sample import two_sample_auroc

NUM_IMAGES = 10_000
NUM_OUTLIERS = 1_000  # usual images, and as many of each unusual kind
REPEATS = 5  # independent sets of samples for the spread of the Frechet distance
NEIGHBOURS = 5  # k of precision, recall, density and coverage
PAIRS = 20  # samples with their nearest training images that are named, and drawn

PROTOCOLS = {
    "images": "clipped to [0, 1] and rounded to 8 bits; samples and training images against test images",
    "features": "64 numbers of this project's classifier, named by its SHA-256; comparable with no other",
    "frechet_distance": "squared 2-Wasserstein distance of Gaussians fitted to the features; lower is better",
    "frechet_distance_repeated": f"mean and standard deviation over {REPEATS} independent sets of samples",
    "kernel_distance": "unbiased squared MMD of the features, kernel (x . y / 64 + 1)^3; lower is better",
    "precision, recall, density, coverage": f"k = {NEIGHBOURS} nearest neighbours in the features; higher is "
    "better, density and coverage of equal distributions are 1 and 0.97",
    "classes": "shares by most probable class; their entropy in nats; mean highest probability; exp E KL",
    "two_sample_auroc": "two convolutions trained for 2 epochs to tell the pictures from test images, half "
    "held out; 0.5 if it cannot, 1 if it always can",
    "memorisation": "Euclidean distance to the nearest of all training images; share nearer than the 1st "
    "percentile of test images: 0.01 if as near as unseen ones. Soft pictures lie near to "
    "everything: look at the pairs",
    "reconstruction": "of test images; PSNR and SSIM are means over images",
    "outliers": "AUROC of the score between test images and images of another kind; less_complexity: of the "
    "score less what the image costs as a PNG file (Serra et al. 2020)",
}
WITHOUT_CLASSIFIER = (
    "No classifier is shipped for this data set, so whatever is measured in its features is left out: "
    "Frechet and kernel distance, precision, recall, density, coverage, classes."
)

Generate = Callable[[int], data.Images]
Reconstruct = Callable[[data.Images], data.Images]
Say = Callable[[str], object]


def silent(line: str) -> None:
    """Take a line of progress, and keep it to oneself."""


@dataclasses.dataclass(frozen=True)
class Real:
    """Real images, described once for any number of models."""

    dataset: data.Dataset
    seed: int
    num_images: int  # N
    test: data.Images  # (N, ...), drawn without order from the test split, at 8-bit levels
    classifier: Classifier | None
    test_outputs: Outputs | None  # of `test`
    train_features: npt.NDArray[np.float32] | None  # of all training images
    nearest_pixels: Nearest  # of `test`
    nearest_features: Nearest | None  # of `test`
    floor: dict[str, Any]  # training images measured as if they were samples


def quality_report(
    dataset: data.Dataset,
    generators: Mapping[str, Generate],
    reconstruct: Reconstruct | None,
    seed: int,
    *,
    num_images: int = NUM_IMAGES,
    score: ood.Score | None = None,
    baseline: Reconstruct | None = None,
    real: Real | None = None,
    figure: Path | None = None,
    say: Say = silent,
) -> dict[str, Any]:
    """Measure samples and reconstructions of one model.

    Numbers repeat to the digit if `generators` and `reconstruct` do.

    Args:
        dataset: images; samples are compared with its test split.
        generators: by the prior's name, a function n -> n fresh samples (n, *image_shape) about [0, 1],
            called several times.
        reconstruct: images -> their reconstructions, the same shape; None: leave them out.
        seed: of every choice made here.
        num_images: N, of samples and of real images; at most as many as the test split has.
        score: images -> (N,), -log p(x) in nats or an estimate of it; None: leave outliers out.
        baseline: as `reconstruct`, but PCA of the same dimension; None: leave it out.
        real: what ``describe_real`` gave for the same data, seed and number; None: do it here.
        figure: where to draw the samples that lie nearest to a training image, over these, as a PNG.
        say: told what begins and about how long it takes on two cores.

    Returns:
        Plain values, ready for JSON: ``protocols`` in words; ``num_images`` and ``seed``; ``classifier``
        (``sha256``, ``test_accuracy``), or None and ``without_classifier``; ``real``, training images
        measured as if they were samples; ``samples`` by prior; ``reconstruction`` and
        ``pca_reconstruction``; ``outliers``.

    Raises:
        ValueError: a function returned the wrong shape or NaN.
        RunError: the classifier's file is not the published one.
    """
    real = real or describe_real(dataset, seed, num_images, say)
    samples, pairs = {}, {}
    for name, generate in generators.items():
        samples[name], pairs[name] = _sample_quality(real, name, generate, say)
    report: dict[str, Any] = {
        "num_images": real.num_images,
        "seed": seed,
        "protocols": PROTOCOLS,
        "classifier": _describe_classifier(real),
        "real": real.floor,
        "samples": samples,
    }
    if real.classifier is None:
        report["without_classifier"] = WITHOUT_CLASSIFIER
    if reconstruct is not None:
        report["reconstruction"] = _reconstruction_quality(real, "model", reconstruct, say)
    if baseline is not None:
        report["pca_reconstruction"] = _reconstruction_quality(real, "PCA", baseline, say)
    if score is not None:
        say(f"unusual images of five kinds: about {_seconds(300, min(real.num_images, NUM_OUTLIERS))} s")
        report["outliers"] = _outliers(real, score)
    if figure is not None:
        from training import figures  # matplotlib is needed here alone

        figures.nearest_training_images(pairs, figure)
    return report


def describe_real(dataset: data.Dataset, seed: int, num_images: int = NUM_IMAGES, say: Say = silent) -> Real:
    """Describe real images once, for any number of models.

    Args:
        dataset: images.
        seed: of which images are drawn where the splits have more than enough.
        num_images: N; at most as many as the test split and the training split have.
        say: told what begins and about how long it takes.

    Raises:
        RunError: the classifier's file is not the published one.
    """
    number = min(num_images, len(dataset.test), len(dataset.train))
    rng = np.random.default_rng(seed)
    index = np.sort(rng.permutation(len(dataset.test))[:number])
    test = classifier.eight_bit_levels(dataset.test[index])
    pretend = classifier.eight_bit_levels(
        dataset.train[np.sort(rng.permutation(len(dataset.train))[:number])]
    )
    judge = classifier.committed(dataset)
    test_outputs = train_features = nearest_features = None
    say(f"real images: nearest training images of {number} test images, about {_seconds(30, number)} s")
    nearest_pixels = nearest(test, dataset.train)
    if judge is not None:
        test_outputs, train_features = judge.outputs(test), judge.features(dataset.train)
        nearest_features = nearest(test_outputs.features, train_features)
    real = Real(
        dataset, seed, number, test, judge, test_outputs, train_features, nearest_pixels,
        nearest_features, floor={},
    )  # fmt: skip
    say(f"real images: training against test images, about {_seconds(25, number)} s")
    return dataclasses.replace(real, floor=_distribution(real, pretend) | _two_sample(real, pretend))


def _sample_quality(
    real: Real, name: str, generate: Generate, say: Say
) -> tuple[dict[str, Any], tuple[data.Images, data.Images]]:
    """Measure the samples of one prior; return the numbers, and the closest samples with their neighbours."""
    number = real.num_images
    say(f"samples of {name}: {number} drawn and compared, about {_seconds(25, number)} s")
    samples = _checked(generate(number), (number, *real.dataset.image_shape), f"samples of {name}")
    result = _distribution(real, samples) | _two_sample(real, samples)
    if real.classifier is not None and real.test_outputs is not None:
        say(f"samples of {name}: {REPEATS - 1} more sets, about {_seconds(8 * REPEATS, number)} s")
        target = fidelity.gaussian(real.test_outputs.features)
        distances = [result["frechet_distance"]]
        for _ in range(REPEATS - 1):
            more = _checked(generate(number), samples.shape, f"samples of {name}")
            features = real.classifier.features(more)
            distances.append(fidelity.frechet_distance(fidelity.gaussian(features), target))
        spread = {"mean": float(np.mean(distances)), "sd": float(np.std(distances, ddof=1)), "sets": REPEATS}
        result["frechet_distance_repeated"] = spread
    say(f"samples of {name}: nearest training images, about {_seconds(30, number)} s")
    near = nearest(samples, real.dataset.train)
    result["memorisation"] = {"pixels": _copies(memorisation(near, real.nearest_pixels), near)}
    if real.classifier is not None and real.train_features is not None and real.nearest_features is not None:
        near = nearest(real.classifier.features(samples), real.train_features)
        result["memorisation"]["features"] = _copies(memorisation(near, real.nearest_features), near)
    closest = np.argsort(near.distances, kind="stable")[:PAIRS]
    return result, (samples[closest], real.dataset.train[near.indices[closest]])


def _distribution(real: Real, images: data.Images) -> dict[str, Any]:
    """Compare images with the test images in the classifier's features; empty without a classifier."""
    if real.classifier is None or real.test_outputs is None:
        return {}
    features, probabilities = real.classifier.outputs(images)
    target = real.test_outputs.features
    result = {
        "frechet_distance": fidelity.frechet_distance(fidelity.gaussian(features), fidelity.gaussian(target)),
        "kernel_distance": fidelity.kernel_distance(features, target),
        "classes": fidelity.class_spread(probabilities)._asdict(),
    }
    if real.num_images > NEIGHBOURS:
        result |= fidelity.precision_recall_density_coverage(target, features, NEIGHBOURS)._asdict()
    return result


def _two_sample(real: Real, images: data.Images) -> dict[str, float]:
    return {"two_sample_auroc": two_sample_auroc(real.test, images, real.seed)}


def _reconstruction_quality(real: Real, name: str, reconstruct: Reconstruct, say: Say) -> dict[str, Any]:
    say(
        f"reconstructions of {real.num_images} test images by {name}: about {_seconds(15, real.num_images)} s"
    )
    images = _checked(reconstruct(real.test), real.test.shape, "reconstructions")
    result = {
        "mse": float(np.mean((images - real.test) ** 2, dtype=np.float64)),
        "psnr_db": float(fidelity.psnr(real.test, images).mean()),
        "ssim": float(fidelity.ssim(real.test, images).mean()),
        "ssim_window": fidelity.ssim_window(real.dataset.image_shape),
    } | _distribution(real, images)
    if real.classifier is not None and real.test_outputs is not None:
        kept = real.classifier.class_probabilities(images).argmax(axis=1)
        result["class_kept"] = float(np.mean(kept == real.test_outputs.probabilities.argmax(axis=1)))
    return result


def _outliers(real: Real, score: ood.Score) -> dict[str, Any]:
    images = real.test[:NUM_OUTLIERS]
    table = ood.outlier_table(score, images, real.seed)
    return table | {"num_images": len(images), "warning": ood.WARNING}


def _describe_classifier(real: Real) -> dict[str, Any] | None:
    labels = real.dataset.labels
    if real.classifier is None or labels is None:
        return None
    accuracy = real.classifier.accuracy(real.dataset.test, labels.test)
    return {"sha256": real.classifier.sha256, "test_accuracy": accuracy}


def _copies(found: Memorisation, near: Nearest) -> dict[str, Any]:
    """The numbers, and the closest pairs: number of the sample, of the training image, and their distance."""
    closest = np.argsort(near.distances, kind="stable")[:PAIRS]
    pairs = [
        {"sample": int(i), "train": int(near.indices[i]), "distance": float(near.distances[i])}
        for i in closest
    ]
    return found._asdict() | {"closest": pairs}


def _checked(images: data.Images, shape: tuple[int, ...], what: str) -> data.Images:
    if np.shape(images) != shape:
        raise ValueError(f"{what}: expected shape {shape}. Received: {np.shape(images)}")
    return classifier.eight_bit_levels(np.asarray(images, np.float32))


def _seconds(for_ten_thousand: float, number: int) -> int:
    """Seconds on two cores, from those that 10,000 images of 28 x 28 take."""
    return max(1, round(for_ten_thousand * number / 10_000))
