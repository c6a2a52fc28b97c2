"""The quality of samples and reconstructions: every number beside that of real images, with its protocol.

The test split is read here. Real images are described once, by `describe_real`, for any number of models.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from training import data
from training.data.ground import is_drawn_inverted
from training.evaluation import schema
from training.metrics import bounds, classifier, fidelity, neighbours, ood, pca
from training.metrics.classifier import Classifier, Outputs
from training.metrics.neighbours import Nearest, nearest
from training.metrics.two_sample import two_sample_auroc
from training.trained import Render, TrainedModel
from training.types import Array, Doubles

logger = logging.getLogger(__name__)

NUM_IMAGES = 10_000
NUM_OUTLIERS = 1_000  # usual images, and as many of each unusual kind
REPEATS = 5  # independent sets of samples for the spread of the Frechet distance
NEIGHBOURS = 5  # k of precision, recall, density and coverage
PAIRS = 20  # samples with their nearest training images that are named, and drawn
SCORE_DRAWS = 10  # k of L_k where it is a score of how unusual an image is

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
    "score less what a general code needs for the image (Serra et al. 2020): JPEG-LS' prediction, adaptive "
    "frequencies",
    "second": "the same test images and one set of samples, in the 64 features of a second "
    "classifier, by which nothing was chosen; comparable with no other, nor with the first; no spread",
    "accuracy_score": "classification accuracy score (Ravuri & Vinyals 2019): accuracy on the real test "
    "images of the first classifier's network, trained on labelled draws alone, over that of the same "
    "trained on as many real images; one seed each",
}
WITHOUT_CLASSIFIER = (
    "No classifier is shipped for this data set, so whatever is measured in its features is left out: "
    "Frechet and kernel distance, precision, recall, density, coverage, classes."
)

Generate = Callable[[int], Array]  # n -> n fresh samples, (n, *image_shape) about [0, 1]
Pairs = tuple[Array, Array]  # samples, and the training image nearest to each


@dataclasses.dataclass(frozen=True)
class InJudge:
    """Real test images in the features of a classifier."""

    classifier: Classifier
    test: Outputs  # of `Real.test`

    def frechet_distance(self, features: Array) -> float:
        """Return the Frechet distance of images' features from those of the test images."""
        return fidelity.frechet_distance(fidelity.gaussian(features), fidelity.gaussian(self.test.features))


@dataclasses.dataclass(frozen=True)
class InFeatures(InJudge):
    """Training images too."""

    train: Array  # of all training images
    nearest: Nearest  # of `Real.test`


def compare(judge: InJudge, images: Array) -> dict[str, Any]:
    """Return the numbers of a ``Distribution`` in a classifier's features, but for the AUROC."""
    features, probabilities = judge.classifier.outputs(images)
    target = judge.test.features
    found: dict[str, Any] = {
        "frechet_distance": judge.frechet_distance(features),
        "kernel_distance": fidelity.kernel_distance(features, target),
        "classes": fidelity.class_spread(probabilities),
    }
    if len(target) > NEIGHBOURS:
        found |= fidelity.precision_recall_density_coverage(target, features, NEIGHBOURS)._asdict()
    return found


@dataclasses.dataclass(frozen=True)
class Real:
    """Real images, described once for any number of models."""

    dataset: data.Dataset
    seed: int
    num_images: int  # N
    test: Array  # (N, ...), drawn without order from the test split, at 8-bit levels
    pretended: Array  # (N, ...), training images that are measured as if they were samples
    nearest: Nearest  # training images in pixels, of `test`
    features: InFeatures | None  # None: no classifier is shipped for the data set

    def compare(self, images: Array) -> dict[str, Any]:
        """Return the numbers of a ``Distribution``, but for the AUROC; empty without a classifier."""
        return {} if self.features is None else compare(self.features, images)

    def auroc(self, images: Array) -> float:
        """Return how well a small network tells images from the test images."""
        return two_sample_auroc(self.test, images, self.seed)


