"""Points: places in a model's latent space, written as the service reads them.

``str`` of a point gives its text, like ``0.5*seed:42/3~0.5*label:Bag``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, SupportsFloat


class Point:
    """A weighted sum of places. Points are added, subtracted, and multiplied or divided by numbers."""

    __slots__ = ("_terms",)

    def __init__(self, terms: Iterable[tuple[float, str]]) -> None:
        self._terms = tuple(terms)

    @property
    def terms(self) -> tuple[tuple[float, str], ...]:
        """Each weight and the text of its place."""
        return self._terms

    def __add__(self, other: Point) -> Point:
        return Point(self._terms + other._terms) if isinstance(other, Point) else NotImplemented

    def __sub__(self, other: Point) -> Point:
        return self + -1.0 * other if isinstance(other, Point) else NotImplemented

    def __neg__(self) -> Point:
        return -1.0 * self

    def __mul__(self, factor: float) -> Point:
        if not isinstance(factor, SupportsFloat):
            return NotImplemented
        return Point((_finite(weight * float(factor)), place) for weight, place in self._terms)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Point:
        return self * (1 / float(divisor)) if isinstance(divisor, SupportsFloat) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self._terms == other._terms if isinstance(other, Point) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._terms)

    def __str__(self) -> str:
        return "~".join(place if weight == 1 else f"{weight!r}*{place}" for weight, place in self._terms)

    def __repr__(self) -> str:
        return f"<Point {self}>"


PointLike = Point | str


def seed(value: int | str, image: int = 0) -> Point:
    """Return the code of an image of ``samples(seed=value)``; image 0 is the first."""
    return _place(f"seed:{value}/{image}")


def label(name: str | int) -> Point:
    """Return the centre of a class, by its name or number."""
    return _place(f"label:{name}")


def centre() -> Point:
    """Return the centre of the prior."""
    return _place("centre")


def example(number: int) -> Point:
    """Return what the encoder makes of one of the examples that a model ships."""
    return _place(f"example:{number}")


def image(number: int) -> Point:
    """Return what the encoder makes of one of the images that are sent along, from 0."""
    return _place(f"image:{number}")


def on_map(number: int) -> Point:
    """Return the code of one of the images on a model's map of the test set, from 0."""
    return _place(f"map:{number}")


def code(values: Iterable[SupportsFloat]) -> Point:
    """Return the point at a code, one number a latent axis.

    Raises:
        ValueError: a number is not finite, or there is none.
    """
    text = ",".join(map(_number, values))
    if not text:
        raise ValueError("a code has one number a latent axis, and this one has none")
    return _place(f"z:{text}")


def _place(text: str) -> Point:
    if {*"~;"} & {*text}:
        raise ValueError(f"{text!r}: ~ and ; stand between points; name a class with them by its number")
    return Point([(1.0, text)])


def _number(value: SupportsFloat) -> str:
    """Return a number in the digits of its own precision: those of a 32-bit float are fewer."""
    number, text, kind = _finite(float(value)), str(value), type(value)
    try:
        as_it_is = math.isfinite(float(text)) and kind(text) == value  # type: ignore[call-arg]
    except (TypeError, ValueError):  # a tensor, say, whose text is more than the number
        as_it_is = False
    return text if as_it_is else repr(number)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def text_of(value: Any) -> str:
    """Return a parameter's value as a query has it: several points have ; between them, numbers commas."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Point | str) or not isinstance(value, Iterable):
        return str(value)
    each = list(value)
    if any(isinstance(one, Point | str) for one in each):
        return ";".join(map(str, each))
    return ",".join(map(_number, each))
