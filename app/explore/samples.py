"""Ancestral sampling: z ~ p(z), then x ~ p(x given z).

As in every use case, a function of a context and plain values returns the work that remains. What a client
may choose is checked at once: a refusal costs nothing and waits for nobody. The work itself is a generator
(``app.engine.work``): what it yields is computed in batches.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from app import latent
from app.engine.work import Array, Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import MAX_CODE, Answer, Context, check_count, check_range
from app.explore.labels import find_label
from app.explore.points import Point, codes_of, operations_of
from app.manifest import Render as Render
from app.models import Model
from app.pictures.provenance import SeededProvenance
from app.priors import Prior, StandardNormal

PriorName = Literal["standard_normal", "gaussian_mixture"]

MAX_TEMPERATURE = 4.0
AROUND = 0.5  # temperature of draws around a point, unless a request says otherwise
MAX_OFFSET = 2**40  # far from where the counter of the generator would wrap


@dataclasses.dataclass(frozen=True)
class Samples:
    """What is sampled; image k of a seed depends on (model version, seed, k) and nothing else.

    Args:
        n: number of images.
        temperature: 0 to 4, scale of the codes about the mean of the prior, or of each code about that of its
            component; 1 samples the prior.
        render: ``mean`` shows E[x given z], ``draw`` a draw from p(x given z). None: of the prior's codes
            what the model's manifest says; around a point, which temperature zero is to show, the mean.
        label: a class, by its name or number, whose part of the prior alone is drawn from; None: all of it.
        offset: the number of the first image.
        prior: what codes are drawn from; None: the model's own.
        around: draw from N(this point, temperature^2 I) instead.
    """

    n: int
    temperature: float = 1.0
    render: Render | None = None
    label: str | None = None
    offset: int = 0
    prior: PriorName | None = None
    around: Point | None = None

    def check(self, context: Context) -> None:
        """Refuse a value that is out of range, or that another one rules out.

        Raises:
            InvalidParameter: says which.
        """
        check_count("n", self.n, 1, context.limits.max_images, "max_images")
        self.check_for(context.model)

    def check_for(self, model: Model) -> None:
        """Refuse as ``check`` does what does not depend on a service's limits."""
        check_range("temperature", self.temperature, 0.0, MAX_TEMPERATURE)
        check_range("offset", self.offset, 0, MAX_OFFSET)
        if self.prior not in (None, "standard_normal", own := model.manifest.prior.name):
            expected = f"standard_normal or {own}" if own != "standard_normal" else own
            remedy = "Leave prior out for the model's own."
            raise InvalidParameter.of("prior", expected, self.prior, remedy, "no_such_prior")
        if self.around is not None and self.prior is not None:
            expected, remedy = "of or prior, not both", "Leave one of them out."
            raise InvalidParameter.of("prior", expected, "both", remedy, "contradictory")
        if self.label is not None:
            find_label(model, self.label)
            ruled_out = {"of": self.around is not None, "prior": self.prior_of(model) is not model.prior}
            for name in (name for name, given in ruled_out.items() if given):
                expected, remedy = f"label or {name}, not both", "Leave one of them out."
                raise InvalidParameter.of(name, expected, "both", remedy, "contradictory")

    def render_of(self, model: Model) -> Render:
        """Return what is shown of each code."""
        if self.render is not None:
            return self.render
        return "mean" if self.around is not None else model.manifest.samples_render

    def prior_of(self, model: Model) -> Prior:
        """Return what codes are drawn from, or N(0, I) around a point."""
        if self.around is None and self.prior in (None, model.manifest.prior.name):
            return model.prior
        return StandardNormal(model.manifest.latent_dim)


def sampler(context: Context, samples: Samples) -> Callable[[int], Work[Answer]]:
    """Return a function of a seed, 0 to 2^63 - 1, that returns the work of its picture.

    What does not depend on the seed is checked here, once for many pictures.

    Args:
        context: with a recipe that names no seed.
        samples: what is sampled.

    Raises:
        InvalidParameter: a value is out of range, or the model knows no such class.
    """
    samples.check(context)
    model, n, around = context.model, samples.n, samples.around
    columns, heavy = context.check_grid(n, by=["n"], other_columns=True), context.is_heavy(n)
    provenance = SeededProvenance(context.recipe)
    codes_of_seed = _codes(model, samples)
    noise_shape = model.manifest.likelihood.noise_shape
    drawn = samples.render_of(model) == "draw"
    operation = model.drawing if drawn else model.decoding
    operations = (*operations_of(() if around is None else (around,), model), operation)

    def steps(seed: int) -> Steps[Answer]:
        centre = None
        if around is not None:
            centre = (yield from codes_of([around], model))[0]

        def codes(start: int, count: int) -> Array:
            return codes_of_seed(seed, start, count, centre)

        def make(start: int, count: int) -> tuple[Array, ...]:
            if not drawn:
                return (codes(start, count),)
            first = samples.offset + start
            return codes(start, count), latent.uniform_noise(seed, first, count, noise_shape)

        images = yield Rows(operation, n, make, cheap=not drawn)
        of_seed = context if not context.has_codes else context.seeded(seed)
        return of_seed.draw(images, columns, codes(0, n) if context.has_codes else None, provenance.of(seed))

    return lambda seed: Work(functools.partial(steps, seed), n, operations, heavy)


def _codes(model: Model, samples: Samples) -> Callable[[int, int, int, Array | None], Array]:
    """Return a function of seed, start and count, and the point that is drawn around, that returns codes."""
    prior = samples.prior_of(model)
    label = None if samples.label is None else find_label(model, samples.label)
    temperature, offset, draw = samples.temperature, samples.offset, prior.draw

    def codes(seed: int, start: int, count: int, centre: Array | None) -> Array:
        drawn = draw(seed, offset + start, count, temperature, label)
        # Beyond it a decoder has never been trained.
        return drawn if centre is None else np.clip(centre + drawn, -MAX_CODE, MAX_CODE)

    return codes
