"""What a page will show, compared with what the service answers."""

from typing import NamedTuple

import numpy as np

from app.errors import ModelError
from app.models import Model
from app.pictures.grids import to_pixels
from app.runtimes.one_row import decode_one_by_one

POINTS = 500
SEED = 0
MOST = 1  # level: another processor may round a sum in another way, and a value on an edge changes its bin


class Difference(NamedTuple):
    """How far levels lie from those of the service."""

    points: int
    levels: int  # compared
    differ: int  # of these
    most: int


def difference(model: Model, flatbuffer: bytes) -> Difference:
    """Return how the levels of a flatbuffer of one row differ from the service's, at codes of a seed.

    Raises:
        ModelError: by more than one level.
    """
    codes = model.prior.draw(SEED, 0, POINTS)
    served = to_pixels(model.decode(codes)).astype(np.int16)
    exported = to_pixels(decode_one_by_one(flatbuffer, codes)).astype(np.int16)
    away = np.abs(served - exported)
    found = Difference(POINTS, away.size, int((away > 0).sum()), int(away.max()))
    if found.most > MOST:
        reference, most = model.version.reference, found.most
        raise ModelError(f"{reference}: the decoder for browsers differs by {most} levels from the service")
    return found
