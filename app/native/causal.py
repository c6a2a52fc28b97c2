"""Draws from the likelihood ``causal-logistic``, given what the decoder's network says of every pixel.

A mixture of K logistics at each pixel, whose parameters follow from the pixels before: the parameters are

    given = m + O relu(c + W d), every mean moved by sum_n tanh(a_n) d_n over the LINEAR nearest neighbours,

with m, a and c the pixel's own, W and O the version's, and d the deviations of NEIGHBOURS from their bases,
in levels. Where pixels share, a and c are those of their square, and the version's for their place in it are
added. They become a level by the pixel's two uniform numbers: one chooses the component, one the place in
it. All neighbours lie on earlier diagonals i + j, so that a diagonal is drawn at once. A level that is known
takes the place of the drawn one, so that the pixels after it are drawn given it.

The arithmetic is written out, so that it gives the same bytes everywhere: every number is one addition,
multiplication or division of float32, which IEEE 754 rounds in one way. ``causal.c`` does the same, hundreds
of times as fast.
"""

import ctypes
import math

import numpy as np
import numpy.typing as npt

from app.native.library import Task, library

Array = npt.NDArray[np.float32]

ELEMENTS = 8
LINEAR = 5
# Rows up and columns left of each neighbour; ABOVE, BELOW and BESIDE are how far they reach.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (2, -1), (-1, 2))
ABOVE, BELOW, BESIDE = 2, 1, 2
LEVELS = np.float32(255)
START = np.float32(0.541324855)  # where softplus is one
LARGEST = np.float32(80)  # softplus' input of the widest scale
MIN_SCALE, START_SCALE = np.float32(0.1), np.float32(20)  # of a logistic, in levels
TWO_POWER = np.float32(12582912)  # 1.5 x 2^23: what is added to it is rounded to an integer