def sample_quality(
    model: TrainedModel, dataset: data.Dataset, figure: Path, reference: TrainedModel | None = None
) -> schema.Quality:
    """Measure samples from the prior, their means and draws, and reconstructions, against test images.

    Args:
        model: with its prior.
        dataset: images.
        figure: a PNG to write: the samples nearest to a training image, over these.
        reference: a model that is measured against the same real images.

    A ValueError if a model draws the wrong shape or NaN; a RunError as `describe_real`.
    """
    from training import figures  # matplotlib is needed here alone

    real = describe_real(dataset, model.seed)
    floor = measure_real(real)
    rng = np.random.default_rng(model.seed)
    samples, pairs = {}, {}
    for render in get_args(Render):
        generate = functools.partial(model.sample, rng=rng, render=render)
        samples[render], pairs[render] = measure_samples(real, render, generate)
    judge = describe_classifier(real)
    linear = pca.reconstruction(pca.fitted_on(dataset)[0], real.test, model.latent_dim)
    more: dict[str, Any] = {} if judge else {"without_classifier": WITHOUT_CLASSIFIER}
    if reference is not None:
        more["reference"] = _measure_reference(real, reference, samples["mean"])
    inverted = is_drawn_inverted(dataset.ground, dataset.image_shape)
    figures.nearest_training_images(pairs, figure, inverted=inverted)
    return schema.Quality(
        prior=model.known_prior.name,
        num_images=real.num_images,
        seed=real.seed,
        protocols=PROTOCOLS,
        classifier=judge,
        real=floor,
        samples=samples,
        reconstruction=measure_reconstructions(real, "model", model.reconstruct(real.test)),
        pca_reconstruction=measure_reconstructions(real, "PCA", linear.astype(np.float32)),
        outliers=measure_outliers(real, model),
        **more,
    )


def describe_real(dataset: data.Dataset, seed: int, num_images: int = NUM_IMAGES) -> Real:
    """Return `num_images` real images, or as many as the smaller of test and training split has.

    They are drawn by `seed`. A RunError if the classifier's file is not the published one.
    """
    test, pretended = drawn_without_order(dataset, seed, num_images)
    number = len(test)
    judge = classifier.committed(dataset)
    _announce(f"real images: nearest training images of {number} test images", 30, number)
    features = None
    if judge is not None:
        outputs, train = judge.outputs(test), judge.features(dataset.train)
        features = InFeatures(judge, outputs, train, nearest(outputs.features, train))
    return Real(dataset, seed, number, test, pretended, nearest(test, dataset.train), features)


def drawn_without_order(dataset: data.Dataset, seed: int, num_images: int) -> tuple[Array, Array]:
    """Return as many test images as training images, at 8-bit levels: `num_images`, or all that there are."""
    number = min(num_images, len(dataset.test), len(dataset.train))
    rng = np.random.default_rng(seed)
    test, train = (
        classifier.eight_bit_levels(split[np.sort(rng.permutation(len(split))[:number])])
        for split in (dataset.test, dataset.train)
    )
    return test, train


def measure_real(real: Real) -> schema.Distribution:
    """Measure training images as if they were samples: what the numbers of a perfect model would be."""
    _announce("real images: training against test images", 25, real.num_images)
    return schema.Distribution(**real.compare(real.pretended), two_sample_auroc=real.auroc(real.pretended))


def describe_classifier(real: Real) -> schema.ClassifierReport | None:
    """Return which classifier the features are of, and how good it is."""
    labels = real.dataset.labels
    if real.features is None or labels is None:
        return None
    judge = real.features.classifier
    accuracy = judge.accuracy(real.dataset.test, labels.test)
    return schema.ClassifierReport(sha256=judge.sha256, test_accuracy=accuracy)


def measure_samples(real: Real, name: str, generate: Generate) -> tuple[schema.Samples, Pairs]:
    """Return the numbers of samples called `name`, and the closest samples with their neighbours.

    Samples are generated several times. A ValueError if they have the wrong shape or NaN.
    """
    number, what = real.num_images, f"samples of {name}"
    _announce(f"{what}: {number} drawn and compared", 25, real.num_images)
    shape = (number, *real.dataset.image_shape)
    samples = _checked(generate(number), shape, what)
    found = real.compare(samples) | {"two_sample_auroc": real.auroc(samples)}
    if real.features is not None:
        _announce(f"{what}: {REPEATS - 1} more sets", 8 * REPEATS, real.num_images)
        distances = [found["frechet_distance"]]
        for _ in range(REPEATS - 1):
            features = real.features.classifier.features(_checked(generate(number), shape, what))
            distances.append(real.features.frechet_distance(features))
        found["frechet_distance_repeated"] = schema.Spread(
            mean=float(np.mean(distances)), sd=float(np.std(distances, ddof=1)), sets=REPEATS
        )
    _announce(f"{what}: nearest training images", 30, real.num_images)
    near = nearest(samples, real.dataset.train)
    memorised = {"pixels": _nearness(near, real.nearest)}
    if real.features is not None:
        near = nearest(real.features.classifier.features(samples), real.features.train)
        memorised["features"] = _nearness(near, real.features.nearest)
    closest = _closest(near)
    measured = schema.Samples(**found, memorisation=schema.Memorisation(**memorised))
    return measured, (samples[closest], real.dataset.train[near.indices[closest]])


