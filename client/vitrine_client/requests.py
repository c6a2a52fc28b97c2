"""Requests, and what is read from their answers: one function for each thing that a service is asked for.

A client sends what these return. Nothing here sends anything.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, SupportsFloat, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urljoin, urlsplit

from vitrine_client import queries
from vitrine_client.errors import UnexpectedAnswer, WrongAddress
from vitrine_client.images import ImageLike, content_of
from vitrine_client.pictures import Picture
from vitrine_client.points import PointLike, text_of
from vitrine_client.results import Encodings, Scores, encodings_of, scores_of

T = TypeVar("T")

LONGEST_ADDRESS = 6000  # characters; points that need more go in a body, as proxies refuse long addresses
_AS_THEY_ARE = "!$'()*,/:;@~"  # characters of a value that a query may hold unescaped
_OTHER_HEADERS = {"x-model", "x-seed", "x-notes", "x-request-id", "x-content-type-options"}


class Answer(NamedTuple):
    """An answer as it came.

    Args:
        url: that was asked.
        headers: by their names in lower case.
        content: the body.
    """

    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclasses.dataclass(frozen=True)
class Request(Generic[T]):
    """A request, not yet sent.

    Attributes:
        address: path and query, from the service's own root on.
        read: what is made of the answer.
        files: images to send, each with its field of the form: ``file``, or ``mask``.
        body: what is sent instead of images.
        body_type: its media type.
    """

    address: str
    read: Callable[[Answer], T]
    files: tuple[tuple[str, bytes], ...] = ()
    body: bytes | None = None
    body_type: str = "application/json"

    @property
    def method(self) -> str:
        """POST if something is sent, else GET."""
        return "POST" if self.files or self.body is not None else "GET"


def address_of(path: str, query: Mapping[str, Any]) -> str:
    """Return path and query; what is None is left out."""
    parts = [
        f"{name.rstrip('_')}={quote(text_of(value), safe=_AS_THEY_ARE)}"
        for name, value in query.items()
        if value is not None
    ]
    return f"{path}?{'&'.join(parts)}" if parts else path


def files_of(images: Iterable[ImageLike], field: str = "file") -> tuple[tuple[str, bytes], ...]:
    """Return images as a form has them; see ``vitrine_client.images.content_of``."""
    return tuple((field, content_of(image)) for image in images)


def picture(path: str, query: Mapping[str, Any], images: Iterable[ImageLike] = ()) -> Request[Picture]:
    """Return the request for a picture.

    Args:
        path: like ``/samples``.
        query: parameters by name; ``_`` at the end of a name is dropped.
        images: are sent; see ``vitrine_client.images.content_of``.
    """
    return Request(address_of(path, query), drawn_picture_of, files_of(images))


def render(address: str, *images: ImageLike) -> Request[Picture]:
    """Return the request for whatever an address of the service gives, like ``/samples?seed=1&n=4``.

    A ``Picture.url`` is one too. Images are sent there.
    """
    return Request(address, picture_of, files_of(images))


def samples(**query: Unpack[queries.SamplesQuery]) -> Request[Picture]:
    """Images drawn from the prior, or around a point."""
    return picture("/samples", query)


def interpolate(*images: ImageLike, **query: Unpack[queries.InterpolateQuery]) -> Request[Picture]:
    """A walk along a latent axis, or between points; if images are sent, from the first to the second."""
    return picture("/interpolate", query, images)


def decode(
    *points: PointLike,
    images: Iterable[ImageLike] = (),
    codes: Iterable[Iterable[SupportsFloat]] | None = None,
    **query: Unpack[queries.DecodeQuery],
) -> Request[Picture]:
    """Pictures of points, or of codes, which are sent in a body: (N, D), one number a latent axis.

    With images, ``image:0`` and so on are points too, the first if none is named. A ValueError if codes are
    not finite, or not alone.
    """
    named = ";".join(map(str, points))
    asked = picture("/decode", {**query, "points": named or None}, images)
    if codes is not None:
        if points or asked.files:
            raise ValueError("codes go alone: beside points or images, make points of them by code(row)")
        return _decoded(query, {"codes": [list(map(float, row)) for row in codes]})
    if asked.files or len(asked.address) <= LONGEST_ADDRESS:
        return asked
    return _decoded(query, {"points": named.split(";")})


def _decoded(query: Mapping[str, Any], sent: Mapping[str, Any]) -> Request[Picture]:
    body = json.dumps(sent, allow_nan=False).encode()
    return Request(address_of("/decode", query), drawn_picture_of, body=body)


def reconstruct(*images: ImageLike, **query: Unpack[queries.ReconstructQuery]) -> Request[Picture]:
    """Images and their reconstructions below; those that the model ships, if none is sent."""
    return picture("/reconstruct", query, images)


def axes(**query: Unpack[queries.AxesQuery]) -> Request[Picture]:
    """All latent axes, a strip each."""
    return picture("/axes", query)


def manifold(**query: Unpack[queries.ManifoldQuery]) -> Request[Picture]:
    """A plane of the latent space."""
    return picture("/manifold", query)


def latent_map(**query: Unpack[queries.MapQuery]) -> Request[Picture]:
    """Held-out images at the places of their codes, in two dimensions; ``json`` has classes and codes."""
    return picture("/map", query)


def directions(*images: ImageLike, **query: Unpack[queries.DirectionsQuery]) -> Request[Picture]:
    """A walk along what the points of ``plus`` have and those of ``minus`` lack."""
    return picture("/directions", query, images)


def compare(**query: Unpack[queries.CompareQuery]) -> Request[Picture]:
    """The same points through two models: ``model`` above, ``with_`` below."""
    return picture("/compare", query)


def encode(*images: ImageLike, **query: Unpack[queries.EncodeQuery]) -> Request[Encodings]:
    """The codes of images: q(z given x) of each, and the model's examples that are nearest."""
    return Request(address_of("/encode", query), _encodings, files_of(images))


