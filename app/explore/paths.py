"""Ways from code to code: a straight line, an arc, or one that stays where codes of real images lie."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from app.explore.grids import MAX_CODE
from app.pictures.formats import Codes
from app.priors import GaussianMixture, Prior

Path = Literal["linear", "slerp", "density"]

MAX_POINTS = 10
PARALLEL = 1e-6  # sine of the angle below which directions leave no one arc between them
# Of a path that follows the density: codes that it is found by, steps of the search, and their length.
NODES, ITERATIONS, RATE = 25, 30, 0.3
# What its codes are rounded to, far below what can be seen: another processor's rounding changes none.
GRID = 2.0**-10

Doubles = npt.NDArray[np.float64]


def way(points: Codes, path: Path, count: int, prior: Prior) -> Codes:
    """Return `count` codes on a way through `points`, (M, D), M > 1; it begins and ends at the outer ones.

    ``linear`` is the straight line. ``slerp`` turns on the arc of a great circle (Shoemake 1985), which keeps
    the distance from zero that codes of many axes have, where the straight line passes closer to zero (White
    2016); between codes of one direction or of opposite ones it is the straight line. ``density`` follows
    the ridge of a prior that is a mixture, fitted to the codes of the training images: what lies between two
    classes is then an image of some class, not of both at once. It is found by the string method (E, Ren &
    Vanden-Eijnden 2007) with the steps of mean shift (Carreira-Perpinan 2000). Of N(0, I), which favours no
    place, it is the arc.

    Args:
        points: where it goes through.
        path: what lies between two of them.
        count: number of codes, in equal steps of each part.
        prior: of the model.
    """
    parts, along = np.divmod(np.linspace(0, len(points) - 1, count), 1)
    first = np.minimum(parts.astype(int), len(points) - 2)
    along = np.where(parts > first, 1.0, along)
    exact = points.astype(np.float64)
    strings = _strings(exact, prior) if path == "density" and isinstance(prior, GaussianMixture) else None
    codes: Codes = np.empty((count, points.shape[1]), np.float32)
    for part in range(len(points) - 1):
        chosen = first == part
        nodes = None if strings is None else strings[part]
        codes[chosen] = _between(
            exact[part], exact[part + 1], along[chosen], nodes, straight=path == "linear"
        )
    # An arc between corners of the space may leave it.
    np.clip(codes, -MAX_CODE, MAX_CODE, out=codes)
    return codes


def _between(
    start: Doubles, end: Doubles, along: Doubles, nodes: Doubles | None, *, straight: bool
) -> Doubles:
    """Return codes between two, at parts of the way from 0 to 1; the two themselves are kept as they are.

    Args:
        start: the first of the two.
        end: the last.
        along: parts of the way.
        nodes: (NODES, D), what they lie on; None: on a line or an arc.
        straight: on a line.
    """
    if nodes is not None:
        found = np.round(_on(nodes, along) / GRID) * GRID
    else:
        weights = None if straight else _arc(start, end, along)
        one, other = weights if weights is not None else (1 - along, along)
        found = one[:, None] * start + other[:, None] * end
    found[along == 0], found[along == 1] = start, end
    return found


def _arc(start: Doubles, end: Doubles, along: Doubles) -> tuple[Doubles, Doubles] | None:
    """Return the weights of two codes in those between them on an arc; None: there is no one arc.

    The direction turns by equal angles, and the distance from zero goes in equal steps from one to the other.
    Weights of sines alone would lead far out between codes of two lengths and nearly opposite directions.
    """
    first, last = float(np.linalg.norm(start)), float(np.linalg.norm(end))
    if not first * last:
        return None
    angle = float(np.arccos(np.clip(np.dot(start, end) / (first * last), -1, 1)))
    sine = float(np.sin(angle))
    if sine < PARALLEL:
        return None
    lengths = (1 - along) * first + along * last
    turned = np.sin((1 - along) * angle) / sine, np.sin(along * angle) / sine
    return turned[0] * lengths / first, turned[1] * lengths / last


def _strings(points: Doubles, prior: GaussianMixture) -> Doubles:
    """Return paths between neighbours of `points`, (M - 1, NODES, D).

    Each climbs the prior's density everywhere but along itself; between equal points it stays where it is.
    All of them take a step at once: so few codes as one has cost the prior as much as many.
    """
    strings: Doubles = np.linspace(points[:-1], points[1:], NODES, axis=1)
    moving = np.flatnonzero((points[:-1] != points[1:]).any(axis=1))
    nodes = strings[moving]
    for _ in range(ITERATIONS if len(moving) else 0):
        along = nodes[:, 2:] - nodes[:, :-2]
        lengths = np.linalg.norm(along, axis=2, keepdims=True)
        along /= np.where(lengths > 0, lengths, 1)
        inner = nodes[:, 1:-1]
        climb = prior.shifted(inner.reshape(-1, points.shape[1])).reshape(inner.shape) - inner
        climb -= (climb * along).sum(axis=2, keepdims=True) * along
        nodes[:, 1:-1] += RATE * climb
        nodes = np.stack([_on(each, np.linspace(0, 1, NODES)) for each in nodes])
    strings[moving] = nodes
    return strings


def _on(nodes: Doubles, along: Doubles) -> Doubles:
    """Return the codes at parts of a path's length, from 0 to 1."""
    lengths = np.linalg.norm(np.diff(nodes, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(lengths)])
    places = along * reached[-1]
    return np.stack([np.interp(places, reached, column) for column in nodes.T], axis=1)
