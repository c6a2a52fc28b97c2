"""The pictures: one row of ``PICTURES`` each, with what it takes and what prepares its work."""

import random

from pydantic import Field
from starlette.routing import Route

from app.errors import InvalidParameter
from app.explore import reconstruction, walks
from app.explore.labels import label_of
from app.explore.points import point_in, points_in
from app.explore.samples import AROUND, PriorName, Render, Samples, sampler
from app.explore.seeds import check_seed
from app.http.addresses import answer_headers, context_of, permanent
from app.http.endpoint import MakePicture, PictureApp, PictureEndpoint, PreparedPicture
from app.http.queries import Code, Label, Number, PointsText, PointText, Query, Seed, Whole
from app.models import Model
from app.pictures.provenance import COMPOSITE
from app.pictures.uploads import Invert
from app.service import Service
from app.settings import Settings

_seeds = random.Random()  # noqa: S311  a seed is no secret
DRAWN_SEED_BITS = 53  # so that a reader whose numbers are doubles, like JavaScript, reads it as it is


class SamplesQuery(Query):
    """What ``GET /samples`` takes."""

    columns: Whole = Field(7, description="Images in a row; a shorter grid has as many as there are images.")
    n: Whole = Field(21, description="Number of images.", examples=[21])
    offset: Whole = Field(0, description="Number of the first image: a seed's images go on without an end.")
    seed: Seed | None = Field(
        None,
        description="0 to 2^63-1, or a word, which stands for a number. Makes the picture permanent. If not "
        "given, one below 2^53 is drawn. X-Seed names the number.",
    )
    temperature: Number | None = Field(
        None,
        description="0 to 4: scale of the codes; 1, which samples the prior, if not given. Around a point: "
        f"standard deviation, {AROUND} if not given.",
    )
    label: Label | None = Field(
        None, description="Class to draw, by its name or number, of a model that knows classes."
    )
    prior: PriorName | None = Field(
        None, description="What codes are drawn from: the model's own prior if not given, or standard_normal."
    )
    of: PointText | None = Field(
        None, description="Draw around this point instead of from the prior.", examples=["example:0"]
    )
    render: Render = Field(
        "mean", description="mean: E[x given z]; draw: a draw from p(x given z), pixel noise included."
    )


