"""Images of another kind, and how well a score of unusualness finds them.

A likelihood alone is no detector of unusual images: a model of clothes may well find a flat grey picture, or
a digit, more probable than a shirt (Nalisnick et al. 2019). An AUROC below 0.5 here says just that.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from training import data
from training.metrics.two_sample import auroc
from training.types import Doubles

PATCHES = 4  # along each side of an image
COMPLEXITY = "med-kt"  # what a manifest calls the code below
LEVELS = 256
PSEUDO_COUNT = 0.5  # of every difference, by Krichevsky & Trofimov
FONTS = (
    "DejaVu Sans",
    "DejaVu Serif",
    "DejaVu Sans Mono",
)  # matplotlib brings these, so every machine has them
WARNING = (
    "A likelihood alone does not detect unusual images: it may be higher for images of another kind "
    "(Nalisnick et al. 2019)."
)

Score = Callable[[data.Images], npt.NDArray[Any]]


def outlier_sets(images: data.Images, seed: int) -> dict[str, data.Images]:
    """Return sets of unusual images by name, each of the shape of `images`, at 8-bit levels.

    Args:
        images: usual ones, (N, H, W) or (N, H, W, C) in [0, 1].
        seed: of noise, greys, shuffles and places.
    """
    rng = np.random.default_rng(seed)
    greys = rng.integers(0, 256, (len(images),) + (1,) * (images.ndim - 1))
    return {
        "inverted": 1 - images,
        "uniform noise": _levels(rng.integers(0, 256, images.shape)),
        "shuffled patches": shuffled_patches(images, rng),
        "flat grey": _levels(np.broadcast_to(greys, images.shape)),
        "digits": digits(len(images), images.shape[1:], rng),
    }


def outlier_table(score: Score, images: data.Images, seed: int) -> dict[str, dict[str, float]]:
    """Return AUROCs of the score, ``auroc``, and of what it exceeds complexity by, ``auroc_less_complexity``.

    Plain images are cheap for any model, unusual or not; what a general code needs for them says how cheap
    (Serra et al. 2020).

    Args:
        score: images -> (N,), -log p(x) in nats.
        images: usual ones, not seen in training.
        seed: as of ``outlier_sets``.
    """
    sets = {"": images} | outlier_sets(images, seed)
    plain = {name: np.asarray(score(some), np.float64) for name, some in sets.items()}
    less = {name: plain[name] - complexity(some) for name, some in sets.items()}
    return {
        key: {name: auroc(values[""], values[name]) for name in sets if name}
        for key, values in (("auroc", plain), ("auroc_less_complexity", less))
    }


def complexity(images: data.Images) -> Doubles:
    """Return the length of a code for each image's levels, (N,), in nats.

    Each level is predicted as JPEG-LS does (Weinberger, Seroussi & Sapiro 2000), from those on the left,
    above and left above, zero beyond the border: by the median of the first two and of the plane that the
    three span. The differences modulo 256 are coded by their frequencies so far, each counted half a time
    more (Krichevsky & Trofimov 1981); the length of an ideal arithmetic code has a closed form then. A file's
    length would come in whole bytes, and depend on who writes it.
    """
    levels = np.rint(images * 255).astype(np.int64)
    padded = np.pad(levels, [(0, 0), (1, 0), (1, 0)] + [(0, 0)] * (levels.ndim - 3))
    left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    predicted = np.median([left, above, left + above - corner], axis=0).astype(np.int64)
    differences = ((levels - predicted) % LEVELS).reshape(len(levels), -1)
    counts = np.stack([np.bincount(each, minlength=LEVELS) for each in differences])
    whole = LEVELS * PSEUDO_COUNT
    spent = (gammaln(counts + PSEUDO_COUNT) - gammaln(PSEUDO_COUNT)).sum(axis=1)
    return np.asarray(gammaln(differences.shape[1] + whole) - gammaln(whole) - spent)


def shuffled_patches(images: data.Images, rng: np.random.Generator) -> data.Images:
    """Return images whose 4 x 4 patches are put in another order, each image in its own.

    Rows and columns that do not divide by four stay where they are.
    """
    shuffled = images.copy()
    height, width = (side // PATCHES for side in images.shape[1:3])
    corners = [(row * height, column * width) for row in range(PATCHES) for column in range(PATCHES)]
    for image, result in zip(images, shuffled, strict=True):
        for (top, left), place in zip(corners, rng.permutation(len(corners)), strict=True):
            row, column = corners[place]
            result[top : top + height, left : left + width] = image[
                row : row + height, column : column + width
            ]
    return shuffled


def digits(number: int, image_shape: tuple[int, ...], rng: np.random.Generator) -> data.Images:
    """Return light printed digits on a dark ground, in several fonts, sizes and places; (N, *image_shape)."""
    height, width = image_shape[:2]
    glyphs = [
        _glyph(str(digit), font, size, height, width)
        for digit in range(10)
        for font in FONTS
        for size in (0.6, 0.8)
    ]
    shifts = rng.integers(-(min(height, width) // 10), min(height, width) // 10 + 1, (number, 2))
    drawn = np.stack(
        [
            np.roll(glyphs[choice], tuple(shift), (0, 1))
            for choice, shift in zip(rng.integers(len(glyphs), size=number), shifts, strict=True)
        ]
    )
    return np.array(
        np.broadcast_to(drawn.reshape(*drawn.shape, *(1,) * (len(image_shape) - 2)), (number, *image_shape))
    )


def _glyph(text: str, font: str, size: float, height: int, width: int) -> data.Images:
    """One character, white on black, `size` of the image's height; (H, W)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dots_per_inch = 72  # so that a point is a pixel
    figure = Figure(
        figsize=(width / dots_per_inch, height / dots_per_inch), dpi=dots_per_inch, facecolor="black"
    )
    canvas = FigureCanvasAgg(figure)
    figure.text(
        0.5, 0.5, text, color="white", family=font, size=size * height, ha="center", va="center_baseline"
    )
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib types a part of itself
    red = np.asarray(canvas.buffer_rgba())[..., 0]  # type: ignore[no-untyped-call]
    return _levels(red)


def _levels(values: npt.NDArray[Any]) -> data.Images:
    return values.astype(np.float32) / np.float32(255)
