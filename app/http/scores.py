"""``/encode``, ``/score`` and ``/complete``: what they take, and what is prepared of it."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from app.decoding import reading
from app.errors import InvalidParameter, UploadError
from app.explore import completion, encoding, presenting, scores
from app.explore.completion import Incomplete, Wanted
from app.explore.grids import Context
from app.explore.images import Uploads
from app.explore.samples import Render
from app.explore.scores import Draws
from app.explore.tables import TABLES
from app.http.addresses import answer_headers, context_of, permanent
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.queries import Inverted, ModelQuery, Query, Seed, StillQuery, Whole
from app.http.uploads import Files
from app.models import Model
from app.pictures.grids import GridStyle, Pixels
from app.pictures.provenance import COMPOSITE
from app.settings import Settings

Hide = Literal["upper", "lower", "left", "right"]


class EncodeQuery(ModelQuery):
    """What ``POST /encode`` takes beside the images."""

    invert: Inverted = "no"
    format: str = Field("json", description=f"Format: {', '.join(TABLES)}. It may stand behind the path too.")

    formats: ClassVar = tuple(TABLES)


def prepare_encode(query: EncodeQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /encode`` with its files; see ``app.explore.encoding``."""
    style = GridStyle(format=query.format, ink=model.manifest.image.ink)
    context = context_of("/encode", model, settings, style, dict(query)).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(files: Files) -> PreparedPicture:
        return PreparedPicture(encoding.encode(context, Uploads(tuple(files), query.invert)), headers)

    return ask


DRAWS = "Draws of q(z given x) for each image: more are closer to log p(x), and take longer."
SEED = "0 to 2^63-1, or a word: of the draws' noise. The same seed gives the same numbers."


class ScoreQuery(StillQuery):
    """What ``GET /score`` takes."""

    format: str = Field("json", description="Format: json, csv, npy, npz, png or webp.")
    k: Whole = Field(scores.DEFAULT_DRAWS, description=DRAWS)
    seed: Seed = Field(Draws().seed, description=SEED)
    columns: Whole | None = Field(
        None, description="Images in a row of a picture; all in one row if not given."
    )

    formats: ClassVar = (*TABLES, "png", "webp")


class SentScoreQuery(ScoreQuery):
    """What ``POST /score`` takes beside the images."""

    invert: Inverted = "no"


