"""Scores: how unusual an image is to a model, in nats, in percentiles and pixel by pixel.

A likelihood alone does not detect unusual images: it may be higher for images of another kind (Nalisnick et
al. 2019). The score that is corrected for an image's complexity comes first (Serra et al. 2020).
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from app import importance, latent
from app.complexity import CODE, complexity
from app.decoding import reading
from app.engine.work import Array, Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.seeds import check_seed
from app.importance import Posterior
from app.models import Model
from app.pictures.uploads import Invert
from app.priors import StandardNormal
from app.settings import Settings, variable

DEFAULT_DRAWS = 128
WARNING = (
    "A likelihood alone does not detect unusual images: it may be higher for images of another kind. Compare "
    "the corrected score, and only between images of one model."
)


@dataclasses.dataclass(frozen=True)
class Score:
    """How unusual one image is; nats, the larger the more unusual but for the bounds on log p(x).

    Args:
        corrected: what the model needs for the image beyond what a general code does: -L_k, as a probability
            of 8-bit levels, less `complexity`. None: the version does not tell how its density is made one.
        corrected_percentile: held-out images with a smaller one, in per cent; None: not calibrated.
        log_p_x: L_k, the importance-weighted bound on log p(x) (Burda et al. 2016).
        bits_per_dim: what a pixel costs by it as one of 256 levels; None as `corrected`.
        k: draws of the posterior.
        standard_error: of `log_p_x`, from the draws; see ``app.importance.jackknife_error``.
        effective_sample_size: near 1, one draw decides.
        percentile: as `corrected_percentile`, of -L_k.
        elbo: E_q[log p(x given z)] - KL(q(z given x) || p(z)), its two terms:
        reconstruction: the first, a mean over the draws.
        kl: the second, in closed form under N(0, I), under another prior a mean over the draws.
        complexity: see ``app.complexity``.
        posterior_confined: whether the encoder gave a mean or a variance that no code can be drawn from; the
            bounds then hold for the nearest that one can. See ``app.importance``.
        surprise: (H, W) or (H, W, 3) float32, -log p(x given z) of each pixel, a mean over p(z given x).
    """

    corrected: float | None
    corrected_percentile: float | None
    log_p_x: float
    bits_per_dim: float | None
    k: int
    standard_error: float | None
    effective_sample_size: float
    percentile: float | None
    elbo: float
    reconstruction: float
    kl: float
    complexity: float
    posterior_confined: bool
    surprise: npt.NDArray[np.float32]

    def as_dict(self) -> dict[str, float | bool | None]:
        """Return the numbers, all but the map, ready for JSON."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "surprise"
        }


@dataclasses.dataclass(frozen=True)
class Scores:
    """The score of every image of a request, what they are, and notes on uploads."""

    images: npt.NDArray[np.uint8]  # (N, H, W) or (N, H, W, 3) levels, as they were scored
    scores: tuple[Score, ...]  # N
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Draws:
    """Draws of the posterior: how many for each image, and the seed of their noise."""

    k: int = DEFAULT_DRAWS
    seed: int = 42


def score(
    model: Model, limits: Settings, files: list[tuple[str, bytes]], invert: Invert, draws: Draws
) -> Work[Scores]:
    """Return the work of scoring uploaded images. A score depends on its image, k and seed alone.

    Args:
        model: whose opinion it is.
        limits: what an upload may be, and how many draws there may be.
        files: what errors call each file, and its bytes.
        invert: whether files are inverted; see ``app.pictures.uploads``.
        draws: of each image's posterior.

    Raises:
        InvalidParameter: k or the seed is out of range.
        ScoringUnavailable: the version was published without what scores need. The work itself raises
            UploadError if a file cannot be used.
    """
    check_draws(model, limits, len(files), draws)
    image = model.manifest.image

    def steps() -> Steps[Scores]:
        model.prepare_scoring()
        read = reading.read_uploads(files, image.shape, invert, limits, image.polarity)
        notes = tuple(f"{found.name}: {note}" for found in read for note in found.notes)
        images = np.stack([found.pixels for found in read])
        return Scores(images, (yield from scores_of(model, images, draws)), notes)

    upload_cost = reading.size_of(files)
    return Work(steps, len(files) * draws.k, (model.scoring,), heavy=True, upload_cost=upload_cost)


