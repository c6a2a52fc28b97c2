"""A plane of the latent space as one very large image that nobody computes as a whole.

The plane's two axes run through Gaussian quantiles. The full image is a grid of 2048 x 2048 cells, each the
decoded image of the code at its middle. It has 12 levels: at level k, one of 2^k pixels in each direction
is left, and the plane is cut into (2048 / 2^k)^2 cells that are as large, in pixels, as the model's images.
So a level is no smaller copy of the one below, which would take millions of decoded images: it is the same
plane sampled more coarsely, and every level shows whole images.

What a region shows in some size depends on the region, the size and the model alone, whatever an operator
allows: a level is chosen by them, and the cells that the region meets there are decoded, cut and scaled.
"""

from __future__ import annotations  # those of inner functions would be evaluated anew in every request

import dataclasses
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.engine.work import Rows, Steps, Work
from app.errors import ImageNotFound, InvalidParameter, MalformedImageRequest
from app.explore.grids import LIGHT_PIXELS, Answer, Context
from app.explore.planes import Plane, quantiles
from app.explore.points import codes_of, operations_of
from app.manifest import Image
from app.models import Model
from app.pictures import grids, regions
from app.pictures.formats import Codes, Drawing
from app.pictures.grids import GridStyle
from app.settings import Settings, variable

LEVELS = 12
CELLS = 2 ** (LEVELS - 1)  # along a side of the full image
LOW, HIGH = 0.001, 0.999  # quantiles at its edges: one code of a thousand lies beyond each

# What one request may have decoded: 16 x 16 cells, and one more at each edge that is not the edge of a cell.
LIMIT_SIDE = 16
MOST_CELLS = (LIMIT_SIDE + 2) ** 2
MOST_PIXELS = 16_000_000  # of all cells together; four are always let be
# Of a region that clients shall ask for: a few hundred pixels, in two full batches.
UNIT_SIDE, UNIT_PIXELS = 8, 256
LONGEST_SIDE = 16_383  # that WebP knows, the narrowest of the formats


class Region(NamedTuple):
    """A rectangle of the full image, in its pixels; ``x`` and ``y`` are of its upper left corner."""

    x: int
    y: int
    width: int
    height: int


