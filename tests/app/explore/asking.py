"""Asks the use cases for pictures of the fake model."""

import functools

import numpy as np
import pytest

from app.engine.work import Work
from app.errors import InvalidParameter
from app.explore.grids import Context
from app.explore.points import codes_of, points_in
from app.explore.samples import Samples, sampler
from app.explore.seeds import check_seed
from app.explore.walks import interpolate, resolve_walk
from app.pictures.grids import GridStyle
from app.pictures.provenance import Recipe
from app.settings import Settings

LIMITS = Settings()
LIGHT = GridStyle(columns=7, ink="light")
ROW = GridStyle(None, 1, "light")


def context_of(model, style=LIGHT, limits=LIMITS, path="/samples"):
    """What a use case works with, of a request that named no parameter."""
    version = model.version
    address = f"{path}?model={version.pinned}"
    recipe = Recipe(version.reference, version.manifest.digest, path, {}, address)
    return Context(model, limits, style, recipe)


def drawn(model, style=LIGHT, seed=3, **changes):
    check_seed(seed)
    return sampler(context_of(model, style), Samples(**({"n": 5} | changes)))(seed)()


def walked(model, style=ROW, at=None, **changes):
    ends = {"axis": 0, "low": -1.0, "high": 1.0, "steps": 3} | changes
    walk = resolve_walk(model, LIMITS, **ends)
    held = None if at is None else points_in(at, "at", model)[0]
    return interpolate(context_of(model, style, path="/interpolate"), walk, held)()


def codes_at(model, text, uploads=None):
    """The codes of the points that a text names, (N, D), computed as a request does."""
    points = points_in(text, "at", model, 0 if uploads is None else len(uploads))
    return Work(functools.partial(codes_of, points, model, uploads), len(points), (model.encoding,))()


def level(value):
    """Level of a half whose latent axis has this value in the fake model."""
    return min(255, int(256 * np.clip(np.float32(0.5) + np.float32(value) / np.float32(10), 0, 1)))


def faults(call, *given, **arguments):
    with pytest.raises(InvalidParameter) as caught:
        call(*given, **arguments)
    return caught.value.faults[0]
