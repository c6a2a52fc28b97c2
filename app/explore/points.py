"""Points: how a request names a place in the latent space.

    point  =  term  { "~" term }              a sum
    term   =  [ weight "*" ]  place           weight: a number, 1 if left out
    place  =  "centre"                        the centre of the prior
           |  "label:" class                  the centre of a class, by its name or number
           |  "seed:" seed [ "/" k ]          the code of image k (0 if left out) of /samples?seed=
           |  "example:" k                    what the encoder makes of the version's example k
           |  "image:" k                      the same of image k of an upload
           |  "map:" k                        the code of image k of the version's map of the test set
           |  "z:" number { "," number }      the code itself

Several points have ";" between them; 2,048 terms in all at most. A query string may hold all of it as it is.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app import latent
from app.engine.work import Operation, Rows, Steps
from app.errors import InvalidParameter, echo
from app.explore.grids import MAX_CODE, check_range
from app.explore.labels import find_label, label_of
from app.explore.seeds import read_seed
from app.models import Model
from app.pictures.formats import Codes, point_of

MAX_CHARACTERS = 8192
MAX_TERMS = 16
MAX_POINTS = 1024
MAX_ALL_TERMS = 2048  # of all points of one parameter: to read so many takes as long as many a picture
LIGHT_TERMS = 32  # whose codes are drawn on the event loop; more of them are a thread's
SEPARATORS = "~;"

KINDS = "centre, label:NAME, seed:42/3, example:0, image:0, map:0, z:0,0.5,-1"
NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_TERM = re.compile(
    rf"(?:(?P<weight>{NUMBER.pattern})\*)?(?P<kind>[a-z]+)(?P<value>:.*)?", re.ASCII | re.DOTALL
)
_COUNT = re.compile(r"[0-9]{1,13}", re.ASCII)  # of images of a seed there are 2^40


def pattern(apart: str = "~") -> str:
    """Return the grammar of one point as a regular expression, for documents; whole, not a part of a text.

    It lets through what only a model, or the text of a seed, can refuse.

    Args:
        apart: the characters that no name may hold, as they end it.
    """
    number, name = f"(?:{NUMBER.pattern})", f"[^{apart}]+"
    numbered = "(?:example|image|map):[0-9]{1,9}"
    places = "centre", f"(?:label|seed):{name}", numbered, f"z:{number}(?:,{number})*"
    term = rf"(?:{number}\*)?(?:{'|'.join(places)})"
    return f"{term}(?:~{term}){{0,{MAX_TERMS - 1}}}".replace("(?:", "(")


class Place(NamedTuple):
    """One place: its kind, and what tells it from others of its kind.

    Args:
        kind: a word of the grammar.
        name: a class, of the kind ``label``.
        number: of an image of a seed or of the map, an example or an upload.
        seed: of the kind ``seed``.
        code: of the kind ``z``, one number a latent axis.
    """

    kind: str
    name: str = ""
    number: int = 0
    seed: int = 0
    code: tuple[float, ...] = ()

    def text(self, model: Model) -> str:
        """Return the one way in which permanent addresses write the place."""
        if self.kind == "label":
            return f"label:{label_of(model, self.name, without=SEPARATORS)}"
        if self.kind == "seed":
            return f"seed:{self.seed}/{self.number}"
        if self.kind == "z":
            return point_of(np.array(self.code, np.float32))
        return "centre" if self.kind == "centre" else f"{self.kind}:{self.number}"


class Term(NamedTuple):
    """A place and its weight in a sum."""

    weight: float
    place: Place


class Point(NamedTuple):
    """A sum of places, and the parameter that names it in refusals."""

    terms: tuple[Term, ...]
    parameter: str

    def text(self, model: Model) -> str:
        """Return the one way in which permanent addresses write the point."""
        return "~".join(
            place.text(model) if weight == 1 else f"{_written(weight)}*{place.text(model)}"
            for weight, place in self.terms
        )

    def of_kind(self, kind: str) -> set[int]:
        """Return the numbers of its places of a kind."""
        return {place.number for _, place in self.terms if place.kind == kind}

    def check(self, model: Model, uploads: int = 0) -> None:
        """Refuse what the model does not have, or what lies beyond +-8.

        Args:
            model: whose latent space it is.
            uploads: images that came with the request.
        """
        for _, place in self.terms:
            if place.kind == "label":
                find_label(model, place.name, self.parameter)
            elif place.kind == "z":
                check_code(place.code, model.manifest.latent_dim, self.parameter)
            elif place.kind in ("example", "image", "map"):
                counts = {"example": len(model.examples), "image": uploads, "map": len(model.map or ())}
                if place.number >= counts[place.kind]:
                    self._refuse_number(place, counts[place.kind])

    def _refuse_number(self, place: Place, count: int) -> None:
        remedy = "Send images by POST." if place.kind == "image" else "Name another kind of place."
        expected = f"no {place.kind}: there are none"
        if count:
            expected, remedy = f"{place.kind}:0 to {place.kind}:{count - 1}", "Name one of these."
        received = f"{place.kind}:{place.number}"
        raise InvalidParameter.of(self.parameter, expected, received, remedy, "out_of_range")


def _written(weight: float) -> str:
    """Return a weight with no character that a query string must escape, as a plus sign."""
    return repr(weight).replace("+", "")


def parse(text: str, parameter: str, start: int = 0) -> Point:
    """Return the point that a text names; see the top of the module.

    Args:
        text: as the client wrote it.
        parameter: what refusals call it.
        start: characters in front of it in what the client wrote.

    Raises:
        InvalidParameter: it is no point; says where in the text.
    """
    if len(text) > MAX_CHARACTERS:
        expected, remedy = f"at most {MAX_CHARACTERS} characters", "Give one number a latent axis."
        raise InvalidParameter.of(parameter, expected, text, remedy, "too_long")
    terms: list[Term] = []
    for term in text.split("~"):
        terms.append(_term(term, start, parameter))
        start += len(term) + 1
        if len(terms) > MAX_TERMS:
            expected, remedy = f"a sum of at most {MAX_TERMS} places", "Leave some of them out."
            raise InvalidParameter.of(parameter, expected, f"more, at character {start}", remedy, "too_many")
    return Point(tuple(terms), parameter)


def parse_all(text: str, parameter: str) -> tuple[Point, ...]:
    """Return the points of a text with ";" between them; see ``parse``."""
    parts = text.split(";")
    if len(parts) == 1:
        return (parse(text, parameter),)
    if len(parts) > MAX_POINTS:
        expected, remedy = f"at most {MAX_POINTS} points", "Leave some of them out."
        raise InvalidParameter.of(parameter, expected, f"{len(parts)} points", remedy, "too_many")
    check_terms(text.count("~") + len(parts), parameter)
    points, start = [], 0
    for number, part in enumerate(parts):
        points.append(parse(part, f"{parameter}[{number}]", start))
        start += len(part) + 1
    return tuple(points)


def check_terms(number: int, parameter: str) -> None:
    """Refuse points of more terms, all together, than MAX_ALL_TERMS."""
    if number > MAX_ALL_TERMS:
        expected, remedy = f"at most {MAX_ALL_TERMS} places in all sums", "Leave some of them out."
        raise InvalidParameter.of(parameter, expected, f"{number} places", remedy, "too_many")


def _term(text: str, start: int, parameter: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None or found["kind"] not in _READ:
        raise _misread(text, start, parameter, f"a place: {KINDS}")
    weight = float(found["weight"] or 1)
    if not math.isfinite(weight):
        raise _misread(text, start, parameter, "a finite weight")
    value = found["value"]
    expected, read = _READ[found["kind"]]
    try:
        place = read(value[1:] if value is not None else None)
    except ValueError:
        raise _misread(text, start + len(text) - len(value or ""), parameter, expected) from None
    return Term(weight, place._replace(kind=found["kind"]))


def _misread(text: str, position: int, parameter: str, expected: str) -> InvalidParameter:
    received = f"{echo(text)} at character {position}"
    remedy = "Sums have ~ between their terms, weights a * behind them, like 0.5*seed:42/3~0.5*centre."
    return InvalidParameter.of(parameter, expected, received, remedy, "not_a_point")


def _read_centre(value: str | None) -> Place:
    if value is not None:
        raise ValueError
    return Place("centre")


def _read_label(value: str | None) -> Place:
    if not value:
        raise ValueError
    return Place("label", name=value)


def _read_seed(value: str | None) -> Place:
    text, slash, number = (value or "").rpartition("/")
    if not slash:
        text, number = number, "0"
    seed = read_seed(text)
    if not 0 <= seed <= latent.MAX_SEED:
        raise ValueError(text)
    return Place("seed", number=_whole(number), seed=seed)


def _read_number(value: str | None) -> Place:
    return Place("", number=_whole(value or ""))


def _read_code(value: str | None) -> Place:
    return Place("z", code=tuple(_finite(part) for part in (value or "").split(",")))


def _whole(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError
    return int(text)


def _finite(text: str) -> float:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError
    return float(text) + 0.0  # -0.0 becomes 0.0


_READ: dict[str, tuple[str, Callable[[str | None], Place]]] = {
    "centre": ("centre, with nothing behind it", _read_centre),
    "label": ("label: and a class", _read_label),
    "seed": ("seed: and a seed, then / and the number of an image, like seed:42/3", _read_seed),
    **{kind: (f"{kind}: and a number", _read_number) for kind in ("example", "image", "map")},
    "z": ("z: and finite numbers with commas between them", _read_code),
}


def check_code(z: tuple[float, ...], latent_dim: int, parameter: str = "z") -> Codes:
    """Return z as (D,) float32, or refuse another number of values, or one beyond +-8."""
    if len(z) != latent_dim:
        expected, received = f"{latent_dim} numbers, one a latent axis", f"{len(z)} numbers"
        remedy = f"Give {latent_dim} numbers with commas between them."
        raise InvalidParameter.of(parameter, expected, received, remedy, "wrong_length")
    for index, value in enumerate(z):
        check_range(f"{parameter}[{index}]", value, -MAX_CODE, MAX_CODE)
    return np.array(z, np.float32)


def point_in(text: str, parameter: str, model: Model, uploads: int = 0) -> Point:
    """Return the point of a model's latent space that a text names, checked; see ``parse``."""
    point = parse(text, parameter)
    point.check(model, uploads)
    return point