class CausalDraw:
    """Draws for one version.

    Args:
        into: W, (10, hidden units) float32, for deviations in levels.
        out: O, (hidden units, 3 K) float32; the parameters are K logits, K means, K scales. Or (hidden units,
            3 K - 1): nothing is added to the first logit, as only differences of logits count.
        within: what each place in a square of b x b pixels adds, (b^2, LINEAR + hidden units) float32, row by
            row, b at least 2; None: each pixel has coefficients and an input of its own.
        compiled: by the compiled code, where there is some for this machine and these sizes.

    Raises:
        ValueError: the arrays do not fit each other.
    """

    def __init__(self, into: Array, out: Array, within: Array | None = None, compiled: bool = True) -> None:
        hidden, outputs = out.shape
        if into.shape != (len(NEIGHBOURS), hidden) or outputs % 3 == 1 or not outputs or not hidden:
            expected = f"({len(NEIGHBOURS)}, H) and (H, 3 K) or (H, 3 K - 1)"
            raise ValueError(f"likelihood: expected arrays {expected}. Received: {into.shape}, {out.shape}")
        self.components, self.hidden = -(-int(outputs) // 3), int(hidden)
        self._given = 3 * self.components - int(outputs)  # logits to which nothing is added
        self.block = 1 if within is None else math.isqrt(len(within))
        if within is None:
            within = np.zeros((1, LINEAR + hidden), np.float32)
        elif within.shape != (max(2, self.block) ** 2, LINEAR + hidden):
            expected = f"(b^2, {LINEAR + hidden}), b at least 2"
            raise ValueError(f"likelihood: expected within {expected}. Received: {within.shape}")
        padding = ((0, 0), (0, -hidden % ELEMENTS))
        self._within = np.ascontiguousarray(np.pad(within, padding), np.float32)
        self._into = np.ascontiguousarray(np.pad(into, padding), np.float32)
        self._out = np.ascontiguousarray(np.pad(out.T, padding), np.float32)
        self._library = library() if compiled else None

    @property
    def num_parameters(self) -> int:
        """Numbers that the decoder's network has for every pixel; the last are a part of its square's."""
        return 1 + 3 * self.components - (-(LINEAR + self.hidden) // self.block**2)

    def __call__(self, parameters: Array, noise: Array, known: Array | None = None) -> Array:
        """Return draws, (B, H, W) float32: levels over 255.

        Args:
            parameters: of every pixel, (B, H, W, num_parameters) float32.
            noise: uniform on (0, 1), (B, H, W, 2) float32.
            known: levels 0 to 255 of pixels that are not drawn, (B, H, W) float32, NaN at all others.

        Raises:
            ValueError: another shape.
        """
        count, height, width, numbers = parameters.shape
        if numbers != self.num_parameters or noise.shape != (count, height, width, 2):
            expected = f"{self.num_parameters} parameters and noise of shape (B, H, W, 2)"
            raise ValueError(f"expected {expected}. Received: {parameters.shape}, {noise.shape}")
        if height % self.block or width % self.block:
            raise ValueError(f"expected sides that {self.block} divides. Received: {height}, {width}")
        if known is not None and known.shape != (count, height, width):
            raise ValueError(f"expected known levels of shape (B, H, W). Received: {known.shape}")
        parameters, noise = (np.ascontiguousarray(each, np.float32) for each in (parameters, noise))
        known = None if known is None else np.ascontiguousarray(known, np.float32)
        if self._library is not None:
            images = np.empty((count, height, width), np.float32)
            task, _ = self._task(parameters, noise, known, images)
            if not self._library.vitrine_causal_draw(ctypes.byref(task)):
                return images
        with np.errstate(over="ignore", invalid="ignore"):  # as C does; what is no number stays none
            return self._draw(self._by_pixel(parameters), noise, known)

    def _task(
        self, parameters: Array, noise: Array, known: Array | None, images: Array
    ) -> tuple[Task, Array]:
        """Return what the compiled code is told, and its working memory, which must live as long."""
        height, width = images.shape[1:]
        count = height * width // self.block**2 if self.block > 1 else 0
        squares = np.zeros((count, self._within.shape[1]), np.float32)
        arrays = (parameters, noise, self._into, self._out, self._within, known, images, squares)
        places = (None if each is None else each.ctypes.data for each in arrays)
        return Task(*places, *images.shape, self.components, self.hidden, self.block, self._given), squares

    def _by_pixel(self, parameters: Array) -> Array:
        """Return parameters in which every pixel has what its square shares, with what its place adds."""
        if self.block == 1:
            return parameters
        count, height, width, _ = parameters.shape
        own, shared, block = 1 + 3 * self.components, LINEAR + self.hidden, self.block
        squares = parameters[..., own:].reshape(count, height // block, block, width // block, block, -1)
        squares = squares.swapaxes(2, 3).reshape(count, height // block, 1, width // block, 1, -1)[
            ..., :shared
        ]
        within = self._within[:, :shared].reshape(block, 1, block, shared)
        full = (squares + within).reshape(count, height, width, shared)
        return np.concatenate([parameters[..., :own], full], axis=-1)

    def _draw(self, parameters: Array, noise: Array, known: Array | None) -> Array:
        """Return what ``__call__`` does, by NumPy alone."""
        count, height, width, _ = parameters.shape
        deviations = np.zeros((count, ABOVE + height + BELOW, BESIDE + width + BESIDE), np.float32)
        images = np.empty((count, height, width), np.float32)
        for number in range(height + width - 1):
            rows = np.arange(max(0, number - width + 1), min(number, height - 1) + 1)
            columns = number - rows
            before = [deviations[:, rows + ABOVE - up, columns + BESIDE - left] for up, left in NEIGHBOURS]
            pixels = parameters[:, rows, columns]
            base = pixels[..., 0] * LEVELS
            level = self._levels(pixels, base, before, noise[:, rows, columns])
            if known is not None:
                given = known[:, rows, columns]
                level = np.where(np.isnan(given), level, given)
            images[:, rows, columns] = level / LEVELS
            deviations[:, rows + ABOVE, columns + BESIDE] = level - base
        return images

    def _levels(self, pixels: Array, base: Array, before: list[Array], noise: Array) -> Array:
        """Return the levels of a diagonal, (B, n), of what ``_draw`` knows of its n pixels."""
        components = self.components
        moved = np.zeros_like(base)
        for number, deviation in enumerate(before[:LINEAR]):
            coefficient = pixels[..., 1 + 3 * components + number]
            moved = moved + _hyperbolic_tangent(coefficient) * deviation
        mixture = self._mixture(pixels, before)
        logits, means, scales = mixture[:components], mixture[components:-components], mixture[-components:]
        top = logits[0]
        for each in logits[1:]:
            top = np.where(top > each, top, each)
        edges: list[Array] = []
        for each in logits:
            weight = exponential(each - top)
            edges.append(edges[-1] + weight if edges else weight)
        choice = noise[..., 0] * edges[-1]
        centres = (np.arange(components, dtype=np.float32) + np.float32(0.5)) / np.float32(components)
        mean, scale = means[0] + (centres[0] - np.float32(0.5)), scales[0]
        for number, edge in enumerate(edges[:-1], start=1):
            mean = np.where(choice >= edge, means[number] + (centres[number] - np.float32(0.5)), mean)
            scale = np.where(choice >= edge, scales[number], scale)
        widest = scale + START
        widest = np.where(widest < LARGEST, widest, LARGEST)
        spread = MIN_SCALE + START_SCALE * logarithm(np.float32(1) + exponential(widest))
        uniform = noise[..., 1]
        x = base + LEVELS * mean
        x = (x + moved) + spread * logarithm(uniform / (np.float32(1) - uniform))
        level = np.where(x < LEVELS, x, LEVELS)
        level = _nearest(np.where(level > 0, level, np.float32(0)))
        return np.where(x - x == 0, level, x)

    def _mixture(self, pixels: Array, before: list[Array]) -> list[Array]:
        """Return the 3 K parameters of the mixtures without the linear part, each (B, n)."""
        outputs, given = 3 * self.components, self._given
        padded = self._into.shape[1]
        units = np.zeros((*pixels.shape[:2], padded), np.float32)
        units[..., : self.hidden] = pixels[..., 1 + outputs + LINEAR :]
        for deviation, weights in zip(before, self._into, strict=True):
            units = units + deviation[..., None] * weights
        units = np.where(units > 0, units, np.float32(0))
        found = [pixels[..., 1 + number] for number in range(given)]
        for number, weights in enumerate(self._out, start=given):
            products = (units * weights).reshape(*units.shape[:2], padded // ELEMENTS, ELEMENTS)
            elements = products[..., 0, :]
            for block in range(1, padded // ELEMENTS):
                elements = elements + products[..., block, :]
            found.append(pixels[..., 1 + number] + _sum_of_elements(elements))
        return found


def _sum_of_elements(v: Array) -> Array:
    halves = v[..., :4] + v[..., 4:]
    quarters = halves[..., :2] + halves[..., 2:]
    return np.asarray(quarters[..., 0] + quarters[..., 1])


def _nearest(x: Array) -> Array:
    """Return the nearest integer, of two the even one, of |x| < 2^22."""
    return (x + TWO_POWER) - TWO_POWER


def _hyperbolic_tangent(x: Array) -> Array:
    return np.float32(1) - np.float32(2) / (exponential(x + x) + np.float32(1))


def _polynomial(x: Array, *coefficients: float) -> Array:
    """Return the polynomial of x with these coefficients, that of the highest power first."""
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y = y * x + np.float32(coefficient)
    return y


def exponential(x: Array) -> Array:
    """Return exp(x) of x in [-87, 88], beyond them that of the end: Cephes' polynomial (Moshier 1992)."""
    x = np.where(x < 88, x, np.float32(88))
    x = np.where(x > -87, x, np.float32(-87))
    n = _nearest(x * np.float32(1.44269504))
    x = x - n * np.float32(0.693359375)
    x = x - n * np.float32(-2.12194440e-4)
    y = _polynomial(
        x,
        *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
        *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    )
    y = (y * (x * x) + x) + np.float32(1)
    return np.asarray(y * ((n.astype(np.int32) + 127) << 23).view(np.float32))


def logarithm(x: Array) -> Array:
    """Return log(x) of normal positive numbers: Cephes' polynomial."""
    bits = np.ascontiguousarray(x, np.float32).view(np.int32)
    m = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    low = m < np.float32(0.707106781)
    n = ((bits >> 23) - 126 - low).astype(np.float32)
    m = np.where(low, m + m, m) - np.float32(1)
    z = m * m
    y = _polynomial(
        m,
        *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )
    y = (y * m) * z
    y = y + n * np.float32(-2.12194440e-4)
    y = y - np.float32(0.5) * z
    return np.asarray((m + y) + n * np.float32(0.693359375))
