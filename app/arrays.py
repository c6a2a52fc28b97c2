"""Arrays in a file of a version: an npz."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def read_arrays(path: Path) -> Arrays:
    """Return all arrays of a file by their names; nothing in it is run.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no npz, or was cut off or damaged.
    """
    try:
        # NumPy leaves a file open that it opened itself and cannot use.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (AttributeError, TypeError):  # a lone array has no names
        raise ValueError("expected an npz") from None
    except (EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
