"""Latent traversals: one axis walked from low to high, everything else held."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses

import numpy as np
import numpy.typing as npt

from app import latent
from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore import grids
from app.explore.grids import MAX_CODE, GridStyle, Picture, check_count, check_range
from app.explore.samples import check_seed
from app.models import Model
from app.settings import Settings


@dataclasses.dataclass(frozen=True)
class Walk:
    """A way along one latent axis with every default filled in from the model's manifest."""

    axis: int
    low: float
    high: float
    steps: int


def resolve_walk(
    model: Model, limits: Settings, axis: int | None, low: float | None, high: float | None, steps: int | None
) -> Walk:
    """Return a checked walk; what is None is the model's own choice.

    Args:
        model: what decodes.
        limits: what a request may ask for.
        axis: 0 to latent_dim - 1.
        low: where the walk begins.
        high: where it ends; equal to low, a constant strip.
        steps: number of images.

    Raises:
        InvalidParameter: no such axis, an end beyond +-8, low above high, or too many steps.
    """
    manifest = model.manifest
    axis = manifest.walk.axis if axis is None else axis
    if not 0 <= axis < manifest.latent_dim:
        expected = f"axes 0..{manifest.latent_dim - 1}"
        raise InvalidParameter.of("axis", expected, axis, "Name one latent axis.", "out_of_range")
    default_low, default_high = manifest.walk_range(axis)
    low = default_low if low is None else low
    high = default_high if high is None else high
    for name, value in (("low", low), ("high", high)):
        check_range(name, value, -MAX_CODE, MAX_CODE)
    if low > high:
        raise InvalidParameter.of("low", f"at most high ({high})", low, "Swap low and high.", "out_of_order")
    steps = manifest.walk.steps if steps is None else steps
    check_count("steps", steps, 2, limits.max_steps, "max_steps")
    return Walk(axis, low, high, steps)


def interpolate(
    model: Model,
    limits: Settings,
    style: GridStyle,
    walk: Walk,
    seed: int | None,
    z: tuple[float, ...] | None,
) -> Work[Picture]:
    """Return the work of a walk along one latent axis in equal steps, every other axis held.

    Args:
        model: what decodes.
        limits: what a request may ask for.
        style: how the row is drawn.
        walk: as ``resolve_walk`` gives it.
        seed: holds the other axes at the first code of this seed, the one that ``samples`` draws first.
        z: holds the other axes at this code. Neither seed nor z: at the prior's centre.

    Raises:
        InvalidParameter: a value is out of range, or seed and z are both given.
    """
    columns = grids.check_grid(style, walk.steps, model, limits)
    latent_dim = model.manifest.latent_dim
    if seed is not None and z is not None:
        remedy = "Leave one of them out."
        raise InvalidParameter.of("z", "seed or z, not both", "both", remedy, "contradictory")
    if seed is not None:
        check_seed(seed)
        base = model.prior.draw(seed, 0, 1)[0]
    elif z is not None:
        base = check_code(z, latent_dim)
    else:
        base = model.prior.centre

    def steps() -> Steps[Picture]:
        codes = latent.walk(base, walk.axis, walk.low, walk.high, walk.steps)
        images = yield Rows.of(model.decoding, codes)
        return grids.draw_grid(images, columns, style)

    return Work(steps, walk.steps, (model.decoding,), grids.is_heavy(walk.steps, model, style))


def check_code(z: tuple[float, ...], latent_dim: int) -> npt.NDArray[np.float32]:
    """Return z as (D,) float32, or refuse another number of values, or one beyond +-8."""
    if len(z) != latent_dim:
        expected, received = f"{latent_dim} numbers, one a latent axis", f"{len(z)} numbers"
        remedy = f"Give {latent_dim} numbers with commas between them."
        raise InvalidParameter.of("z", expected, received, remedy, "wrong_length")
    for index, value in enumerate(z):
        check_range(f"z[{index}]", value, -MAX_CODE, MAX_CODE)
    return np.array(z, np.float32)
