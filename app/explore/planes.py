"""Planes of the latent space: two axes in Gaussian quantiles, or what three points span."""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.engine.work import Rows, Steps, Work
from app.errors import InvalidParameter
from app.explore import legends, maps
from app.explore.grids import MAX_CODE, Answer, Context, check_count
from app.explore.points import Point, codes_of, operations_of
from app.manifest import Manifest
from app.models import Model
from app.pictures.formats import Codes

LOW, HIGH = 0.05, 0.95  # quantiles at the edges (Kingma & Welling 2013, figure 4, shows such a plane)
CORNERS = 3
Show = Literal["images", "classes", "density"]


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

    def cells_of(self, model: Model, corners: Codes, codes: Codes) -> npt.NDArray[np.int64]:
        """Return the numbers of the cells in which codes of two axes, (N, 2), lie, without those beyond them.

        Cells reach half a step beyond the plane's edges. None lies on a plane that is a line or a point.
        """
        if len(corners) == CORNERS:
            start, one, other = corners.astype(np.float64)
            sides = np.stack([one - start, other - start], axis=1)
            if abs(np.linalg.det(sides)) < 1e-9:
                return np.empty(0, np.int64)
            across, down = np.linalg.solve(sides, (codes - start).T)
        else:
            normal, shares = NormalDist(), []
            for axis in self.axes:
                about = model.manifest.axes[axis]
                units = (codes[:, axis].astype(np.float64) - about.mean) / (about.std or 1.0)
                shares.append(np.array([normal.cdf(unit) for unit in units]))
            across, down = (shares[0] - LOW) / (HIGH - LOW), (HIGH - shares[1]) / (HIGH - LOW)
        column, row = _places(across, self.columns), _places(down, self.rows)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return (row * self.columns + column)[inside]


def _places(shares: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Return which of `count` cells numbers belong to, 0 the middle of the first and 1 that of the last."""
    steps = shares * (count - 1) if count > 1 else shares - 0.5
    return np.floor(np.clip(steps, -1, count) + 0.5).astype(np.int64)


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


def shows(manifest: Manifest) -> tuple[str, ...]:
    """Return what a plane of this version can show: of the test set only if it has a map of two axes."""
    if manifest.map is None or manifest.latent_dim != 2:
        return ("images",)
    return ("images", *(("classes",) if manifest.map.classes else ()), "density")


def check_show(model: Model, show: Show) -> None:
    """Refuse to show the test set over a plane that is not the whole space, or of a model without a map.

    Raises:
        InvalidParameter: the model has not two axes, or its test set no classes.
        MapUnavailable: its version was published without a map.
    """
    if show == "images":
        return
    if (axes := model.manifest.latent_dim) != 2:
        expected, received = "images, of a model that has not two axes", f"{show}, of one of {axes}"
        remedy = "Ask for a model of two axes, or for /map."
        raise InvalidParameter.of("show", expected, received, remedy, "no_plane")
    maps.check_class_names(maps.map_of(model), model, show)


def manifold(context: Context, plane: Plane, show: Show = "images") -> Work[Answer]:
    """Return the work of decoding a plane, cell by cell.

    Args:
        context: what decodes and draws.
        plane: which one, and how finely.
        show: ``classes``: the ground of each cell has the colour of the class of the nearest held-out image;
            ``density``: it is the darker, the more of these lie in it.

    Raises:
        InvalidParameter: too many cells, or the answer would be too large; or as ``check_show``.
        MapUnavailable: as ``check_show``.
    """
    check_show(context.model, show)
    model, count = context.model, plane.columns * plane.rows
    for name, value in (("columns", plane.columns), ("rows", plane.rows)):
        check_count(name, value, 1, context.limits.max_steps, "max_steps")
    context.check_grid(count, by=["columns", "rows"])

    def steps() -> Steps[Answer]:
        corners = yield from codes_of(plane.points, model)
        codes = plane.codes(model, corners)
        images = yield Rows.of(model.decoding, codes)
        if show == "images":
            return context.draw(images, plane.columns, codes)
        legend = _legend(context, plane, corners, codes, show)
        drawing, shown = legends.tinted(context, images, legend.tints)
        return drawing.draw(shown, plane.columns, codes, facts=(legend.fact,), data=legend.data)

    operations = (*operations_of(plane.points, model), model.decoding)
    return Work(steps, count, operations, context.is_heavy(count))


def _legend(context: Context, plane: Plane, corners: Codes, codes: Codes, show: Show) -> legends.Legend:
    """Return what the cells of a plane say of the held-out images, whose codes are `codes`."""
    model, style = context.model, context.style
    found = maps.map_of(model)
    if show == "classes":
        numbers = found.classes[legends.nearest(found, codes)]
        legend = legends.of_classes(found, numbers, style)
        named = [found.names[number] for number in numbers]
        return legend._replace(data={**legend.data, "cell_classes": named})
    cells = plane.cells_of(model, corners, found.z_mean)
    return legends.of_counts(np.bincount(cells, minlength=len(codes)), len(found), style)
