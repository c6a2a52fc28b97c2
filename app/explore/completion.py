"""Completions: draws from p(x missing given x seen).

Codes z are drawn from proposals. Under each the missing pixels are drawn with the seen ones in their place:
one after the other in the likelihood's order, each from p(x_i given x_<i, z). So a drawn pixel leans on seen
neighbours as on drawn ones. A pair of a code and its missing pixels has the weight

    w = p(z) / r(z) times the product over the seen pixels i of p(x_i given x_<i, z),

r the mixture of all proposals (the deterministic mixture of Owen & Zhou 2000). That is sequential importance
sampling of z and x missing together (Liu 2001): exact in the limit of many draws, whatever part is missing. A
seen pixel that comes after missing ones counts by how well it goes with what was drawn there. The mean of all
w is an unbiased estimate of p(x seen). Completions are chosen among all pairs by w. Where pixels are
independent given z, codes alone are weighted, and each completion draws its missing pixels anew.

The proposals are

* the prior: a quarter of the draws. It keeps p(z) / r(z) bounded (Hesterberg 1995).
* q(z given x) of the image with its missing pixels filled in, by several fillings. Each begins with one of
  some other draws of the prior, those whose means are nearest to the seen pixels. Then filling and encoding
  take turns (Rezende, Mohamed & Wierstra 2014; Mattei & Frellsen 2018). None of these codes are weighted: a
  proposal that depends on weighted draws biases their weights.

Some likelihoods whose pixels lean on each other are drawn by a runtime's graph alone. Then whole images x'
are drawn, and the seen pixels are put over them. The weight is p(z) / r(z) p(x given z), divided by the
product over the missing pixels of p(x'_i given x'_<i, z). It is as exact in the limit, and fewer draws count.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app import importance, latent
from app.engine.work import Array, Operation, Rows, Steps, Work
from app.explore.grids import check_count
from app.explore.samples import Render
from app.explore.scores import Draws, check_draws, under_each
from app.importance import Doubles, Posterior
from app.models import Model
from app.pictures.grids import to_pixels
from app.settings import Settings

DEFAULT_DRAWS = 256
FILLINGS = 16  # of the missing pixels, each with a proposal of its own
ROUNDS = 12  # of filling and encoding
NEGLIGIBLE = 1e-9  # a share of the weight that no mean of float32 shows

Pixels = npt.NDArray[np.uint8]


class Incomplete(NamedTuple):
    """Images with missing pixels.

    Args:
        pixels: (N, H, W) or (N, H, W, 3) levels; those that are missing may have any.
        seen: (N, H, W), which are not missing.
        notes: what was done to uploads that their sender may not expect.
    """

    pixels: Pixels
    seen: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Completion:
    """One image completed; its seen pixels are as they were.

    Args:
        mean: (H, W) or (H, W, 3) float32, the weighted mean of what the codes' `mean` shows: an estimate of
            E[x given x seen] as far as that is E[x given z]. It may leave [0, 1].
        standard_error: as `mean`, of each pixel, from the weighted draws; 0 of a seen one.
        images: (n, H, W) or (n, H, W, 3) levels. Each is a draw chosen by weight among all, shown as
            ``Render`` says; one that outweighs the others is chosen again and again.
        log_p_seen: log of the mean weight, an unbiased estimate of p(x seen); so on average it is below
            log p(x seen). Nats, under the likelihood's own unit.
        effective_sample_size: of the weighted draws; near 1, the completions are all the same one.
    """

    mean: npt.NDArray[np.float32]
    standard_error: npt.NDArray[np.float32]
    images: Pixels
    log_p_seen: float
    effective_sample_size: float


@dataclasses.dataclass(frozen=True)
class Completions:
    """Every image of a request completed, and notes on uploads."""

    incomplete: Incomplete
    completions: tuple[Completion, ...]  # one for each image


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How images are completed.

    Args:
        n: completions of each image.
        draws: codes that are weighted for each image, and their seed.
        render: ``draw`` shows the missing pixels that were drawn: a draw from p(x missing given x seen).
            ``mean`` shows what stands for E[x given z] of its code z. None: the model's ``samples_render``.
    """

    n: int = 4
    draws: Draws = dataclasses.field(default_factory=lambda: Draws(DEFAULT_DRAWS))
    render: Render | None = None

    def render_of(self, model: Model) -> Render:
        """Return what is shown of each completion."""
        return self.render or model.manifest.samples_render


