"""The report of an evaluation: what ``report.json`` and the manifest's ``metrics`` hold.

Numbers over images are means unless a field says otherwise; ``protocol`` says how they were measured.
The files' keys are the names of the fields, or their aliases where a file has another word.
"""

import statistics
from collections.abc import Iterator, Sequence

from pydantic import Field

from training.metrics import neighbours
from training.metrics.bounds import Bound, Bounds
from training.metrics.fidelity import ClassSpread
from training.metrics.kl import KLDecomposition
from training.models.latent_axes import Axis, AxisMatch
from training.priors import PriorReport
from training.types import ReportSection


class Reconstruction(ReportSection):
    """Test images decoded from their posterior mean, beside PCA of the same dimension."""

    reconstruction_mse: float  # squared error a pixel
    pca_reconstruction_mse: float
    num_images: int
    protocol: str


class Distribution(ReportSection):
    """Images against test images; without a classifier, nothing that is measured in its features."""

    frechet_distance: float | None = None
    kernel_distance: float | None = None
    classes: ClassSpread | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    two_sample_auroc: float | None = None  # not of reconstructions


class Spread(ReportSection):
    """A number over independent sets of samples."""

    mean: float
    sd: float
    sets: int


class Pair(ReportSection):
    """A sample and its nearest training image, by their numbers."""

    sample: int
    train: int
    distance: float


class Nearness(neighbours.Memorisation):
    """How near samples lie to training images, and the samples that lie nearest."""

    closest: tuple[Pair, ...]


class Memorisation(ReportSection):
    """Distances to the nearest training image, in pixels and in the classifier's features."""

    pixels: Nearness
    features: Nearness | None = None


class Samples(Distribution):
    """Samples of the prior."""

    frechet_distance_repeated: Spread | None = None
    memorisation: Memorisation


class Reconstructions(Distribution):
    """Reconstructions of test images as 8-bit pictures."""

    mse: float
    psnr_db: float
    ssim: float
    ssim_window: int
    class_kept: float | None = None  # share whose most probable class is that of the image


class Outliers(ReportSection):
    """How well a score finds images of another kind, by kind; see ``ood.outlier_table``."""

    auroc: dict[str, float]
    auroc_less_complexity: dict[str, float]
    num_images: int
    warning: str
    score: str
    complexity: str | None = None  # the code whose length is complexity; None: a PNG file's, of older reports


class ClassifierReport(ReportSection):
    """The classifier in whose features quality is measured."""

    sha256: str
    test_accuracy: float


class ReferenceQuality(ReportSection):
    """The quality of a reference model, against the same real images."""

    name: str
    prior: str
    samples: dict[str, Samples]
    reconstruction: Reconstructions
    frechet_ratio: float | None = None  # of means, its distance over the model's, by the first classifier

    @property
    def folder(self) -> str:
        """Where its version lies, or its run if that was made as a card says."""
        model, _, version = self.name.partition("@")
        return f"model_store/{model}/{version}" if version else f"runs/{model}"


class SecondJudge(ReportSection):
    """The same in the features of a second classifier, by which nothing was chosen."""

    classifier: ClassifierReport
    real: Distribution
    samples: dict[str, Distribution]  # by render
    reconstruction: Distribution
    reference: dict[str, Distribution] = Field(default_factory=dict)  # its samples


class AccuracyScore(ReportSection):
    """Accuracy on real test images of a classifier trained on draws alone, and of one of real images."""

    of_draws: float
    of_real: float
    score: float  # the one over the other
    num_images: int  # that each was trained on
    epochs: int


class Quality(ReportSection):
    """The quality of samples, by render, and of reconstructions."""

    prior: str
    num_images: int
    seed: int
    protocols: dict[str, str]
    classifier: ClassifierReport | None
    real: Distribution  # training images, measured as if they were samples
    samples: dict[str, Samples]
    without_classifier: str | None = None
    reconstruction: Reconstructions
    pca_reconstruction: Reconstructions
    outliers: Outliers
    reference: ReferenceQuality | None = Field(None, alias="beside")
    second: SecondJudge | None = None
    accuracy_score: AccuracyScore | None = None

    def ratios(self, render: str) -> dict[str, float]:
        """Return the Frechet distance of the reference's means over that of these samples, by judge.

        Args:
            render: which samples of this model; of the reference means alone are measured.

        Returns:
            The ratios of the classifiers called "first" and "second". One that did not measure both, or finds
            these samples at no distance at all, is left out.
        """
        pairs: dict[str, tuple[Distribution, Distribution]] = {}
        if self.reference is not None and "mean" in self.reference.samples:
            pairs["first"] = self.reference.samples["mean"], self.samples[render]
        if self.second is not None and "mean" in self.second.reference:
            pairs["second"] = self.second.reference["mean"], self.second.samples[render]
        return {
            judge: theirs.frechet_distance / ours.frechet_distance
            for judge, (theirs, ours) in pairs.items()
            if theirs.frechet_distance is not None and ours.frechet_distance
        }