def prepare_score(query: ScoreQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /score``; see ``app.explore.scores``."""
    context = _score_context(query, model, settings)
    context.check_grid(max(1, len(model.examples)), rows_each=2, other_columns=True)
    work = scores.score_examples(model, settings, Draws(query.k, query.seed))
    return permanent(query, context, presenting.presented(work, _presenter(context)), query.seed)


def prepare_sent_score(query: SentScoreQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /score`` with its files; see ``app.explore.scores``."""
    context = _score_context(query, model, settings).without_address()
    headers = [*answer_headers(model, caching=b"no-store"), (b"x-seed", b"%d" % query.seed)]
    model.require_scoring()

    def ask(files: Files) -> PreparedPicture:
        context.check_grid(len(files), rows_each=2, by=["file"], other_columns=True)
        work = scores.score(model, settings, files, query.invert, Draws(query.k, query.seed))
        return PreparedPicture(presenting.presented(work, _presenter(context)), headers)

    return ask


def _score_context(query: ScoreQuery, model: Model, settings: Settings) -> Context:
    style = query.style(model, query.columns)
    return context_of("/score", model, settings, style, dict(query), COMPOSITE, usual_format="json")


def _presenter(context: Context) -> presenting.Present[scores.Scores]:
    return lambda found: presenting.present_scores(context, found)


class CompleteQuery(Query):
    """What ``GET /complete`` takes."""

    n: Whole = Field(4, description="Completions of each image.")
    k: Whole = Field(completion.DEFAULT_DRAWS, description="Codes that are weighted for each image.")
    seed: Seed = Field(Draws().seed, description=SEED)
    render: Render | None = Field(
        None,
        description="draw: the missing pixels as drawn, given the seen ones; mean: the mean of the code's "
        "p(x given z). If not given, what `/samples` shows of the model.",
    )
    hide: Hide | None = Field("lower", description="The half of each image that is hidden.")

    @property
    def wanted(self) -> Wanted:
        """How images are completed."""
        return Wanted(self.n, Draws(self.k, self.seed), self.render)


class SentCompleteQuery(CompleteQuery):
    """What ``POST /complete`` takes beside the images."""

    hide: Hide | None = Field(
        None,
        description="A half of each image that is hidden, beside what its mask hides.",
        examples=["lower"],
    )
    invert: Inverted = "no"


def prepare_completion(query: CompleteQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /complete``; see ``app.explore.completion``."""
    context = _completion_context(query, model, settings)
    examples = model.examples
    if not len(examples):
        expected, remedy = "a model that ships examples", "Send an image of your own by POST."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_examples")

    def read() -> Incomplete:
        return Incomplete(examples, np.stack([_half(examples[0], query.hide)] * len(examples)))

    work = completion.complete(model, settings, query.wanted, read, len(examples))
    context.check_grid(len(examples) * (2 + query.n), by=["n"])
    return permanent(query, context, presenting.presented(work, _completer(context)), query.seed)


def prepare_sent_completion(query: SentCompleteQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /complete`` with its files and masks; see ``app.explore.completion``."""
    context = _completion_context(query, model, settings).without_address()
    headers = [*answer_headers(model, caching=b"no-store"), (b"x-seed", b"%d" % query.seed)]
    model.require_scoring()

    def ask(sent: tuple[Files, Files]) -> PreparedPicture:
        files, masks = sent
        size = reading.size_of([*files, *masks])

        def read() -> Incomplete:
            pixels, notes = Uploads(tuple(files), query.invert).read(context, on_white=False)
            return Incomplete(pixels, _seen(query, context, files, masks, pixels), notes)

        work = completion.complete(model, settings, query.wanted, read, len(files), size)
        context.check_grid(len(files) * (2 + query.n), by=["n", "file"])
        return PreparedPicture(presenting.presented(work, _completer(context)), headers)

    return ask


def _completion_context(query: CompleteQuery, model: Model, settings: Settings) -> Context:
    style = query.style(model, 2 + query.n)
    values = dict(query) | {"render": query.wanted.render_of(model)}
    return context_of("/complete", model, settings, style, values, COMPOSITE)


def _completer(context: Context) -> presenting.Present[completion.Completions]:
    return lambda found: presenting.present_completions(context, found)


def _seen(
    query: SentCompleteQuery, context: Context, files: Files, masks: Files, pixels: Pixels
) -> npt.NDArray[np.bool_]:
    """Return which pixels of each image are seen, (N, H, W), or refuse images of which none is missing."""
    shape, limits = context.model.manifest.image.shape, context.limits
    seen = np.stack(reading.read_seen(files, shape, limits))
    if masks:
        seen &= np.stack(reading.read_masks(masks, shape, limits))
    seen &= _half(pixels[0], query.hide)
    for (name, _), each in zip(files, seen, strict=True):
        if each.all():
            expected = "transparent pixels, a mask that is white where pixels are missing, or hide"
            remedy = "Say which pixels are missing, like hide=lower."
            raise UploadError.of(name, expected, "no missing pixel", remedy, "nothing_missing")
    return seen


def _half(image: Pixels, hide: Hide | None) -> npt.NDArray[np.bool_]:
    """Return which pixels of an image are left, (H, W), if a half of it is hidden."""
    height, width = image.shape[:2]
    row, column = np.arange(height)[:, None], np.arange(width)[None]
    left = {
        None: np.ones((1, 1), bool),
        "upper": row >= height // 2,
        "lower": row < height // 2,
        "left": column >= width // 2,
        "right": column < width // 2,
    }
    return np.broadcast_to(left[hide], (height, width))