def points_in(text: str, parameter: str, model: Model, uploads: int = 0) -> tuple[Point, ...]:
    """Return the points that a text names, checked; see ``parse_all``."""
    points = parse_all(text, parameter)
    for point in points:
        point.check(model, uploads)
    return points


def operations_of(points: Sequence[Point], model: Model) -> tuple[Operation, ...]:
    """Return the operations that the codes of points are computed by."""
    encodes = any(point.of_kind("example") or point.of_kind("image") for point in points)
    return (model.encoding,) if encodes else ()


def are_slow(points: Sequence[Point]) -> bool:
    """Say whether drawing the codes of points takes too long for the event loop."""
    return sum(len(point.terms) for point in points) > LIGHT_TERMS


def codes_of(
    points: Sequence[Point], model: Model, uploads: npt.NDArray[np.uint8] | None = None
) -> Steps[Codes]:
    """Return the codes of points that were checked, (N, D) float32; a step of a request's work.

    Args:
        points: what is named.
        model: whose latent space it is.
        uploads: (M, H, W) levels of the images that came with the request.

    Raises:
        InvalidParameter: a sum, or what the encoder makes of an image, lies beyond +-8.
    """
    encoded: dict[tuple[str, int], Codes] = {}
    for kind, images in (("example", model.examples), ("image", uploads)):
        numbers = sorted(set().union(*(point.of_kind(kind) for point in points)))
        if numbers and images is not None:
            z_mean: Codes = yield Rows.of(
                model.encoding, images[numbers].astype(np.float32) / np.float32(255)
            )
            encoded |= {(kind, number): code for number, code in zip(numbers, z_mean, strict=True)}

    def code_of(place: Place) -> Codes:
        if place.kind == "centre":
            return model.prior.centre
        if place.kind == "label":
            return model.prior.centre_of(find_label(model, place.name))
        if place.kind == "seed":
            drawn: Codes = model.prior.draw(place.seed, place.number, 1)[0]
            return drawn
        if place.kind == "z":
            return np.array(place.code, np.float32)
        if place.kind == "map" and model.map is not None:
            return np.array(model.map.z_mean[place.number])
        return encoded[place.kind, place.number]

    codes: Codes = np.empty((len(points), model.manifest.latent_dim), np.float32)
    for code, point in zip(codes, points, strict=True):
        with np.errstate(over="ignore", invalid="ignore"):  # what lies beyond all numbers is refused below
            code[:] = sum(weight * code_of(place).astype(np.float64) for weight, place in point.terms)
        if not (np.abs(code) <= MAX_CODE).all():
            furthest = int(np.argmax(np.abs(code)))
            expected, remedy = f"a point within +-{MAX_CODE:g} on every axis", "Use smaller weights."
            received = f"{code[furthest]:.4g} on axis {furthest}"
            raise InvalidParameter.of(point.parameter, expected, received, remedy, "out_of_range")
    return codes
