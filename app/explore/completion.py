"""Completions: what may stand where pixels of an image are missing.

p(x missing given x seen) is the mixture of p(x missing given z) over p(z given x seen). Codes are drawn from
proposals and weighted by p(x seen given z) p(z) / r(z), r the mixture of all proposals (self-normalised
importance sampling, the deterministic mixture of Owen & Zhou 2000). The proposals are

* the prior: a quarter of the draws. It keeps the weights bounded (Hesterberg 1995).
* q(z given x) of the image with its missing pixels filled in, by several fillings. Each begins with one of
  the prior's codes, those under which the seen pixels are most probable; then filling and encoding take turns
  (Rezende, Mohamed & Wierstra 2014; Mattei & Frellsen 2018).

Of a model whose pixels lean on those before them, seen pixels that lean on missing ones are taken as if these
were at their mean under z: exact if the missing part is the lower end of the image.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app import importance, latent
from app.engine.work import Array, Rows, Steps, Work
from app.explore.grids import check_count
from app.explore.samples import Render
from app.explore.scores import Draws, check_draws
from app.importance import Doubles, Posterior
from app.models import Model
from app.pictures.grids import to_pixels
from app.settings import Settings

DEFAULT_DRAWS = 256
FILLINGS = 16  # of the missing pixels, each with a proposal of its own
ROUNDS = 12  # of filling and encoding
GROUPS = 4  # of draws, from which completions are chosen in turns

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
        mean: (H, W) or (H, W, 3) float32, E[x given x seen] as estimated, which may leave [0, 1].
        standard_error: as `mean`, of each pixel, from the weighted draws; 0 of a seen one.
        images: (n, H, W) or (n, H, W, 3) levels, draws from p(x missing given x seen): for each a code is
            drawn from p(z given x seen), and shown as ``Render`` says.
        log_p_seen: an estimate of log p(x seen) in nats, under the likelihood's own unit.
        effective_sample_size: of the weighted codes; near 1, the completions are all much the same.
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
        render: ``mean`` shows E[x given z] of a completion's code z, ``draw`` a draw from p(x given z).
    """

    n: int = 4
    draws: Draws = dataclasses.field(default_factory=lambda: Draws(DEFAULT_DRAWS))
    render: Render = "mean"


def complete(
    model: Model,
    limits: Settings,
    wanted: Wanted,
    read: Callable[[], Incomplete],
    images: int,
    upload_bytes: int = 1,
) -> Work[Completions]:
    """Return the work of completing images. A completion depends on its image, its mask and `wanted` alone.

    Args:
        model: what knows how images go on.
        limits: how many completions and draws there may be.
        wanted: what is asked for.
        read: gives the images; called in a thread, and may raise what refuses an upload.
        images: how many those will be.
        upload_bytes: size of the files that `read` decodes.

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
    return Work(steps, rows, (model.means, model.scoring), heavy=True, upload_bytes=max(1, upload_bytes))


class _Image(NamedTuple):
    """One image to complete."""

    levels: Pixels  # (H, W) or (H, W, 3)
    pixels: Array  # the same in [0, 1]
    seen: npt.NDArray[np.bool_]  # of the same shape

    def filled(self, means: Array) -> Array:
        """Return the image with its missing pixels from each of (K, H, W) images."""
        return np.where(self.seen, self.pixels, np.clip(means, 0, 1))


class _Draws(NamedTuple):
    """Codes, what they decode to, and how probable the seen pixels are under them.

    Groups are drawn apart from each other, so that completions of different groups are independent.
    """

    z: Array  # (K, D)
    means: Array  # (K, H, W)
    log_seen: Doubles  # (K,), log p(x seen given z)
    groups: npt.NDArray[np.int64]  # (K,), a number for each

    def and_also(self, others: _Draws) -> _Draws:
        return _Draws(*(np.concatenate(both) for both in zip(self, others, strict=True)))


def _completed(model: Model, image: _Image, wanted: Wanted) -> Steps[Completion]:
    """Draw codes from the prior, then from what the encoder proposes; weigh them; answer."""
    k, seed = wanted.draws.k, wanted.draws.seed
    prior, of_prior = model.prior, max(1, k // 4)
    found = yield from _drawn(model, image, prior.draw(seed, 0, of_prior), np.arange(of_prior) % FILLINGS)
    proposals = yield from _proposals(model, image, found, wanted)
    # Draw j of the encoder's comes from proposal j modulo their number.
    own = np.arange(k - of_prior) % len(proposals)
    if len(own):
        noise = latent.posterior_noise(seed, 0, len(own), model.manifest.latent_dim)
        z = np.concatenate([proposals[j].draw(noise[i : i + 1]) for i, j in enumerate(own)])
        found = found.and_also((yield from _drawn(model, image, z, own)))
    log_prior = prior.log_prob(found.z)
    parts = [math.log(of_prior / k) + log_prior]
    for number, count in enumerate(np.bincount(own)):
        parts.append(math.log(count / k) + proposals[number].log_prob(found.z))
    log_weights = found.log_seen + log_prior - np.logaddexp.reduce(parts)
    return (yield from _answer(model, image, found, log_weights, wanted))


def _proposals(model: Model, image: _Image, found: _Draws, wanted: Wanted) -> Steps[list[Posterior]]:
    """Return q(z given x) of the image filled in by what the prior's best codes lead to."""
    best = np.argsort(-found.log_seen, kind="stable")[:FILLINGS]
    means = found.means[best]
    noise = latent.posterior_noise(
        wanted.draws.seed, wanted.draws.k, (ROUNDS - 1) * len(best), found.z.shape[1]
    ).reshape(ROUNDS - 1, len(best), -1)
    for number in range(ROUNDS):
        encoded = yield Rows.of(model.posterior, image.filled(means))
        proposals = [Posterior.of(each) for each in encoded]
        if number < ROUNDS - 1:
            drawn = [each.draw(one[None]) for each, one in zip(proposals, noise[number], strict=True)]
            means = yield Rows.of(model.means, np.concatenate(drawn))
    return proposals


