"""Arrays as people have them -> levels of pixels, and the class of each image.

What can be read in one way alone is read; what could mean two things is refused with the line of NumPy that
says which. An error is one line.
"""

import math
from typing import Any

import numpy as np

from training.data.names import text_of
from training.errors import DataError
from training.types import Pixels

Array = np.ndarray[Any, np.dtype[Any]]


def levels_of(images: Array, name: str = "images") -> Pixels:
    """Return images as 256 levels, (N, H, W) or (N, H, W, 3).

    Args:
        images: (N, H, W), or with a last or second axis of 1 or 3 colours; whole numbers from 0 to 255 of any
            type, fractions or booleans from 0 to 1.
        name: of the array, for errors.

    Raises:
        DataError: they are something else.
    """
    if images.dtype.kind not in "biuf":
        raise _refusal(name, "whole numbers or fractions", images.dtype)
    images = _colours_last(images, name)
    low, high = images.min(), images.max()
    if images.dtype.kind in "bf" and low >= 0 and high <= 1:
        # A slice at a time: the fractions may be as large as memory allows.
        return np.stack([np.rint(image.astype(np.float32) * 255).astype(np.uint8) for image in images])
    if images.dtype.kind == "f":
        if not (low >= 0 and high <= 255 and all((image == np.rint(image)).all() for image in images)):
            expected = "whole numbers from 0 to 255, or fractions from 0 to 1"
            raise _refusal(name, expected, f"{low:.4g} to {high:.4g}", _into_range(name, low, high))
    elif high <= 1 and low >= 0:
        hint = "whole numbers from 0 to 255 (give black and white as fractions or booleans)"
        raise _refusal(name, hint, f"{low} to {high}", f"{name} = {name}.astype(bool)")
    elif low < 0 or high > 255:
        raise _refusal(name, "whole numbers from 0 to 255", f"{low} to {high}", _into_range(name, low, high))
    return images.astype(np.uint8)


def names_of(labels: Array, count: int, name: str = "labels") -> list[str]:
    """Return the name of each image's class.

    Args:
        labels: (N,) or (N, 1) whole numbers, words or bytes, or (N, classes) with a single 1 in each row.
        count: of images, N.
        name: of the array, for errors.

    Raises:
        DataError: they are something else, or of another number of images.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    expected = f"{count} whole numbers or words, one an image"
    if labels.dtype.kind not in "biufUS":
        raise _refusal(name, expected, labels.dtype, f"{name} = {name}.astype(str)")
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            received = f"{labels.dtype} of shape {labels.shape}, not one 1 in each row"
            raise _refusal(name, expected, received, f"{name} = {name}.argmax(axis=1)")
        labels = labels.argmax(axis=1)
    if labels.shape != (count,):
        received = f"{labels.dtype} of shape {labels.shape}"
        raise _refusal(name, expected, received)
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
            remedy = f"{name} = np.rint({name}).astype(int)"
            raise _refusal(name, expected, f"{labels.dtype} with fractions", remedy)
        labels = labels.astype(np.int64)
    return [text_of(each) if isinstance(each, str | bytes) else str(each) for each in labels.tolist()]


def _colours_last(images: Array, name: str) -> Array:
    """Return images as (N, H, W) or (N, H, W, 3), or refuse their shape with the line that makes it so."""
    shape = images.shape
    if 0 not in shape:
        if len(shape) == 3 and not _is_one_image(shape):
            return images
        if len(shape) == 4 and shape[3] in (1, 3):
            return images[..., 0] if shape[3] == 1 else images
        if len(shape) == 4 and shape[1] in (1, 3):
            return images[:, 0] if shape[1] == 1 else images.transpose(0, 2, 3, 1)
    expected = "the shape (N, H, W) or (N, H, W, 1 or 3)"
    raise _refusal(name, expected, shape, " or ".join(_into_shape(name, shape)))


def _is_one_image(shape: tuple[int, ...]) -> bool:
    """Say whether (H, W, colours) is likelier than (N, H, W): nobody has hundreds of strips."""
    return shape[2] in (1, 3, 4) and shape[1] > 4 * shape[2]


def _into_shape(name: str, shape: tuple[int, ...]) -> list[str]:
    """Return the lines of which one makes images of an array; none if nobody can know."""
    if 0 in shape:
        return []
    if len(shape) == 2:
        side, colour_side = math.isqrt(shape[1]), math.isqrt(shape[1] // 3)
        if side**2 == shape[1] > 1:
            return [f"{name} = {name}.reshape(-1, {side}, {side})"]
        if 3 * colour_side**2 == shape[1] > 3:
            sides = f"{colour_side}, {colour_side}"
            return [f"{name} = {name}.reshape(-1, 3, {sides})", f"{name} = {name}.reshape(-1, {sides}, 3)"]
        return [f"{name} = {name}.reshape(-1, HEIGHT, WIDTH)"]
    if len(shape) == 3:
        return [f"{name} = {name}[None], as it is one image"]
    if len(shape) == 4:
        if shape[3] in (2, 4):
            return [f"{name} = {name}[..., :{shape[3] - 1}]"]
        if shape[1] in (2, 4):
            return [f"{name} = {name}[:, :{shape[1] - 1}].transpose(0, 2, 3, 1)"]
        if shape[2] in (1, 3):
            return [f"{name} = {name}.transpose(3, 0, 1, 2)"]
    if len(shape) == 5 and 1 in shape[1:]:
        return [f"{name} = {name}.squeeze({shape.index(1, 1)})"]
    return []


def _into_range(name: str, low: float, high: float) -> str:
    """Return the line that makes 8-bit levels, or fractions, of numbers in another range."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{name} = np.nan_to_num({name}, posinf=0, neginf=0)"
    if low >= 0 and 1.5 < high <= 255:
        return f'{name} = np.rint({name}).astype("uint8")'
    if low >= 0 and 255 < high <= 65_535:
        return f'{name} = ({name} // 257).astype("uint8")'
    if -1 <= low < 0 and high <= 1:
        return f"{name} = ({name} + 1) / 2"
    if low > -0.5 and high <= 1.5:
        return f"{name} = np.clip({name}, 0, 1)"
    return f"{name} = ({name} - {name}.min()) / ({name}.max() - {name}.min())"


def _refusal(name: str, expected: str, received: object, remedy: str = "") -> DataError:
    line = f"; in NumPy: {remedy}" if remedy else ""
    return DataError(f"{name}: expected {expected}. Received: {received}{line}")