def prepare_samples(query: SamplesQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /samples``; see ``app.explore.samples``."""
    if query.seed is not None:
        check_seed(query.seed)
    around = None if query.of is None else point_in(query.of, "of", model)
    temperature = query.temperature
    if temperature is None:
        temperature = 1.0 if around is None else AROUND
    samples = Samples(query.n, temperature, query.render, query.label, query.offset, query.prior, around)
    style = query.style(model, query.columns)
    values = dict(query) | {
        "seed": None,
        "temperature": temperature,
        "label": None if query.label is None else label_of(model, query.label),
        "offset": query.offset or None,
        "prior": None if samples.prior_of(model) is model.prior else query.prior,
        "of": None if around is None else around.text(model),
    }
    context = context_of("/samples", model, settings, style, values)
    work_of = sampler(context, samples)
    if query.seed is not None:
        seeded = context.seeded(query.seed)
        return permanent(query, seeded, work_of(query.seed), query.seed)
    headers = answer_headers(model, caching=b"no-store")
    without_seed = (settings.root_path + str(context.recipe.address)).encode()

    def ask() -> PreparedPicture:
        seed = _seeds.getrandbits(DRAWN_SEED_BITS)
        own = [(b"content-location", b"%b&seed=%d" % (without_seed, seed)), (b"x-seed", b"%d" % seed)]
        return PreparedPicture(work_of(seed), [*headers, *own])

    return ask


class InterpolateQuery(Query):
    """What ``GET /interpolate`` takes."""

    axis: Whole | None = Field(
        None, description="Latent axis, from 0; the model's own choice if not given.", examples=[3]
    )
    low: Number | None = Field(None, description="Value of the axis in the first image, -8 to 8.")
    high: Number | None = Field(None, description="Value of the axis in the last image, -8 to 8.")
    steps: Whole | None = Field(None, description="Number of images.")
    at: PointText | None = Field(
        None, description="Holds the other axes at this point; if not given, at the prior's centre."
    )
    seed: Seed | None = Field(None, description="The same as at=seed:..., the first code of a seed.")
    z: Code | None = Field(None, description="The same as at=z:..., numbers with commas between them.")
    from_: PointText | None = Field(
        None, alias="from", description="Begin at this point, and walk to another instead of along an axis."
    )
    to: PointText | None = Field(None, description="End at this point.")
    via: PointsText | None = Field(None, description="Pass through these points, with ; between them.")
    path: walks.Path = Field(
        "linear", description="Between points: linear, a straight line; slerp, an arc around zero."
    )

    @property
    def held(self) -> dict[str, str]:
        """By parameter, the points at which the other axes are to be held; one is right."""
        seed = None if self.seed is None else f"seed:{self.seed}"
        found = {"at": self.at, "seed": seed, "z": None if self.z is None else f"z:{self.z}"}
        return {name: text for name, text in found.items() if text is not None}


ALONG_AXIS = ("axis", "low", "high", "at", "seed", "z")
BETWEEN = ("from", "to", "via", "path")


def prepare_walk(query: InterpolateQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /interpolate``; see ``app.explore.walks``."""
    given = {name.rstrip("_") for name in query.model_fields_set}
    if given & {"from", "to", "via"}:
        return _prepare_way(query, given, model, settings)
    if "path" in given:
        raise contradictory("path", "from and to beside it", "an axis", "Name two points, or leave path out.")
    walk = walks.resolve_walk(
        model, settings, axis=query.axis, low=query.low, high=query.high, steps=query.steps
    )
    held = query.held
    if len(held) > 1:
        names = list(held)
        raise contradictory(names[-1], f"{' or '.join(names)}, not both", "both", "Leave one of them out.")
    if query.seed is not None:
        check_seed(query.seed)
    at = next((point_in(text, name, model) for name, text in held.items()), None)
    values = dict(query) | vars(walk) | dict.fromkeys(("seed", "z", "path", "from_"))
    values["at"] = None if at is None else at.text(model)
    context = context_of("/interpolate", model, settings, query.style(model), values)
    return permanent(query, context, walks.interpolate(context, walk, at), query.seed)


def _prepare_way(query: InterpolateQuery, given: set[str], model: Model, settings: Settings) -> MakePicture:
    """Check a walk between points."""
    if both := sorted(given & {*ALONG_AXIS}):
        expected = "either an axis or points to walk between"
        raise contradictory(both[0], expected, "both", f"Leave {both[0]} out.")
    for name, text in (("from", query.from_), ("to", query.to)):
        if text is None:
            expected, remedy = "from and to, both", "Name both points."
            raise InvalidParameter.of(name, expected, "(not given)", remedy, "missing")
    via = () if query.via is None else points_in(query.via, "via", model)
    ends = point_in(str(query.from_), "from", model), point_in(str(query.to), "to", model)
    points = (ends[0], *via, ends[1])
    first, *between, last = (point.text(model) for point in points)
    steps = walks.resolve_steps(model, settings, query.steps)
    values = dict(query) | {"from_": None, "from": first, "to": last, "steps": steps}
    values["via"] = ";".join(between) or None
    context = context_of("/interpolate", model, settings, query.style(model), values)
    return permanent(query, context, walks.between(context, points, query.path, steps))


def contradictory(name: str, expected: str, received: str, remedy: str) -> InvalidParameter:
    """Return the refusal of parameters that rule each other out."""
    return InvalidParameter.of(name, expected, received, remedy, "contradictory")


class ReconstructQuery(Query):
    """What ``/reconstruct`` takes beside the images."""

    columns: Whole | None = Field(None, description="Images in a row; all in one row if not given.")


def prepare_examples(query: ReconstructQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /reconstruct``; see ``app.explore.reconstruction``."""
    style = query.style(model, query.columns)
    context = context_of("/reconstruct", model, settings, style, dict(query), COMPOSITE)
    return permanent(query, context, reconstruction.reconstruct_examples(context))


class UploadQuery(ReconstructQuery):
    """What ``POST /reconstruct`` takes beside the images."""

    invert: Invert = Field(
        "no",
        description="yes: dark on light becomes light on dark, or back; auto: if the border is not of the "
        "model's own ground, dark or light, and never for a model of colour; no: as is.",
    )


def prepare_uploads(query: UploadQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /reconstruct`` with its files; see ``app.explore.reconstruction``."""
    style = query.style(model, query.columns)
    context = context_of("/reconstruct", model, settings, style, dict(query), COMPOSITE).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(files: list[tuple[str, bytes]]) -> PreparedPicture:
        return PreparedPicture(reconstruction.reconstruct(context, files, query.invert), headers)

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
