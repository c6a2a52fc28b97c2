"""``GET /samples``: what it takes, and what is prepared of it."""

import random

from pydantic import Field

from app.explore.labels import label_of
from app.explore.points import point_in
from app.explore.samples import AROUND, PriorName, Render, Samples, sampler
from app.explore.seeds import check_seed
from app.http.addresses import answer_headers, context_of, permanent
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.queries import Label, Number, PointText, Query, Seed, Whole
from app.models import Model
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
        examples=[42],
    )
    temperature: Number | None = Field(
        None,
        description="0 to 4: scale of the codes, of a mixture about the mean of their component; 1, which "
        f"samples the prior, if not given. Around a point: standard deviation, {AROUND} if not given.",
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
    render: Render | None = Field(
        None,
        description="mean: E[x given z]; draw: a draw from p(x given z), pixel noise included. If not given, "
        "the model's own, samples_render of /version; around a point, mean.",
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
        "render": samples.render_of(model),
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