class RecalibratedBounds(ReportSection):
    """Bounds under one recalibrated likelihood."""

    log_p_x: tuple[Bound, ...]
    likelihood: dict[str, str | int | float]


class Recalibration(ReportSection):
    """Bounds before and after the encoder was refitted."""

    before: RecalibratedBounds
    after: RecalibratedBounds
    validation_elbo: tuple[float, ...]  # nats an image; before the first epoch, and after each


class RecalibratedLikelihood(ReportSection):
    """Bounds under discretized logistics around the mean image, with one scale or one for each pixel."""

    protocol: str
    prior: str
    shared: Recalibration
    per_pixel: Recalibration


class Measured(ReportSection):
    """Bounds after some training."""

    minutes: float
    steps: int
    log_p_x: tuple[Bound, ...]

    def nats(self, k: int) -> float:
        """Return L_k, which must have been measured, in nats an image."""
        return next(row.nats for row in self.log_p_x if row.k == k)


class FinalPhase(ReportSection):
    """Training that went on with one objective, measured as time passed; at the beginning first."""

    objective: str
    seed: int
    measured: tuple[Measured, ...]


class FinalPhases(ReportSection):
    """Final phases at equal time, from the same weights; see ``training.evaluation.final_phases``."""

    k: int  # draws of iwae and dreg
    minutes: float  # of each phase
    seeds: int
    learning_rate: float
    num_images: int
    protocol: str
    phases: tuple[FinalPhase, ...]

    @property
    def most_draws(self) -> int:
        """The largest k of a bound, which was measured at the beginning and at the end."""
        return max(row.k for row in self.phases[0].measured[0].log_p_x)

    @property
    def by_objective(self) -> dict[str, list[FinalPhase]]:
        """The phases of each objective, one a seed."""
        names = dict.fromkeys(phase.objective for phase in self.phases)
        return {name: [phase for phase in self.phases if phase.objective == name] for name in names}

    def spread(self, objective: str, k: int, point: int = -1) -> tuple[float, float]:
        """Return mean and standard deviation over seeds of L_k, in nats an image, at a point of time.

        Of a single seed the deviation is zero.
        """
        values = [phase.measured[point].nats(k) for phase in self.by_objective[objective]]
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


class AxesMatch(ReportSection):
    """Which axis of the version before each axis is."""

    version: int
    axes: tuple[AxisMatch, ...]


class Report(ReportSection):
    """All that was measured of one model's weights."""

    weights_sha256: str
    prior: PriorReport
    reconstruction: Reconstruction = Field(alias="test")
    bounds: Bounds
    kl_decomposition: KLDecomposition = Field(alias="gap")
    axes: tuple[Axis, ...]
    quality: Quality | None = None
    recalibrated: RecalibratedLikelihood | None = Field(None, alias="fair_score")
    final_phases: FinalPhases | None = None
    axes_match: AxesMatch | None = None  # of a version that has one before it

    def over(self, axes: Sequence[Axis]) -> "Report":
        """Return the report over other axes, the published ones."""
        return self.model_copy(update={"axes": tuple(axes)})

    def in_brief(self) -> Iterator[str]:
        """Yield the numbers that people look at first, a line at a time."""
        mse, parts = self.reconstruction, self.kl_decomposition
        yield f"reconstruction MSE {mse.reconstruction_mse:.4f}, PCA {mse.pca_reconstruction_mse:.4f}"
        for row in self.bounds.log_p_x:
            yield f"L_{row.k}: {row.nats:.2f} nats an image, {row.bits_per_dim:.3f} bits per dim"
        yield f"KL to N(0, I) by axis, nats: {', '.join(f'{axis.kl:.2f}' for axis in self.axes)}"
        for name, terms in parts.priors.items():
            made_of = f"= {parts.information:.2f} information + {terms.marginal_kl:.2f} KL(q(z) || p(z))"
            if parts.is_saturated:
                most = parts.most_information
                made_of = (
                    f"of which information cannot be measured: it is at log N = {most:.2f}, the most there is"
                )
            yield f"KL to {name}: {terms.kl:.2f} nats {made_of}"
