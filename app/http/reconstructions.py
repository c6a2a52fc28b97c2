"""``/reconstruct``: what it takes, and what is prepared of it."""

from typing import Any

from pydantic import Field

from app.explore import reconstruction
from app.explore.images import Uploads
from app.explore.reconstruction import Show
from app.http.addresses import answer_headers, context_of, permanent
from app.http.endpoint import MakePicture, PreparedPicture
from app.http.queries import Inverted, Query, Whole
from app.models import Model
from app.pictures.provenance import COMPOSITE
from app.settings import Settings


class ReconstructQuery(Query):
    """What ``/reconstruct`` takes beside the images."""

    columns: Whole | None = Field(None, description="Images in a row; all in one row if not given.")
    show: Show = Field(
        "both",
        description="both: originals above, reconstructions below; error: and below "
        "these how far they differ.",
    )
    elbo: Whole = Field(
        0,
        description="Draws of q(z given x) for each image by which the ELBO and its terms are estimated; "
        "none if 0.",
    )


def prepare_examples(query: ReconstructQuery, model: Model, settings: Settings) -> MakePicture:
    """Check ``GET /reconstruct``; see ``app.explore.reconstruction``."""
    style = query.style(model, query.columns)
    context = context_of("/reconstruct", model, settings, style, _values(query), COMPOSITE)
    return permanent(query, context, reconstruction.reconstruct_examples(context, query.show, query.elbo))


class UploadQuery(ReconstructQuery):
    """What ``POST /reconstruct`` takes beside the images."""

    invert: Inverted = "no"


def prepare_uploads(query: UploadQuery, model: Model, settings: Settings) -> MakePicture:
    """Return what checks ``POST /reconstruct`` with its files; see ``app.explore.reconstruction``."""
    style = query.style(model, query.columns)
    context = context_of("/reconstruct", model, settings, style, _values(query), COMPOSITE).without_address()
    headers = answer_headers(model, caching=b"no-store")

    def ask(files: list[tuple[str, bytes]]) -> PreparedPicture:
        sent = Uploads(tuple(files), query.invert)
        return PreparedPicture(reconstruction.reconstruct(context, sent, query.show, query.elbo), headers)

    return ask


def _values(query: ReconstructQuery) -> dict[str, Any]:
    """Return the parameters of a permanent address."""
    return dict(query) | {"elbo": query.elbo or None}
