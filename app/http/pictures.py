"""The pictures: one row of ``PICTURES`` each, with what it takes and what prepares its work."""

import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import Field
from starlette.routing import Route

from app.engine.work import Work
from app.explore import reconstruction, walks
from app.explore.grids import Picture
from app.explore.samples import Render, Samples, check_seed, find_label, sampler
from app.http.endpoint import MakePicture, PictureApp, PictureEndpoint, PreparedPicture
from app.http.middleware import RawHeaders
from app.http.queries import MAX_LABEL_CHARACTERS, Code, Label, Number, Query, Whole
from app.models import Model
from app.pictures.uploads import Invert
from app.service import Service
from app.settings import Settings

_seeds = random.Random()  # noqa: S311  a seed is no secret
DRAWN_SEED_BITS = 53  # so that a reader whose numbers are doubles, like JavaScript, reads it as it is


class SamplesQuery(Query):
    """What ``GET /samples`` takes."""

    columns: Whole = Field(7, description="Images in a row; a shorter grid has as many as there are images.")
    n: Whole = Field(21, description="Number of images.", examples=[21])
    seed: Whole | None = Field(
        None,
        description="0 to 2^63-1. Makes the picture permanent. If not given, one below 2^53 is drawn, "
        "and named in X-Seed.",
    )
    temperature: Number = Field(1.0, description="0 to 4: scale of the codes; 1 samples the prior.")
    label: Label | None = Field(
        None, description="Class to draw, by its name or number, of a model that knows classes."
    )
    render: Render = Field(
        "mean", description="mean: E[x given z]; draw: a draw from p(x given z), pixel noise included."
    )


