"""Parameters by the service's names; ``from_`` and ``with_`` for ``from`` and ``with``, words of Python's.

Whatever is left out has the service's own default, which ``/docs`` of a service tells.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Required, TypedDict

from vitrine_client.points import PointLike

Format = Literal["png", "webp", "gif", "apng", "npy", "npz", "json", "zip", "csv"]
ScoreFormat = Literal["json", "csv", "npy", "npz", "png", "webp"]
Points = PointLike | Sequence[PointLike]  # several; of one text with ; between them
Invert = Literal["no", "yes", "auto"]


class ModelQuery(TypedDict, total=False):
    """What everything takes that asks a model."""

    model: str  # NAME, NAME@VERSION or NAME@VERSION-DIGEST


class StyleQuery(ModelQuery, total=False):
    """How a picture is drawn."""

    zoom: int  # whole scale of the pixels
    ink: Literal["dark", "light"]


class PictureQuery(StyleQuery, total=False):
    """What every picture takes that may be an animation."""

    format: Format
    fps: int  # images a second of an animation
    loop: Literal["forever", "once", "bounce"]


class SamplesQuery(PictureQuery, total=False):
    """What ``samples`` takes."""

    n: int
    columns: int
    offset: int  # number of the first image
    seed: int | str
    temperature: float
    label: str | int
    prior: Literal["standard_normal", "gaussian_mixture"]
    of: PointLike  # draw around this point
    render: Literal["mean", "draw"]


class InterpolateQuery(PictureQuery, total=False):
    """What ``interpolate`` takes: an axis, or points to walk between."""

    axis: int
    low: float
    high: float
    steps: int
    at: PointLike
    seed: int | str
    z: str | Iterable[float]
    from_: PointLike
    to: PointLike
    via: Points
    path: Literal["linear", "slerp", "density"]
    invert: Invert  # of images that are sent


class DecodeQuery(PictureQuery, total=False):
    """What ``decode`` takes beside its points."""

    columns: int
    invert: Invert  # of images that are sent


class AxesQuery(PictureQuery, total=False):
    """What ``axes`` takes."""

    at: PointLike
    steps: int


class ManifoldQuery(PictureQuery, total=False):
    """What ``manifold`` takes."""

    columns: int
    rows: int
    x: int
    y: int
    at: PointLike
    points: Points  # three corners that span the plane instead
    show: Literal["images", "classes", "density"]  # of a model of two axes with a map


class MapQuery(StyleQuery, total=False):
    """What ``latent_map`` takes."""

    array: Literal["positions", "classes", "z_mean"]  # that npy holds
    format: Literal["png", "webp", "json", "csv", "npy", "npz"]
    columns: int
    show: Literal["images", "classes", "sprites"]


class DirectionsQuery(PictureQuery, total=False):
    """What ``directions`` takes."""

    plus: Required[Points]
    minus: Required[Points]
    at: PointLike
    low: float
    high: float
    steps: int
    invert: Invert  # of images that are sent


class CompareQuery(PictureQuery, total=False):
    """What ``compare`` takes."""

    with_: Required[str]  # the second model
    points: Points
    columns: int


class ReconstructQuery(PictureQuery, total=False):
    """What ``reconstruct`` takes."""

    columns: int
    show: Literal["both", "error"]
    elbo: int
    invert: Invert  # of images that are sent


class EncodeQuery(ModelQuery, total=False):
    """What ``encode`` takes beside the images."""

    invert: Invert


class ScoreQuery(ModelQuery, total=False):
    """What ``score`` takes."""

    k: int  # draws for each image: more are closer to log p(x)
    seed: int | str  # of the draws' noise
    invert: Invert  # of images that are sent


class SurpriseQuery(ScoreQuery, StyleQuery, total=False):
    """What ``surprise`` takes."""

    columns: int
    format: ScoreFormat


class CompleteQuery(PictureQuery, total=False):
    """What ``complete`` takes."""

    n: int  # completions of each image
    k: int  # codes that are weighted for each image
    seed: int | str
    render: Literal["mean", "draw"]  # if not given, as of samples
    hide: Literal["upper", "lower", "left", "right"]
    invert: Invert  # of images that are sent
