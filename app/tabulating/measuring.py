"""Images -> rows: scores or codes, each as the service computes it for that file alone."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from app import latent
from app.decoding import reading
from app.engine.work import BATCH_ROWS, Array, Rows, Steps, Work
from app.errors import DecoderUnavailable, InvalidParameter
from app.explore.encoding import kl_by_axis
from app.explore.scores import Draws, check_draws, scores_of
from app.importance import Posterior
from app.models import Model
from app.pictures.uploads import Upload
from app.settings import Settings
from app.tabulating.columns import SCORES, Column, Row, codes_of
from app.tabulating.images import Image
from app.tabulating.job import TableJob

TRIES = 3  # of a decoder that the system ended, or that is stuck


class Measure:
    """Makes rows of images by one model.

    Args:
        job: what is wanted.
        model: of the job.
        limits: what a file may be, as of an upload.

    Attributes:
        columns: of the rows.

    Raises:
        InvalidParameter: k is out of the range of the limits.
        ScoringUnavailable: the version was published without what scores need.
    """

    def __init__(self, job: TableJob, model: Model, limits: Settings) -> None:
        self._job, self._model, self._limits = job, model, limits
        self.columns: tuple[Column, ...]
        if job.kind == "score":
            check_draws(model, limits, 1, Draws(job.k, job.seed))
            model.prepare_scoring()
            self.columns = SCORES
        else:
            self.columns = codes_of(model.manifest.latent_dim, job.k)
        # A row of a computation may round differently at another position, and a file alone has the first.
        self._at_once = BATCH_ROWS if model.posterior.uniform else 1

    def rows(self, images: Iterable[Image]) -> Iterator[Row]:
        """Yield a row for each image, in their order."""
        waiting: list[_Read] = []
        for image in images:
            waiting.append(self._read(image))
            if len(waiting) == BATCH_ROWS:
                yield from self._measured(waiting)
                waiting = []
        yield from self._measured(waiting)

    def _read(self, image: Image) -> "_Read":
        row: Row = {"row": image.number, "name": image.name, "label": image.label}
        if image.data is None:
            return _Read(row | {"error": image.error}, None)
        row["sha256"] = hashlib.sha256(image.data).hexdigest()
        try:
            upload = self._decoded(image.name, image.data)
        except (InvalidParameter, DecoderUnavailable) as error:
            return _Read(row | {"error": error.faults[0].summary if error.faults else error.detail}, None)
        return _Read(row | {"notes": "; ".join(upload.notes) or None}, upload)

    def _decoded(self, name: str, data: bytes) -> Upload:
        shape, polarity = self._model.manifest.image.shape, self._model.manifest.image.polarity
        for left in reversed(range(TRIES)):
            try:
                found = reading.read_uploads([(name, data)], shape, self._job.invert, self._limits, polarity)
                return found[0]
            except DecoderUnavailable:
                if not left:
                    raise
        raise AssertionError  # the last try returns or fails

    def _measured(self, read: Sequence["_Read"]) -> Iterator[Row]:
        found = [each.upload.pixels for each in read if each.upload is not None]
        values: list[Row] = []
        for start in range(0, len(found), self._at_once):
            some = np.stack(found[start : start + self._at_once])
            values += self._scores(some) if self._job.kind == "score" else self._codes(some)
        if self._job.kind == "encode" and self._job.k:
            digests = [each.row["sha256"] for each in read if each.upload is not None]
            for row, digest in zip(values, digests, strict=True):
                row["draws"] = self._draws(row, digest)
        measured = iter(values)
        for each in read:
            yield each.row if each.upload is None else each.row | next(measured)

    def _scores(self, pixels: Array) -> list[Row]:
        draws = Draws(self._job.k, self._job.seed)
        scores = Work(lambda: scores_of(self._model, pixels, draws), len(pixels))()
        return [score.as_dict() for score in scores]

    def _codes(self, levels: Array) -> list[Row]:
        pixels = levels.astype(np.float32) / np.float32(255)

        def steps() -> Steps[Array]:
            return (yield Rows.of(self._model.posterior, pixels))

        encoded = Work(steps, len(pixels))()
        kl = kl_by_axis(encoded[:, 0], encoded[:, 1])
        return [
            {"kl": float(nats.sum()), "kl_by_axis": nats, "z_mean": mean, "z_log_var": log_var}
            for (mean, log_var), nats in zip(encoded, kl, strict=True)
        ]

    def _draws(self, row: Row, digest: str) -> Array:
        """Return draws of q(z given x), (k, D): by the seed and the file's bytes, wherever it lies."""
        own = hashlib.sha256(f"{self._job.seed}/{digest}".encode()).digest()
        noise = latent.posterior_noise(
            int.from_bytes(own[:8], "big") >> 1, 0, self._job.k, len(row["z_mean"])
        )
        return Posterior.of(np.stack([row["z_mean"], row["z_log_var"]])).draw(noise)


class _Read(NamedTuple):
    """An image as it was read: the beginning of its row, and what the encoder sees; None: nothing."""

    row: dict[str, Any]
    upload: Upload | None