def measure_reconstructions(real: Real, name: str, images: Array) -> schema.Reconstructions:
    """Compare reconstructions of the real test images with these; a ValueError for another shape, or NaN."""
    _announce(f"reconstructions of {real.num_images} test images by {name}", 15, real.num_images)
    images = _checked(images, real.test.shape, "reconstructions")
    found = real.compare(images)
    if real.features is not None:
        kept = real.features.classifier.outputs(images).probabilities.argmax(axis=1)
        found["class_kept"] = float(np.mean(kept == real.features.test.probabilities.argmax(axis=1)))
    return schema.Reconstructions(
        mse=float(np.mean((images - real.test) ** 2, dtype=np.float64)),
        psnr_db=float(fidelity.psnr(real.test, images).mean()),
        ssim=float(fidelity.ssim(real.test, images).mean()),
        ssim_window=fidelity.ssim_window(real.dataset.image_shape),
        **found,
    )


def measure_outliers(real: Real, model: TrainedModel) -> schema.Outliers:
    """Measure how well -L_10 finds images of another kind."""
    images = real.test[:NUM_OUTLIERS]
    _announce("unusual images of five kinds", 300, len(images))
    weigh = bounds.weighing(model)

    def unusual(images: Array) -> Doubles:
        found = bounds.log_weights(model, images, SCORE_DRAWS, real.seed, weigh)
        # What nobody trained for may be encoded to variances like e^99, whose draws no decoder computes: they
        # weigh nothing.
        return -bounds.bound_of(np.where(np.isnan(found), -np.inf, found), SCORE_DRAWS)

    table = ood.outlier_table(unusual, images, real.seed)
    return schema.Outliers(
        **table,
        num_images=len(images),
        warning=ood.WARNING,
        score=f"-L_{SCORE_DRAWS}",
        complexity=ood.COMPLEXITY,
    )


def _measure_reference(real: Real, reference: TrainedModel, mine: schema.Samples) -> schema.ReferenceQuality:
    rng = np.random.default_rng(real.seed)
    samples, _ = measure_samples(real, reference.name, functools.partial(reference.sample, rng=rng))
    found = schema.ReferenceQuality(
        name=reference.name,
        prior=reference.known_prior.name,
        samples={"mean": samples},
        reconstruction=measure_reconstructions(real, reference.name, reference.reconstruct(real.test)),
    )
    if samples.frechet_distance is None or mine.frechet_distance is None:
        return found
    return found.model_copy(update={"frechet_ratio": samples.frechet_distance / mine.frechet_distance})


def _nearness(near: Nearest, held_out: Nearest) -> schema.Nearness:
    pairs = tuple(
        schema.Pair(sample=int(i), train=int(near.indices[i]), distance=float(near.distances[i]))
        for i in _closest(near)
    )
    return schema.Nearness(**neighbours.memorisation(near, held_out).as_dict(), closest=pairs)


def _closest(near: Nearest) -> Any:
    return np.argsort(near.distances, kind="stable")[:PAIRS]


def _checked(images: Array, shape: tuple[int, ...], what: str) -> Array:
    if np.shape(images) != shape:
        raise ValueError(f"{what}: expected shape {shape}. Received: {np.shape(images)}")
    return classifier.eight_bit_levels(np.asarray(images, np.float32))


def _announce(what: str, for_ten_thousand: float, number: int) -> None:
    """Say what begins and about how long it takes on two cores, from what 10,000 images of 28 x 28 take."""
    logger.info("%s, about %d s", what, max(1, round(for_ten_thousand * number / 10_000)))
