"""The images of a map as a list: what the canvas of the map is to those who do not see it."""

from typing import NamedTuple

import numpy as np

from app.held_out import open_map
from app.store import Version

PAGE = 60  # images that are listed at once


class ListedImages(NamedTuple):
    """A page of the list.

    Args:
        name: the class that it is of; empty: images of all classes.
        images: number of each image, and its class, empty if it has none.
        following: how many images come before the next page; None: this is the last.
        total: of the class, on all pages.
    """

    name: str
    images: tuple[tuple[int, str], ...]
    following: int | None
    total: int


def listed_images(version: Version, name: str, first: str) -> ListedImages | None:
    """Return a page of the images on a version's map, in their order.

    Args:
        version: whose map it is.
        name: of a class; images of all classes are listed if there is no such class.
        first: how many images come before the page, in digits; what is no number, or too large, is 0.

    Returns:
        None if the version has no map.

    Raises:
        ModelError: its files are not what the manifest says.
    """
    found = open_map(version)
    if found is None:
        return None
    known = name if name in found.names else ""
    numbers = np.arange(len(found))
    if known:
        numbers = numbers[found.classes == found.names.index(known)]
    asked = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 0
    begin = asked if asked < len(numbers) else 0
    images = tuple((k, found.class_of(k) or "") for k in numbers[begin : begin + PAGE].tolist())
    following = begin + PAGE if begin + PAGE < len(numbers) else None
    return ListedImages(known, images, following, len(numbers))
