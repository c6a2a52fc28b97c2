"""Uniform numbers for draws by compiled code, which lets Python's lock go; see ``app/latent.py``."""

import numpy as np
import numpy.typing as npt

from app.native.library import library

_WORD = 2**64 - 1


def uniform(seed: int, stream: int, block: int, rows: int, width: int) -> npt.NDArray[np.float32] | None:
    """Return rows of numbers in (0, 1) of Philox 4x64 with the key (seed, stream), (rows, width) float32.

    None if there is no compiled code.

    Args:
        seed: below 2^64.
        stream: below 2^64.
        block: how many blocks of four numbers come before; every row begins with a new one.
        rows: how many.
        width: numbers in a row.
    """
    code = library()
    if code is None:
        return None
    key = np.array([seed, stream], np.uint64)
    numbers = np.empty((rows, width), np.float32)
    code.vitrine_uniform(key.ctypes.data, block & _WORD, block >> 64, rows, width, numbers.ctypes.data)
    return numbers
