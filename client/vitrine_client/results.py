"""Answers that are numbers of images: what ``encode`` and ``score`` give."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from vitrine_client.errors import UnexpectedAnswer
from vitrine_client.pictures import Picture
from vitrine_client.points import Point

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Nearest:
    """One of the examples that a model ships, near a code.

    Attributes:
        example: its number, from 0.
        distance: from the code to that of the example, Euclidean.
    """

    example: int
    distance: float


@dataclasses.dataclass(frozen=True)
class Encoding:
    """q(z given x) of an image: a Gaussian, independent by axis; D numbers each.

    Attributes:
        point: its mean, to be decoded, walked to, or added to others.
        kl: KL(q(z given x) || N(0, I)) in nats.
        kl_by_axis: the same of each axis.
        z_mean: the mean.
        z_log_var: the logarithm of the variance.
        nearest: the examples with the nearest codes, the nearest first.
    """

    point: Point
    kl: float
    kl_by_axis: tuple[float, ...]
    z_mean: tuple[float, ...]
    z_log_var: tuple[float, ...]
    nearest: tuple[Nearest, ...]


@dataclasses.dataclass(frozen=True)
class Encodings:
    """The codes of images.

    Attributes:
        model: NAME@VERSION-DIGEST that answered.
        images: of each image, in the order in which they were sent.
        notes: what was done to them.
    """

    model: str
    images: tuple[Encoding, ...]
    notes: str = ""


@dataclasses.dataclass(frozen=True)
class Surprise:
    """-log p(x given z) of an image's pixels in nats, a mean over p(z given x).

    Attributes:
        low: what is drawn black; the least of all images of the answer.
        high: what is drawn white; the most.
        picture: PNG of the image's size.
    """

    low: float
    high: float
    picture: Picture


@dataclasses.dataclass(frozen=True)
class Score:
    """How unusual an image is. A likelihood alone does not tell: compare ``corrected`` first.

    Nats; of bounds on log p(x) the larger, of the rest the smaller is the more usual.

    Attributes:
        corrected: what the model needs for the image beyond a general code, -L_k less ``complexity``; None:
            the version does not tell how its density is made a probability.
        corrected_percentile: held-out images with a smaller one, in per cent; None: not calibrated.
        log_p_x: L_k, the importance-weighted bound on log p(x).
        bits_per_dim: what a pixel costs by it as one of 256 levels; None as ``corrected``.
        k: draws.
        standard_error: of ``log_p_x``; None: too few draws to tell.
        effective_sample_size: of the draws; near 1, one of them decides.
        percentile: as ``corrected_percentile``, of -L_k.
        elbo: ``reconstruction`` less ``kl``.
        reconstruction: E_q[log p(x given z)].
        kl: KL(q(z given x) || p(z)).
        complexity: nats that a general code needs for the image.
        posterior_confined: whether the encoder gave what no code can be drawn from; the nearest was taken.
        surprise: pixel by pixel.
    """

    corrected: float | None
    corrected_percentile: float | None
    log_p_x: float
    bits_per_dim: float | None
    k: int
    standard_error: float | None
    effective_sample_size: float
    percentile: float | None
    elbo: float
    reconstruction: float
    kl: float
    complexity: float
    posterior_confined: bool
    surprise: Surprise


@dataclasses.dataclass(frozen=True)
class Scores:
    """The scores of images.

    Attributes:
        model: NAME@VERSION-DIGEST that answered.
        warning: what such numbers do not say.
        images: of each image, in the order in which they were sent.
        url: the permanent address, None if images were sent.
        notes: what was done to images that were sent.
    """

    model: str
    warning: str
    images: tuple[Score, ...]
    url: str | None = None
    notes: str = ""


def encodings_of(said: Any, headers: Mapping[str, str]) -> Encodings:
    """Return what ``/encode`` says in JSON.

    Raises:
        UnexpectedAnswer: something is missing, or of another kind.
    """
    try:
        images = tuple(map(_encoding, said["images"]))
        return Encodings(said["model"], images, headers.get("x-notes", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnexpectedAnswer("/encode gave no codes; what answers there is no Vitrine") from None


def scores_of(said: Any, headers: Mapping[str, str], url: str | None) -> Scores:
    """Return what ``/score`` says in JSON.

    Args:
        said: the answer.
        headers: by their names in lower case.
        url: the permanent address.

    Raises:
        UnexpectedAnswer: something is missing, or of another kind.
    """
    try:
        images = tuple(map(_score, said["images"]))
        return Scores(said["model"], said["warning"], images, url, headers.get("x-notes", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnexpectedAnswer("/score gave no scores; what answers there is no Vitrine") from None


def _encoding(said: Mapping[str, Any]) -> Encoding:
    names = ("kl_by_axis", "z_mean", "z_log_var")
    axes = {name: tuple(map(float, said[name])) for name in names}
    nearest = tuple(_named(Nearest, each) for each in said["nearest"])
    return _named(Encoding, said, point=Point([(1.0, said["point"])]), nearest=nearest, **axes)


def _score(said: Mapping[str, Any]) -> Score:
    content = base64.b64decode(said["surprise"]["picture"].partition(",")[2], validate=True)
    picture = Picture(content, "image/png")
    return _named(Score, said, surprise=_named(Surprise, said["surprise"], picture=picture))


def _named(kind: type[T], said: Mapping[str, Any], **read: Any) -> T:
    """Return a dataclass of what is said by its fields' names, but for those that are read already.

    What a later service says beside is left out.
    """
    fields: Any = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: said[field.name] for field in fields if field.name not in read}, **read)