def complete(
    model: Model,
    limits: Settings,
    wanted: Wanted,
    read: Callable[[], Incomplete],
    images: int,
    upload_cost: int = 1,
) -> Work[Completions]:
    """Return the work of completing images.

    A completion depends on its image, its mask, k, the seed and its number alone, not on n.

    Args:
        model: what knows how images go on.
        limits: how many completions and draws there may be.
        wanted: what is asked for.
        read: gives the images; called in a thread, and may raise what refuses an upload.
        images: how many those will be.
        upload_cost: of decoding what `read` decodes; see ``Work``.

    Raises:
        InvalidParameter: n, k or the seed is out of range.
        ScoringUnavailable: the version was published without what completions need.
    """
    check_count("n", wanted.n, 1, max(1, limits.max_images // max(1, images)), "max_images")
    check_draws(model, limits, images, wanted.draws)

    def steps() -> Steps[Completions]:
        model.prepare_scoring()
        incomplete = read()
        completed = []
        for levels, seen in zip(incomplete.pixels, incomplete.seen, strict=True):
            mask = np.broadcast_to(seen.reshape(seen.shape + (1,) * (levels.ndim - 2)), levels.shape)
            image = _Image(levels, levels.astype(np.float32) / np.float32(255), mask)
            completed.append((yield from _completed(model, image, wanted)))
        return Completions(incomplete, tuple(completed))

    rows = images * wanted.draws.k
    drawer = (_drawer(model),) if model.is_sequential else ()
    operations = (model.means, model.scoring, *drawer)
    return Work(steps, rows, operations, heavy=True, upload_cost=max(1, upload_cost))


def _drawer(model: Model) -> Operation:
    """Return what draws images of which the likelihood's pixels depend on each other."""
    return model.drawing_around or model.drawing.unrounded


class _Image(NamedTuple):
    """One image to complete."""

    levels: Pixels  # (H, W) or (H, W, 3)
    pixels: Array  # the same in [0, 1]
    seen: npt.NDArray[np.bool_]  # of the same shape

    def filled(self, means: Array) -> Array:
        """Return the image with its missing pixels from each of (K, H, W) images."""
        return np.where(self.seen, self.pixels, np.clip(means, 0, 1))


class _Drawn(NamedTuple):
    """Codes, and how probable the seen pixels are under them."""

    z: Array  # (K, D)
    log_seen: Doubles  # (K,), sum over seen pixels of log p(x_i given x_<i, z), or as the module says
    levels: Pixels | None  # (K, H, W), the image completed under each; None: the pixels are independent


def _completed(model: Model, image: _Image, wanted: Wanted) -> Steps[Completion]:
    """Find proposals, draw from the prior and from them, weigh what was drawn, and answer."""
    k, seed = wanted.draws.k, wanted.draws.seed
    prior, of_prior = model.prior, max(1, k // 4)
    proposals = (yield from _proposals(model, image, of_prior, wanted)) if k > of_prior else []
    # Draw j of the encoder's comes from proposal j modulo their number.
    own = np.arange(k - of_prior) % max(1, len(proposals))
    noise = latent.posterior_noise(seed, 0, len(own), model.manifest.latent_dim)
    of_encoder = [proposals[j].draw(noise[i : i + 1]) for i, j in enumerate(own)]
    z = np.concatenate([prior.draw(seed, 0, of_prior), *of_encoder])
    drawn = yield from _drawn(model, image, z, seed)
    log_prior = prior.log_prob(drawn.z)
    parts = [math.log(of_prior / k) + log_prior]
    for number, count in enumerate(np.bincount(own)):
        parts.append(math.log(count / k) + proposals[number].log_prob(drawn.z))
    log_weights = drawn.log_seen + log_prior - np.logaddexp.reduce(parts)
    return (yield from _answer(model, image, drawn, log_weights, wanted))


def _proposals(model: Model, image: _Image, tried: int, wanted: Wanted) -> Steps[list[Posterior]]:
    """Return q(z given x) of the image as the nearest of `tried` draws of the prior lead to fill it in."""
    k, seed = wanted.draws.k, wanted.draws.seed
    means = yield Rows.of(model.means, model.prior.draw(seed, tried, tried))
    apart = _total(np.square(means - image.pixels), image.seen)
    means = means[np.argsort(apart, kind="stable")[:FILLINGS]]
    noise = latent.posterior_noise(seed, k, (ROUNDS - 1) * len(means), model.manifest.latent_dim)
    for number in range(ROUNDS):
        encoded = yield Rows.of(model.posterior, image.filled(means))
        proposals = [Posterior.of(each) for each in encoded]
        if number < ROUNDS - 1:
            own = noise[number * len(means) :]
            z = [each.draw(own[i : i + 1]) for i, each in enumerate(proposals)]
            means = yield Rows.of(model.means, np.concatenate(z))
    return proposals


def _drawn(model: Model, image: _Image, z: Array, seed: int, first: int = 0) -> Steps[_Drawn]:
    """Draw the missing pixels under each code, of noise `first` and following, and weigh the seen ones."""
    seen = image.seen
    if not model.is_sequential:
        # What stands for missing pixels changes nothing of the seen ones' probability.
        log_prob = yield under_each(model, z, np.where(seen, image.pixels, np.float32(0.5)))
        return _Drawn(z, _total(log_prob, seen), None)
    known = np.where(seen, image.levels, np.float32(np.nan)).astype(np.float32)
    around, shape = model.drawing_around, model.manifest.likelihood.noise_shape

    def make(start: int, count: int) -> tuple[Array, ...]:
        given = (z[start : start + count], latent.uniform_noise(seed, first + start, count, shape))
        return given if around is None else (*given, np.repeat(known[None], count, axis=0))

    whole = yield Rows(_drawer(model), len(z), make)
    filled = image.filled(whole)
    log_prob = yield Rows.of(model.scoring, z, filled)
    log_seen = _total(log_prob, seen)
    if around is None:
        proposed = yield Rows.of(model.scoring, z, whole)
        log_seen += _total(log_prob, ~seen) - _total(proposed, ~seen)
    return _Drawn(z, log_seen, to_pixels(filled))


def _total(log_prob: Array, where: npt.NDArray[np.bool_]) -> Doubles:
    """Return the sums over some pixels of each image, (K,)."""
    pixels = tuple(range(1, log_prob.ndim))
    total: Doubles = log_prob.sum(axis=pixels, where=where, dtype=np.float64)
    return total


def _answer(
    model: Model, image: _Image, drawn: _Drawn, log_weights: Doubles, wanted: Wanted
) -> Steps[Completion]:
    weights, seed = importance.normalised(log_weights), wanted.draws.seed
    counted = np.flatnonzero(weights > NEGLIGIBLE)
    means = yield Rows.of(model.means, drawn.z[counted])
    mean = np.tensordot(weights[counted].astype(np.float32), means, axes=1)
    squares = np.tensordot(np.square(weights[counted]).astype(np.float32), np.square(means - mean), axes=1)
    chosen = importance.resampled(weights, latent.resampling(seed, 0, wanted.n))
    if wanted.render_of(model) == "mean":
        images = yield Rows.of(model.decoding, drawn.z[chosen])
    elif drawn.levels is not None:
        images = drawn.levels[chosen]
    else:
        noise = latent.uniform_noise(seed, 0, wanted.n, model.manifest.likelihood.noise_shape)
        images = yield Rows.of(model.drawing, drawn.z[chosen], noise)
    return Completion(
        mean=np.where(image.seen, image.pixels, mean),
        standard_error=np.where(image.seen, np.float32(0), np.sqrt(squares)),
        images=np.where(image.seen, image.levels, images),
        log_p_seen=importance.log_mean_exp(log_weights),
        effective_sample_size=importance.effective_sample_size(weights),
    )