def score_examples(model: Model, limits: Settings, draws: Draws) -> Work[Scores]:
    """Return the work for the images that the model's version ships: held-out data it was never trained on.

    Raises:
        InvalidParameter: as ``score``, or the version ships none.
        ScoringUnavailable: as ``score``.
    """
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")
    check_draws(model, limits, len(examples), draws)

    def steps() -> Steps[Scores]:
        model.prepare_scoring()
        return Scores(examples, (yield from scores_of(model, examples, draws)))

    # As if something were uploaded: the first step, which may measure the model, then has a thread.
    return Work(steps, len(examples) * draws.k, (model.scoring,), heavy=True, upload_cost=1)


def check_draws(
    model: Model, limits: Settings, images: int, draws: Draws, parameter: str = "k", least: int = 1
) -> None:
    """Refuse draws beyond the limits, which count those of all images, or a model that cannot score."""
    model.require_scoring()
    check_seed(draws.seed)
    most = max(1, limits.max_draws // max(1, images))
    if not least <= draws.k <= most:
        each = f": {limits.max_draws} for all {images} images" if images > 1 else ""
        expected = f"{least}..{most} (the limit is {variable('max_draws')}{each})"
        raise InvalidParameter.of(parameter, expected, draws.k, f"Use {least} to {most}.", "out_of_range")


def scores_of(model: Model, images: npt.NDArray[np.uint8], draws: Draws) -> Steps[tuple[Score, ...]]:
    """Score images, (N, H, W) levels, of a model that is prepared; a step of a request's work.

    One after the other: their draws' maps of pixels need not be held at once.
    """
    pixels = images.astype(np.float32) / np.float32(255)
    encoded = yield Rows.of(model.posterior, pixels)
    # The same noise for every image, so that a score does not depend on those beside it.
    noise = latent.posterior_noise(draws.seed, 0, draws.k, model.manifest.latent_dim)
    scores = []
    for number, image in enumerate(images):
        posterior = Posterior.of(encoded[number])
        z = posterior.draw(noise)
        log_prob = yield under_each(model, z, pixels[number])
        scores.append(_score(model, image, posterior, z, log_prob))
    return tuple(scores)


def under_each(model: Model, z: Array, image: Array) -> Rows:
    """Return rows that score one image, (H, W), under each of the codes `z`, (K, D)."""

    def make(start: int, count: int) -> tuple[Array, ...]:
        return z[start : start + count], np.repeat(image[None], count, axis=0)

    return Rows(model.scoring, len(z), make)


def _score(
    model: Model, image: npt.NDArray[np.uint8], posterior: Posterior, z: Array, log_prob: Array
) -> Score:
    """Return the score of an image whose log p(x given z) of each pixel under each draw is (K, H, W)."""
    manifest, prior = model.manifest, model.prior
    conditional = log_prob.reshape(len(z), -1).sum(axis=1, dtype=np.float64)
    log_ratio = prior.log_prob(z) - posterior.log_prob(z)
    log_weights = conditional + log_ratio
    weights = importance.normalised(log_weights)
    log_p_x = importance.log_mean_exp(log_weights)
    reconstruction = float(conditional.mean())
    in_closed_form = isinstance(prior, StandardNormal)
    kl = posterior.kl_to_standard_normal if in_closed_form else float(-log_ratio.mean())
    plainness, width = complexity(image), manifest.likelihood.log_level_width
    levels = None if width is None else -(log_p_x + image.size * width)  # nats
    corrected = None if levels is None else levels - plainness
    held_out = manifest.scores
    comparable = held_out is not None and held_out.complexity == CODE
    return Score(
        corrected=corrected,
        corrected_percentile=_percentile(corrected, held_out.corrected if held_out and comparable else None),
        log_p_x=log_p_x,
        bits_per_dim=None if levels is None else levels / image.size / math.log(2),
        k=len(z),
        standard_error=importance.jackknife_error(log_weights),
        effective_sample_size=importance.effective_sample_size(weights),
        percentile=_percentile(-log_p_x, held_out.nats if held_out else None),
        elbo=reconstruction - kl,
        reconstruction=reconstruction,
        kl=kl,
        complexity=plainness,
        posterior_confined=posterior.confined,
        surprise=-np.tensordot(weights.astype(np.float32), log_prob, axes=1),
    )


def _percentile(value: float | None, quantiles: tuple[float, ...] | None) -> float | None:
    """Return the share of held-out images with a smaller value, in per cent; see ``app.manifest.Scores``."""
    if value is None or quantiles is None:
        return None
    return float(np.interp(value, quantiles, np.linspace(0, 100, len(quantiles))))