class View(NamedTuple):
    """What an image shows.

    Args:
        region: which part of the full image, not empty and within it.
        size: (width, height) to which the region is scaled.
        mirrored: whether it is then reflected, left to right.
        rotation: and turned clockwise, by 0, 90, 180 or 270 degrees.
        grey: and its colours made grey.
        format: a key of ``regions.FORMATS``.
    """

    region: Region
    size: tuple[int, int]
    mirrored: bool = False
    rotation: int = 0
    grey: bool = False
    format: str = "png"


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """The full image of a plane of a model: its size, and what may be asked of it at once.

    Args:
        image: what a cell is.
        width: of the full image, in pixels.
        height: of the full image, in pixels.
        max_width: of a scaled region, in pixels.
        max_height: of a scaled region, in pixels.
        max_area: of a scaled region, in pixels.
        unit: cells along a side of the regions that clients shall ask for, a power of two.
    """

    image: Image
    width: int
    height: int
    max_width: int
    max_height: int
    max_area: int
    unit: int

    @classmethod
    def of(cls, model: Model, settings: Settings) -> Pyramid:
        """Return the full image of whatever plane of a model.

        Raises:
            ImageNotFound: a single image of the model has more pixels than an answer may have.
        """
        image = model.manifest.image
        cell = image.height * image.width
        if cell > settings.max_pixels:
            expected = f"a model of images of at most {settings.max_pixels} pixels ({variable('max_pixels')})"
            remedy = "Name another model."
            reference = model.version.reference
            raise ImageNotFound.of("identifier", expected, reference, remedy, "too_many_pixels")
        side = _limit_side(most_cells(image), settings.max_images)
        unit = 1
        while (
            2 * unit <= min(UNIT_SIDE, side)
            and 2 * unit * max(image.height, image.width) <= UNIT_PIXELS
            and 4 * unit**2 * cell <= settings.max_pixels
        ):
            unit *= 2
        return cls(
            image,
            CELLS * image.width,
            CELLS * image.height,
            min(side * image.width, LONGEST_SIDE),
            min(side * image.height, LONGEST_SIDE),
            min(side**2 * cell, settings.max_pixels),
            unit,
        )

    def allows(self, width: int, height: int) -> bool:
        """Say whether a scaled region may have this size."""
        return width <= self.max_width and height <= self.max_height and width * height <= self.max_area

    def largest(self, region: Region) -> tuple[int, int]:
        """Return the size of a region at the finest level at which it is allowed."""
        sizes = ((-(-region.width // 2**k), -(-region.height // 2**k)) for k in range(LEVELS))
        return next(size for size in sizes if self.allows(*size))


def most_cells(image: Image) -> int:
    """Return how many cells one request has decoded at most."""
    return min(MOST_CELLS, max(4, MOST_PIXELS // (image.height * image.width)))


def _limit_side(most: int, max_images: int) -> int:
    """Return how many cells' pixels a scaled region may have along a side, so that it can be decoded.

    At the nearest level a cell is at most sqrt(2) times too large, and there is one more at either edge. If
    that is too much for `most`, a coarser level serves; an operator's limit changes no picture and refuses.
    """
    if max_images >= most:
        return LIMIT_SIDE
    return max(1, math.floor((math.isqrt(max_images) - 2) / math.sqrt(2)))


class Cells(NamedTuple):
    """The cells of one level that a region meets.

    Args:
        level: 0 to LEVELS - 1.
        column: of the first ones, from the left.
        row: of the first ones, from above.
        columns: how many side by side.
        rows: how many below each other.
    """

    level: int
    column: int
    row: int
    columns: int
    rows: int

    @property
    def number(self) -> int:
        """How many there are."""
        return self.columns * self.rows

    def box(self, region: Region, image: Image) -> tuple[float, float, float, float]:
        """Return where a region lies in the pixels of these cells: left, upper, right, lower edge."""
        scale = 2.0**-self.level
        left = region.x * scale - self.column * image.width
        upper = region.y * scale - self.row * image.height
        return left, upper, left + region.width * scale, upper + region.height * scale


def cells_of(region: Region, size: tuple[int, int], image: Image) -> Cells:
    """Return the cells that show a region in a size.

    They are of the level whose scale is nearest, by ratio, to that of the region; where its width and height
    are scaled differently, to the larger one. If that would be more than ``most_cells``, of the first
    coarser level at which it is not.
    """
    scale = max(Fraction(region.width, size[0]), Fraction(region.height, size[1]))
    level = next((k for k in range(LEVELS) if scale**2 < 2 ** (2 * k + 1)), LEVELS - 1)
    while (cells := _cells_at(level, region, image)).number > most_cells(image):
        level += 1
    return cells


def _cells_at(level: int, region: Region, image: Image) -> Cells:
    width, height = image.width << level, image.height << level
    column, row = region.x // width, region.y // height
    columns = (region.x + region.width - 1) // width - column + 1
    rows = (region.y + region.height - 1) // height - row + 1
    return Cells(level, column, row, columns, rows)


def codes_at(
    plane: Plane,
    model: Model,
    held: Codes,
    right: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
) -> Codes:
    """Return the codes of points of a plane, row by row, (len(down) * len(right), D) float32.

    Args:
        plane: of two axes; the first grows to the right, the second upwards.
        model: whose latent space it is.
        held: (D,), the code whose other axes they have.
        right: how far to the right each column lies, in (0, 1).
        down: how far down each row lies, in (0, 1).
    """
    codes = np.tile(held.astype(np.float32), (len(down), len(right), 1))
    x, y = plane.axes
    codes[:, :, x] = quantiles(model, x, LOW + right * (HIGH - LOW))
    codes[:, :, y] = quantiles(model, y, HIGH - down * (HIGH - LOW))[:, None]
    return codes.reshape(-1, held.shape[0])


def middles(first: int, count: int, level: int) -> npt.NDArray[np.float64]:
    """Return where the middles of cells `first` to `first + count - 1` of a level lie, in (0, 1)."""
    numbers = range(first, first + count)
    return np.array([(2 * number + 1) * 2.0**level / (2 * CELLS) for number in numbers])


def draw_view(context: Context, plane: Plane, view: View) -> Work[Answer]:
    """Return the work of decoding what a view of a plane shows.

    Args:
        context: the model, the ink, the limits and the recipe.
        plane: of two axes.
        view: what is to be seen of it.

    Raises:
        MalformedImageRequest: it would take more images than a picture may have.
    """
    model, image = context.model, context.model.manifest.image
    cells = cells_of(view.region, view.size, image)
    if cells.number > context.limits.max_images:
        expected = f"a region of at most {context.limits.max_images} images ({variable('max_images')})"
        remedy = "Ask for a smaller size, or for the regions that info.json lists."
        raise MalformedImageRequest.of("size", expected, f"{cells.number} images", remedy, "too_many_images")
    box = cells.box(view.region, image)
    scaled = (box[2] - box[0], box[3] - box[1]) != view.size or box[0] % 1 or box[1] % 1
    offered = regions.FORMATS[view.format]

    def steps() -> Steps[Answer]:
        try:
            held = (yield from codes_of(plane.points, model))[0]
        except InvalidParameter as refusal:
            raise ImageNotFound(*refusal.faults) from None
        right = middles(cells.column, cells.columns, cells.level)
        down = middles(cells.row, cells.rows, cells.level)
        codes = codes_at(plane, model, held, right, down)
        images = yield Rows.of(model.decoding, codes)
        pixels = grids.grid(images, cells.columns, ink=context.style.ink)
        pixels = regions.scaled(pixels, box, view.size) if scaled else regions.cut(pixels, box)
        pixels = regions.turned(pixels, view.mirrored, view.rotation)
        if view.grey:
            pixels = regions.grey(pixels)
        content = offered.encode(Drawing(pixels[None], 1, GridStyle(ink="light"), context.recipe))
        return Answer(content, offered.media_type)

    operations = (*operations_of(plane.points, model), model.decoding)
    drawn = max(cells.number * image.height * image.width, view.size[0] * view.size[1] * offered.cost)
    return Work(steps, cells.number, operations, heavy=bool(scaled) or drawn > LIGHT_PIXELS)
