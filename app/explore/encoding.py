"""Codes of images: q(z given x) of each, and the held-out images whose codes are nearest."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

from typing import Any

import numpy as np

from app.engine.work import Array, Rows, Steps, Work
from app.explore.grids import Answer, Context
from app.explore.images import Uploads
from app.explore.tables import TABLES, Table
from app.held_out import Map
from app.pictures.formats import point_of

NEAREST = 3  # examples that are named, and as many images of the map, if there is one
# Log-variances beyond it are taken as it: no image leads there, and the KL stays a number.
MAX_LOG_VAR = 80.0


def encode(context: Context, sent: Uploads) -> Work[Answer]:
    """Return the work of encoding images: z_mean, z_log_var, KL(q(z given x) || N(0, I)) by axis in nats.

    Args:
        context: what encodes.
        sent: the images.
    """
    model = context.model

    def steps() -> Steps[Answer]:
        originals, notes = sent.read(context)
        pixels = originals.astype(np.float32) / np.float32(255)
        posterior = yield Rows.of(model.posterior, pixels)
        codes_of_examples = np.empty((0, model.manifest.latent_dim), np.float32)
        if len(model.examples):
            examples = model.examples.astype(np.float32) / np.float32(255)
            codes_of_examples = yield Rows.of(model.encoding, examples)
        table = _table(posterior[:, 0], posterior[:, 1], codes_of_examples, model.map)
        table = table._replace(about={"model": model.version.pinned})
        media_type, write = TABLES[context.style.format]
        return Answer(write(table), media_type, (("images", str(len(originals))),), notes)

    operations = (model.posterior, model.encoding)
    return Work(steps, len(sent.files), operations, upload_cost=sent.cost)


def _table(z_mean: Array, z_log_var: Array, examples: Array, found: Map | None) -> Table:
    """Return what there is to know of the codes, (N, D), beside those of examples, (M, D), and of a map."""
    kl = kl_by_axis(z_mean, z_log_var)
    rows: list[dict[str, Any]] = []
    for mean, log_var, nats in zip(z_mean, z_log_var, kl, strict=True):
        nearest = [{"example": k, "distance": apart} for k, apart in _nearest(examples, mean)]
        rows.append(
            {
                "point": point_of(mean),
                "kl": float(nats.sum()),
                "kl_by_axis": nats.tolist(),
                "z_mean": list(map(float, mean)),
                "z_log_var": list(map(float, log_var)),
                "nearest": nearest,
            }
        )
        if found is not None:
            rows[-1]["nearest_on_map"] = [
                {"map": k, "class": found.class_of(k), "distance": apart}
                for k, apart in _nearest(found.z_mean, mean)
            ]
    return Table({"z_mean": z_mean, "z_log_var": z_log_var, "kl": kl}, rows, {})


def _nearest(codes: Array, code: Array) -> list[tuple[int, float]]:
    """Return the numbers of the codes, (M, D), that are nearest to one, (D,), and how far they are."""
    apart = np.linalg.norm(codes.astype(np.float64) - code, axis=1)
    return [(int(k), float(apart[k])) for k in np.argsort(apart, kind="stable")[:NEAREST]]


def kl_by_axis(z_mean: Array, z_log_var: Array) -> Array:
    """Return KL(q(z given x) || N(0, I)) of each axis in nats, (N, D) float64.

    It is (m^2 + s^2 - 1 - log s^2) / 2 (Kingma & Welling 2013, appendix B).
    """
    log_var = np.clip(z_log_var.astype(np.float64), -MAX_LOG_VAR, MAX_LOG_VAR)
    kl: Array = 0.5 * (z_mean.astype(np.float64) ** 2 + np.exp(log_var) - 1 - log_var)
    return kl