def score(*images: ImageLike, **query: Unpack[queries.ScoreQuery]) -> Request[Scores]:
    """How unusual images are to a model; those that the model ships, if none is sent."""
    return Request(address_of("/score", query), _scores, files_of(images))


def surprise(*images: ImageLike, **query: Unpack[queries.SurpriseQuery]) -> Request[Picture]:
    """Images, and below each the surprise of its pixels; those that the model ships, if none is sent.

    ``format`` is ``png`` if it is not given.
    """
    return picture("/score", {"format": "png", **query}, images)


def complete(
    *images: ImageLike, masks: Iterable[ImageLike] = (), **query: Unpack[queries.CompleteQuery]
) -> Request[Picture]:
    """Images completed where pixels are missing; those that the model ships, half hidden, if none is sent.

    Missing are transparent pixels, the half that ``hide`` names, and what is white in the mask of each image.
    """
    asked = picture("/complete", query, images)
    return dataclasses.replace(asked, files=asked.files + files_of(masks, "mask"))


class Inspection(TypedDict, total=False):
    """What a picture says of how it was made, and whether that is true."""

    generated: bool | None  # None: it does not say
    source_type: str | None  # IPTC's word
    recipe: dict[str, Any] | None
    verification: dict[str, Any]  # its "verdict" is agrees, differs or unknown


def inspect(image: ImageLike, *, verify: bool = False) -> Request[Inspection]:
    """The mark of a picture; with ``verify``, whether its pixels are what its recipe gives."""
    address = address_of("/inspect", {"verify": True} if verify else {})
    return Request(address, json_of, files_of([image]))


class ModelInfo(TypedDict):
    """A model that a service has."""

    model: str
    digest: str
    runtime: str | None  # None until it is opened
    image_shape: list[int]
    latent_dim: int
    prior: dict[str, Any]
    likelihood: dict[str, Any]


class Version(TypedDict):
    """What is running."""

    version: str
    default_model: str
    models: list[ModelInfo]
    limits: dict[str, int]


def version() -> Request[Version]:
    """What is running: its version, models and limits."""
    return Request("/version", json_of)


def models() -> Request[list[ModelInfo]]:
    """The models that the service has."""
    return Request("/version", lambda answer: _models_in(json_of(answer)))


def _encodings(answer: Answer) -> Encodings:
    return encodings_of(json_of(answer), answer.headers)


def _scores(answer: Answer) -> Scores:
    return scores_of(json_of(answer), answer.headers, drawn_picture_of(answer).url)


def json_of(answer: Answer) -> Any:
    """Return an answer in JSON.

    Raises:
        UnexpectedAnswer: it is none.
    """
    try:
        return json.loads(answer.content)
    except ValueError:
        raise UnexpectedAnswer(f"{answer.url}: no JSON; what answers there is no Vitrine") from None


def _models_in(version: Any) -> list[ModelInfo]:
    try:
        found: list[ModelInfo] = version["models"]
    except (KeyError, TypeError):
        raise UnexpectedAnswer("/version names no models; what answers there is no Vitrine") from None
    return found


def picture_of(answer: Answer) -> Picture:
    """Return an answer with what its headers say."""
    headers = answer.headers
    location, seed = headers.get("content-location"), headers.get("x-seed", "")
    facts = {
        name[2:]: value
        for name, value in headers.items()
        if name.startswith("x-") and name not in _OTHER_HEADERS
    }
    return Picture(
        answer.content,
        headers.get("content-type", "application/octet-stream").partition(";")[0].strip(),
        None if location is None else urljoin(answer.url, location),
        headers.get("x-model"),
        int(seed) if seed.isdecimal() else None,
        facts,
        headers.get("x-notes", ""),
    )


def drawn_picture_of(answer: Answer) -> Picture:
    """Return the picture that a model drew.

    Raises:
        UnexpectedAnswer: the answer names no model.
    """
    found = picture_of(answer)
    if found.model is None:
        raise UnexpectedAnswer(f"{answer.url}: no picture of a model; what answers there is no Vitrine")
    return found


def url_of(base_url: str, address: str) -> str:
    """Return the URL of an address of a service.

    Args:
        base_url: of the service, without a slash at the end; a proxy may offer it under a path.
        address: path and query; or a URL that the service gave.

    Raises:
        WrongAddress: a URL of another service.
    """
    if "://" in address.partition("?")[0]:
        if not address.startswith(f"{base_url}/"):
            raise WrongAddress(f"{address} is no address of {base_url}")
        return address
    base = urlsplit(base_url)
    address = "/" + address.lstrip("/")
    if base.path and address.startswith(f"{base.path}/"):  # as the service itself writes permanent addresses
        return f"{base.scheme}://{base.netloc}{address}"
    return base_url + address