def prepare_samples(query: SamplesQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /samples``; see ``app.explore.samples``."""
    if query.seed is not None:
        check_seed(query.seed)
    samples = Samples(query.n, query.temperature, query.render, query.label)
    work_of = sampler(model, settings, query.style(model, query.columns), samples)
    label = None if query.label is None else label_of(model, query.label)
    values = dict(query) | {"seed": None, "label": label}
    without_seed = address(settings.root_path + "/samples", model, values)
    if query.seed is not None:
        location = b"%b&seed=%d" % (without_seed, query.seed)
        return permanent(query, model, work_of(query.seed), location, query.seed)
    headers = answer_headers(model, caching=b"no-store")

    def ask() -> PreparedPicture:
        seed = b"%d" % _seeds.getrandbits(DRAWN_SEED_BITS)
        location = b"%b&seed=%b" % (without_seed, seed)
        own = [(b"content-location", location), (b"x-seed", seed)]
        return PreparedPicture(work_of(int(seed)), [*headers, *own])

    return ask


class InterpolateQuery(Query):
    """What ``GET /interpolate`` takes."""

    axis: Whole | None = Field(
        None, description="Latent axis, from 0; the model's own choice if not given.", examples=[3]
    )
    low: Number | None = Field(None, description="Value of the axis in the first image, -8 to 8.")
    high: Number | None = Field(None, description="Value of the axis in the last image, -8 to 8.")
    steps: Whole | None = Field(None, description="Number of images.")
    seed: Whole | None = Field(
        None,
        description="Holds the other axes at this seed's first code; if not given, at the prior's centre.",
    )
    z: Code | None = Field(
        None, description="Holds the other axes at this code: numbers with commas between them."
    )

    @property
    def code(self) -> tuple[float, ...] | None:
        """The numbers in `z`."""
        return None if self.z is None else tuple(float(part) + 0.0 for part in self.z.split(","))


def prepare_walk(query: InterpolateQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /interpolate``; see ``app.explore.walks``."""
    walk = walks.resolve_walk(
        model, settings, axis=query.axis, low=query.low, high=query.high, steps=query.steps
    )
    work = walks.interpolate(model, settings, query.style(model), walk, seed=query.seed, z=query.code)
    values = dict(query) | vars(walk)
    if query.code is not None:
        # Written afresh: a + that the client wrote would come back as a space.
        values["z"] = ",".join(map(repr, query.code))
    location = address(settings.root_path + "/interpolate", model, values)
    return permanent(query, model, work, location, query.seed)


class ReconstructQuery(Query):
    """What ``/reconstruct`` takes beside the images."""

    columns: Whole | None = Field(None, description="Images in a row; all in one row if not given.")


def prepare_examples(query: ReconstructQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /reconstruct``; see ``app.explore.reconstruction``."""
    work = reconstruction.reconstruct_examples(model, settings, query.style(model, query.columns))
    location = address(settings.root_path + "/reconstruct", model, dict(query))
    return permanent(query, model, work, location)


class UploadQuery(ReconstructQuery):
    """What ``POST /reconstruct`` takes beside the images."""

    invert: Invert = Field(
        "no",
        description="yes: dark on light becomes light on dark, or back; auto: if the border is not of the "
        "model's own ground, dark or light, and never for a model of colour; no: as is.",
    )


def prepare_uploads(query: UploadQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /reconstruct`` with its files; see ``app.explore.reconstruction``."""

    def ask(files: list[tuple[str, bytes]]) -> PreparedPicture:
        style = query.style(model, query.columns)
        work = reconstruction.reconstruct(model, settings, style, files, query.invert)
        return PreparedPicture(work, answer_headers(model, caching=b"no-store"))

    return ask


PICTURES = (
    PictureEndpoint(
        "/samples",
        SamplesQuery,
        prepare_samples,
        "A grid of generated images",
        "Generate `n` images by ancestral sampling: z ~ p(z), then p(x given z).",
    ),
    PictureEndpoint(
        "/interpolate",
        InterpolateQuery,
        prepare_walk,
        "A walk along one latent axis",
        "Decode codes that differ in one axis only, which runs from `low` to `high` in equal steps.",
    ),
    PictureEndpoint(
        "/reconstruct",
        ReconstructQuery,
        prepare_examples,
        "The model's own examples and their reconstructions",
        "Encode and decode the held-out images that the model ships: originals above, reconstructions below.",
    ),
    PictureEndpoint(
        "/reconstruct",
        UploadQuery,
        prepare_uploads,
        "Your images and their reconstructions",
        "Encode and decode images: above, what the encoder saw of each; below, its reconstruction.\n\n"
        "Send a form with one or more fields `file`, or one image as the raw body with its `image/*` type. "
        "A file of any size is scaled to fit and padded, never stretched.",
        takes_files=True,
    ),
)


def routes(service: Service) -> list[Route]:
    """Return the routes of all pictures: each path, and then each with a format behind it."""
    paths = dict.fromkeys(endpoint.path for endpoint in PICTURES)
    by_path = {path: PictureApp([each for each in PICTURES if each.path == path], service) for path in paths}
    return [Route(path + behind, by_path[path]) for behind in ("", ".{format}") for path in paths]


def permanent(
    query: Query, model: Model, work: Work[Picture], location: bytes, seed: int | None = None
) -> MakePicture:
    """Return what asks for one and the same picture every time: the cache may keep it.

    Args:
        query: what the client asks for.
        model: what draws.
        work: what remains.
        location: the picture's permanent address; no other picture of the version may have it.
        seed: where there is one.
    """
    headers = answer_headers(model, cache_control(query), location)
    if seed is not None:
        headers.append((b"x-seed", b"%d" % seed))
    prepared = PreparedPicture(work, headers, (model.manifest.digest, location))
    return lambda: prepared


def address(path: str, model: Model, values: Mapping[str, Any]) -> bytes:
    """Return a picture's permanent address: the version and every parameter, defaults included.

    Of the `values`, parameters by name, those that are None are left out, ``model``, and the usual format;
    an ink that is None is the model's own.
    """
    parts = [f"model={model.version.reference}"]
    ink = values.get("ink") or model.manifest.image.ink
    for name, value in sorted({**values, "ink": ink}.items()):
        if value is not None and name != "model" and (name, value) != ("format", "png"):
            parts.append(f"{name}={quote(value, safe=',:@') if isinstance(value, str) else value}")
    return f"{path}?{'&'.join(parts)}".encode("latin-1")


def label_of(model: Model, label: str) -> str:
    """Return the one label that permanent addresses have for a class: its name as the manifest writes it.

    A name means the same in every version that has it. A class whose name is no label has its number.
    """
    number = find_label(model, label)
    name = model.manifest.prior.classes[number]
    return name if 0 < len(name) <= MAX_LABEL_CHARACTERS else str(number)


def cache_control(query: Query) -> bytes:
    """Return how long a picture may be kept whose query decides it: for good if a version is named."""
    return b"public, max-age=31536000, immutable" if query.is_pinned else b"no-cache"


def answer_headers(model: Model, caching: bytes, location: bytes | None = None) -> RawHeaders:
    """Return what an answer's headers say of the request.

    Args:
        model: what draws.
        caching: the Cache-Control.
        location: the picture's permanent address; None: it has none, or another for every request.
    """
    headers = [(b"x-model", model.version.reference.encode()), (b"cache-control", caching)]
    return headers if location is None else [*headers, (b"content-location", location)]
