"""Asks the use cases for pictures of the fake model."""

import numpy as np
import pytest

from app.errors import InvalidParameter
from app.explore.grids import GridStyle
from app.explore.samples import Samples, check_seed, sampler
from app.explore.walks import interpolate, resolve_walk
from app.settings import Settings

LIMITS = Settings()
LIGHT = GridStyle(columns=7, ink="light")


def drawn(model, style=LIGHT, seed=3, **changes):
    check_seed(seed)
    return sampler(model, LIMITS, style, Samples(**({"n": 5} | changes)))(seed)()


def walked(model, style=GridStyle(None, 1, "light"), **changes):  # noqa: B008  a frozen value
    ends = {"axis": 0, "low": -1.0, "high": 1.0, "steps": 3} | changes
    base = {"seed": ends.pop("seed", None), "z": ends.pop("z", None)}
    walk = resolve_walk(model, LIMITS, **ends)
    return interpolate(model, LIMITS, style, walk, **base)()


def level(value):
    """Level of a half whose latent axis has this value in the fake model."""
    return min(255, int(256 * np.clip(np.float32(0.5) + np.float32(value) / np.float32(10), 0, 1)))


def faults(call, **arguments):
    with pytest.raises(InvalidParameter) as caught:
        call(**arguments)
    return caught.value.faults[0]
