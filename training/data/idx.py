"""The idx format of MNIST and its relatives: a header that counts, then bytes.

The header is two zero bytes, the kind of number (8: unsigned bytes), the number of axes, and the length of
each axis as a big-endian int32.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.errors import DataError

UNSIGNED_BYTES = 8
MAX_BYTES = 4 * 2**30  # of one file once it is decompressed: a small .gz may hold any amount


def find(folder: Path, name: str) -> Path | None:
    """Return the file called `name` in a folder, or that with ``.gz`` behind it; None: there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def load(path: Path, ndim: int) -> npt.NDArray[np.uint8]:
    """Return the array of a file: ``read`` and ``parse``, whose errors it raises with the file's name."""
    content = read(path)
    try:
        return parse(content, ndim)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def read(path: Path) -> bytes:
    """Return a file's content, decompressed if it ends in ``.gz``.

    Raises:
        DataError: it cannot be read, is truncated, or larger than 4 GiB.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: truncated or not gzip ({error}); delete it and fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: holds more than {MAX_BYTES / 2**30:g} GiB; split it into smaller files")
    return content


def parse(content: bytes, ndim: int) -> npt.NDArray[np.uint8]:
    """Return the array of an idx file of unsigned bytes with `ndim` axes.

    Raises:
        DataError: the content is something else, or ends early. The message names no file.
    """
    expected = bytes([0, 0, UNSIGNED_BYTES, ndim])
    if content[:4] != expected:
        raise DataError(
            f"not an idx file of unsigned bytes with {ndim} axes: it begins with {content[:4].hex()}, "
            f"expected {expected.hex()}"
        )
    start = 4 + 4 * ndim
    if len(content) < start:
        raise DataError("the idx header is cut off")
    shape = [int(length) for length in np.frombuffer(content, ">u4", ndim, offset=4)]
    if len(content) != start + math.prod(shape):
        raise DataError(
            f"the idx header announces {' x '.join(map(str, shape))} bytes, {len(content) - start} are there"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