def _drawn(model: Model, image: _Image, z: Array, groups: npt.NDArray[np.int64]) -> Steps[_Draws]:
    means = yield Rows.of(model.means, z)
    log_prob = yield Rows.of(model.scoring, z, image.filled(means))
    pixels = tuple(range(1, log_prob.ndim))
    return _Draws(z, means, log_prob.sum(axis=pixels, where=image.seen, dtype=np.float64), groups)


def _answer(
    model: Model, image: _Image, found: _Draws, log_weights: Doubles, wanted: Wanted
) -> Steps[Completion]:
    weights = importance.normalised(log_weights)
    mean = np.tensordot(weights.astype(np.float32), found.means, axes=1)
    squares = np.tensordot(np.square(weights).astype(np.float32), np.square(found.means - mean), axes=1)
    chosen = _chosen(found.groups, log_weights, wanted)
    if wanted.render == "mean":
        drawn = to_pixels(found.means[chosen])
    else:
        shape = model.manifest.likelihood.noise_shape
        noise = latent.uniform_noise(wanted.draws.seed, 0, wanted.n, shape)
        drawn = yield Rows.of(model.drawing, found.z[chosen], noise)
    return Completion(
        mean=np.where(image.seen, image.pixels, mean),
        standard_error=np.where(image.seen, np.float32(0), np.sqrt(squares)),
        images=np.where(image.seen, image.levels, drawn),
        log_p_seen=importance.log_mean_exp(log_weights),
        effective_sample_size=importance.effective_sample_size(weights),
    )


def _chosen(groups: npt.NDArray[np.int64], log_weights: Doubles, wanted: Wanted) -> npt.NDArray[np.intp]:
    """Return the number of a draw for each completion, by weight, completion i from group i modulo GROUPS.

    Where one draw outweighs all others, completions that are chosen among all draws are all the same.
    """
    number = min(GROUPS, int(groups.max()) + 1)
    uniform = latent.resampling(wanted.draws.seed, 0, wanted.n)
    chosen = np.empty(wanted.n, np.intp)
    for group in range(min(number, wanted.n)):
        members = np.flatnonzero(groups % number == group)
        weights = importance.normalised(log_weights[members])
        chosen[group::number] = members[importance.resampled(weights, uniform[group::number])]
    return chosen
