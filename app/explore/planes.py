"""Planes of the latent space: two axes in Gaussian quantiles, or what three points span."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore.grids import MAX_CODE, Answer, Context, check_count
from app.explore.points import Point, codes_of, operations_of
from app.models import Model
from app.pictures.formats import Codes

LOW, HIGH = 0.05, 0.95  # quantiles at the edges (Kingma & Welling 2013, figure 4, shows such a plane)
CORNERS = 3


@dataclasses.dataclass(frozen=True)
class Plane:
    """A plane, and how finely it is shown.

    Args:
        points: three: top left, top right and bottom left corner; or one, which holds the other axes.
        axes: of one point: the axis that grows to the right, and the one that grows upwards.
        columns: images in a row.
        rows: of images.
    """

    points: tuple[Point, ...]
    axes: tuple[int, int]
    columns: int
    rows: int

    def codes(self, model: Model, corners: Codes) -> Codes:
        """Return the codes of all cells, row by row, (rows * columns, D).

        Args:
            model: whose latent space it is.
            corners: the codes of ``points``.
        """
        right, down = _spaced(self.columns), _spaced(self.rows)
        if len(corners) == CORNERS:
            start, one, other = corners.astype(np.float64)
            across = start + right[:, None] * (one - start)
            codes = across[None] + down[:, None, None] * (other - start)
            spanned: Codes = codes.reshape(-1, corners.shape[1]).astype(np.float32)
            return spanned
        cells = np.tile(corners[0], (self.rows, self.columns, 1))
        x, y = self.axes
        cells[:, :, x] = quantiles(model, x, LOW + right * (HIGH - LOW))
        cells[:, :, y] = quantiles(model, y, HIGH - down * (HIGH - LOW))[:, None]
        return cells.reshape(-1, corners.shape[1])


def _spaced(count: int) -> npt.NDArray[np.float64]:
    """Return `count` numbers from 0 to 1; a single one lies in the middle."""
    return np.linspace(0, 1, count) if count > 1 else np.array([0.5])


def quantiles(model: Model, axis: int, probabilities: npt.NDArray[np.float64]) -> Codes:
    """Return the values of an axis at probabilities in (0, 1) of a Gaussian.

    Its mean and its deviation are the axis' own under the aggregate posterior; values end at +-8.
    """
    about = model.manifest.axes[axis]
    normal = NormalDist()
    units = np.array([normal.inv_cdf(float(probability)) for probability in probabilities])
    values: Codes = np.clip(about.mean + about.std * units, -MAX_CODE, MAX_CODE).astype(np.float32)
    return values


def widest_axes(model: Model) -> tuple[int, int]:
    """Return the two axes that know most of an image, the one of the higher KL first.

    Raises:
        InvalidParameter: the model has one axis alone.
    """
    order = sorted(range(model.manifest.latent_dim), key=lambda axis: -model.manifest.axes[axis].kl)
    if len(order) < 2:
        expected, remedy = "a model of two axes or more", "Walk its axis by /interpolate."
        raise InvalidParameter.of("model", expected, model.version.reference, remedy, "no_plane")
    return order[0], order[1]


def manifold(context: Context, plane: Plane) -> Work[Answer]:
    """Return the work of decoding a plane, cell by cell.

    Raises:
        InvalidParameter: too many cells, or the answer would be too large.
    """
    model, count = context.model, plane.columns * plane.rows
    for name, value in (("columns", plane.columns), ("rows", plane.rows)):
        check_count(name, value, 1, context.limits.max_steps, "max_steps")
    context.check_grid(count)

    def steps() -> Steps[Answer]:
        corners = yield from codes_of(plane.points, model)
        codes = plane.codes(model, corners)
        images = yield Rows.of(model.decoding, codes)
        return context.draw(images, plane.columns, codes)

    operations = (*operations_of(plane.points, model), model.decoding)
    return Work(steps, count, operations, context.is_heavy(count))
