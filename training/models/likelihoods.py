"""Observation models p(x given z): a log-density or log-probability, a mean and a draw.

Each takes what the decoder's network gives and knows nothing of the network. S is the shape of one image, P
the number of parameters that a likelihood needs for every pixel: `decoded` is (B, *S, P) float32, raw network
output that any value may stand in. Pixels are float32 in [0, 1]; an 8-bit level v is the pixel v / 255.

A *density* is over [0, 1]-scaled pixels, a *probability* over the 256 levels of a pixel (or over {0, 1}). The
two are compared through ``log_level_width``, the log of the width of one level on the scale of the density.
"""

import math
from typing import Any, ClassVar

import tensorflow as tf

from training.models import objectives

Tensor = Any  # tf.Tensor; TensorFlow publishes no types

LEVELS = 255.0  # the highest 8-bit level
# The narrowest Gaussian whose density at its mean, times the width of a level, is no more than one. Narrower,
# a density over pixels that only take 256 values could be driven beyond every bound.
MIN_VARIANCE = 1 / (2 * math.pi * LEVELS**2)
MIN_SCALE = 0.1  # of a logistic, in levels: narrower than a level needs, wide enough for float32
START = math.log(math.e - 1)  # where softplus is one
START_SCALE = 20.0  # of a logistic, in levels, where the network's output is zero
START_VARIANCE = 0.05  # of a Gaussian, where the network's output is zero


class Likelihood:
    """What every observation model has."""

    name: ClassVar[str]
    description: ClassVar[str]  # half a sentence for people, after "p(x given z) is"
    log_level_width: ClassVar[float]

    num_parameters = 1  # P
    num_shared = 0  # how many of the P, the last ones, are one number for all pixels and images

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that define the family, beside what the decoder gives."""
        return {}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x given z) of every pixel in nats, (B, *S)."""
        raise NotImplementedError

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x given z) of whole images in nats, (B,): the sum of ``log_prob`` up to rounding.

        For evaluation, which asks for no gradient and no single pixel, and where it is most of the work.
        """
        return objectives.sum_over_image(self.log_prob(images, decoded))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return E[x given z], (B, *S)."""
        raise NotImplementedError

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return a draw from p(x given z), (B, *S), a deterministic function of `noise`.

        Args:
            decoded: (B, *S, P).
            noise: (B, *noise_shape(S)), uniform on the open interval (0, 1).
        """
        raise NotImplementedError

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the noise that one draw of one image consumes."""
        return image_shape


class Gaussian(Likelihood):
    """A Gaussian with one fixed variance, independent per pixel, around the decoder's output.

    log N(x; m, v) = -(x - m)^2 / (2 v) - log(2 pi v) / 2.

    Args:
        variance: per pixel, for pixels scaled to [0, 1]; at least MIN_VARIANCE.

    Raises:
        ValueError: the variance is smaller, or not a number.
    """

    name = "gaussian"
    description = "a Gaussian of fixed variance, independent per pixel"
    log_level_width = -math.log(LEVELS)

    def __init__(self, variance: float) -> None:
        if not variance >= MIN_VARIANCE:
            raise ValueError(
                f"variance: expected a number of at least {MIN_VARIANCE:.3g}. Received: {variance!r}"
            )
        self.variance = float(variance)

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"variance": self.variance}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        return _log_normal(images, _only(decoded), math.log(self.variance))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the decoder's output itself, which may leave [0, 1]."""
        return _only(decoded)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return m + sqrt(v) * Phi^-1(noise): inverse transform sampling."""
        return _only(decoded) + math.sqrt(self.variance) * normal_quantile(noise)


class GaussianPerPixel(Likelihood):
    """A Gaussian whose mean and variance the decoder gives for every pixel of every image.

    v = MIN_VARIANCE + START_VARIANCE * softplus(second parameter + log(e - 1)): smooth, never below the
    floor, and of a size that float32 holds whatever the network gives.
    """

    name = "gaussian-per-pixel"
    description = "a Gaussian whose variance the decoder gives for every pixel"
    log_level_width = -math.log(LEVELS)
    num_parameters = 2

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:  # noqa: D102
        return _log_normal(images, decoded[..., 0], tf.math.log(self._variance(decoded)))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the first parameter, which may leave [0, 1]."""
        return decoded[..., 0]

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return m + sqrt(v) * Phi^-1(noise)."""
        return decoded[..., 0] + tf.sqrt(self._variance(decoded)) * normal_quantile(noise)

    def _variance(self, decoded: Tensor) -> Tensor:
        return MIN_VARIANCE + START_VARIANCE * tf.math.softplus(decoded[..., 1] + START)


class GaussianShared(GaussianPerPixel):
    """A Gaussian whose mean the decoder gives, and whose one variance is learned with the weights.

    At the optimum the variance is the mean squared error, which balances reconstruction against KL without a
    weight to tune (Rybkin, Daniilidis & Levine 2021).
    """

    name = "gaussian-shared"
    description = "a Gaussian with one learned variance, independent per pixel"
    num_shared = 1


class Bernoulli(Likelihood):
    """A coin for every pixel, by its log-odds. A probability for black and white pixels, 0 or 1, alone."""

    name = "bernoulli"
    description = "a Bernoulli distribution, independent per pixel, for pixels that are 0 or 1"
    log_level_width = 0.0

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return x * logit - log(1 + exp(logit)), which is normalised over x in {0, 1} only."""
        logits = _only(decoded)
        return images * logits - tf.math.softplus(logits)

    def mean(self, decoded: Tensor) -> Tensor:  # noqa: D102
        return tf.sigmoid(_only(decoded))

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return 1 where the noise is below the probability, else 0."""
        return tf.cast(noise < self.mean(decoded), tf.float32)


class ContinuousBernoulli(Likelihood):
    """The Bernoulli's formula made a density over [0, 1] by its constant (Loaiza-Ganem & Cunningham 2019).

    With log-odds h: p(x) = h exp(h x) / (exp(h) - 1). At black or white that is about |h|, so h is bent to
    stay within +-LEVELS: further out a density over pixels of 256 values could be driven beyond every bound.
    """

    name = "continuous-bernoulli"
    description = "a continuous Bernoulli density, independent per pixel"
    log_level_width = -math.log(LEVELS)

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return h x - log((exp(h) - 1) / h)."""
        logits = self._log_odds(decoded)
        # log((e^h - 1) / h) = h / 2 + log(sinh(h / 2) / (h / 2)), whose second term is even.
        return images * logits - (logits / 2 + _log_sinhc(logits / 2))

    def mean(self, decoded: Tensor) -> Tensor:
        """Return 1/2 + (coth(h / 2) - 2 / h) / 2, the slope of the constant."""
        half = self._log_odds(decoded) / 2
        near = tf.abs(half) < 0.1
        far = tf.where(near, tf.ones_like(half), half)
        series = half / 3 - half**3 / 45
        return 0.5 + 0.5 * tf.where(near, series, 1 / tf.tanh(far) - 1 / far)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Return log(1 + u (exp(h) - 1)) / h, the inverse of the distribution function."""
        logits = self._log_odds(decoded)
        near = tf.abs(logits) < 1e-3
        far = tf.where(near, tf.ones_like(logits), logits)
        # For h > 0 the mirror image keeps every exponent below zero: x(u; h) = 1 - x(1 - u; -h).
        size = -tf.abs(far)
        mirrored = tf.where(far > 0, 1 - noise, noise)
        drawn = tf.math.log1p(mirrored * tf.math.expm1(size)) / size
        return tf.where(near, noise, tf.where(far > 0, 1 - drawn, drawn))

    def _log_odds(self, decoded: Tensor) -> Tensor:
        return LEVELS * tf.tanh(_only(decoded) / LEVELS)


class DiscretizedLogistic(Likelihood):
    """A mixture of K logistics per pixel, cut into the 256 levels.

    Salimans et al. 2017; with K = 1, Kingma et al. 2016.
    P(v) = sum_k w_k (F((v + 1/2 - m_k) / s_k) - F((v - 1/2 - m_k) / s_k)), F the logistic function, where the
    lowest level takes everything below it and the highest everything above, so that it sums to one.
    The parameters of a pixel are K logits of w, K means and K scales; all components start with a scale of
    START_SCALE levels and means spread evenly over the range.

    Args:
        components: K.

    Raises:
        ValueError: fewer than one component.
    """

    name = "discretized-logistic"
    description = "a mixture of discretized logistics, independent per pixel"
    log_level_width = 0.0

    def __init__(self, components: int) -> None:
        if components < 1:
            raise ValueError(f"components: expected at least 1. Received: {components!r}")
        self.components = components
        self.num_parameters = 3 * components

    @property
    def parameters(self) -> dict[str, float]:  # noqa: D102
        return {"components": self.components}

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return the log-probability of each pixel's level."""
        log_weights, means, scales = self._split(decoded)
        levels = tf.round(images * LEVELS)[..., None]
        return tf.reduce_logsumexp(log_weights + log_level_prob(levels, means, scales), axis=-1)

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return the log-probability of each image; see ``Likelihood``."""
        planes = _planes(decoded)
        logits, means, scales = self._split_planes(planes)
        return _mixture_log_prob(tf.round(images * LEVELS), logits, means, 1 / scales)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the mean of the mixture confined to the levels' range, exact to within half a level.

        The mean of a logistic variable clipped to [0, 255] is s (softplus(m / s) - softplus((m - 255) / s)).
        """
        log_weights, means, scales = self._split(decoded)
        clipped = scales * (_softplus(means / scales) - _softplus((means - LEVELS) / scales))
        return tf.reduce_sum(tf.exp(log_weights) * clipped, axis=-1) / LEVELS

    def noise_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return S + (2,): one number chooses the component, one the value."""
        return (*image_shape, 2)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Choose a component by the first number, draw from its logistic by the second, round to a level."""
        log_weights, means, scales = self._split(decoded)
        value = _logistic_draw(log_weights, means, scales, noise)
        return tf.clip_by_value(tf.round(value), 0.0, LEVELS) / LEVELS

    def _split(self, decoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log w, m and s, each (B, *S, K); m and s in levels."""
        logits, means, scales = tf.split(decoded, 3, axis=-1)
        centres = (tf.range(self.components, dtype=tf.float32) + 0.5) / self.components
        return (
            tf.nn.log_softmax(logits, axis=-1),
            LEVELS * (means + centres),
            MIN_SCALE + START_SCALE * tf.math.softplus(scales + START),
        )

    def _split_planes(self, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of w, m and s from (P, B, *S), each (K, B, *S); m and s in levels."""
        logits, means, scales = tf.split(planes[: 3 * self.components], 3, axis=0)
        centres = (tf.range(self.components, dtype=tf.float32) + 0.5) / self.components
        return (
            logits,
            LEVELS * (means + tf.reshape(centres, (-1, *[1] * (len(planes.shape) - 1)))),
            MIN_SCALE + START_SCALE * tf.math.softplus(scales + START),
        )


class AutoregressiveLogistic(DiscretizedLogistic):
    """A mixture of discretized logistics whose means lean on the pixels before: a model of texture.

    Pixels of one image are not independent given z: a code of some dozens of numbers cannot say where each
    thread of a fabric lies. Here every component's mean of pixel (i, j) is moved by

        sum_n a_n(i, j) (x(i - di_n, j - dj_n) - c(i - di_n, j - dj_n)),

    the deviations of the neighbours in ``NEIGHBOURS`` from their own centres c, weighted by coefficients a in
    (-1, 1) that the decoder gives for every pixel. The pixels are then a chain of conditionals in reading
    order, so p(x given z) is still one exact probability: the chain rule of PixelCNN (van den Oord et al.
    2016), but linear, as between the colours of PixelCNN++ (Salimans et al. 2017), and its log-probability
    costs little more than that of independent pixels. The parameters of a pixel are those of
    ``DiscretizedLogistic`` and one for each neighbour; beyond the border the deviation is zero. Colours do
    not lean on each other.

    Args:
        components: K.

    Raises:
        ValueError: fewer than one component.
    """

    name = "autoregressive-logistic"
    description = "a mixture of discretized logistics whose means lean on the neighbours' deviations"
    NEIGHBOURS: ClassVar = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))  # (rows up, columns left)

    def __init__(self, components: int) -> None:
        super().__init__(components)
        self.num_parameters = 3 * components + len(self.NEIGHBOURS)

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return the log-probability of each pixel's level given the pixels before it."""
        log_weights, means, scales = self._split(decoded)
        levels = tf.round(images * LEVELS)
        deviation = levels - LEVELS * self.mean(decoded)
        moved = tf.zeros_like(levels)
        for neighbour, weight in zip(self.NEIGHBOURS, self._coefficients(decoded), strict=True):
            moved += weight * _shifted(deviation, *neighbour)
        log_prob = log_level_prob(levels[..., None], means + moved[..., None], scales)
        return tf.reduce_logsumexp(log_weights + log_prob, axis=-1)

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:
        """Return the log-probability of each image; see ``Likelihood``."""
        planes = _planes(decoded)
        logits, means, scales = self._split_planes(planes)
        levels, sharpness = tf.round(images * LEVELS), 1 / scales
        weights = tf.nn.softmax(logits, axis=0)
        clipped = scales * _softplus_difference(means * sharpness, (means - LEVELS) * sharpness)
        deviation = levels - tf.reduce_sum(weights * clipped, axis=0)
        coefficients = tf.unstack(tf.tanh(planes[3 * self.components :]), axis=0)
        moved = tf.zeros_like(levels)
        for neighbour, weight in zip(self.NEIGHBOURS, coefficients, strict=True):
            moved += weight * _shifted(deviation, *neighbour)
        return _mixture_log_prob(levels, logits, means + moved, sharpness)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the centres c: each pixel's mean if all its neighbours are at theirs.

        E[x given z] itself has no closed form; where no level is cut off at black or white, it is this.
        """
        return super().mean(decoded)

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        """Draw pixel after pixel, a whole diagonal at a time: its neighbours lie on earlier ones."""
        log_weights, means, scales = self._split(decoded)
        free = _logistic_draw(
            log_weights, means, scales, noise
        )  # what would be drawn if no neighbour deviated
        centres = LEVELS * self.mean(decoded)
        diagonals = [
            tf.unstack(_skewed(part), axis=2) for part in (free, centres, *self._coefficients(decoded))
        ]
        deviations: list[Tensor] = []
        drawn = []
        for number, (value, centre, *weights) in enumerate(zip(*diagonals, strict=True)):
            for (up, left), weight in zip(self.NEIGHBOURS, weights, strict=True):
                before = number - up - left
                if before >= 0:
                    value += weight * _down(deviations[before], up)
            level = tf.clip_by_value(tf.round(value), 0.0, LEVELS)
            drawn.append(level)
            deviations.append(level - centre)
        return _unskewed(tf.stack(drawn, axis=2), means.shape[2]) / LEVELS

    def _split(self, decoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super()._split(decoded[..., : 3 * self.components])

    def _coefficients(self, decoded: Tensor) -> list[Tensor]:
        """Return the weight of each neighbour, every one (B, *S)."""
        weights: list[Tensor] = tf.unstack(tf.tanh(decoded[..., 3 * self.components :]), axis=-1)
        return weights


def log_level_prob(levels: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    """Return the log-probability of 8-bit levels under logistics cut at half levels, open at both ends.

    With a and b the cut points below and above a level, F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)), and a - b
    is -1 / s whatever the level: no difference of close numbers is ever taken, so the formula needs no
    special case in the tails.

    Args:
        levels: whole numbers 0 to 255.
        means: m, in levels.
        scales: s > 0, in levels.
    """
    log_above = tf.math.log_sigmoid((levels + 0.5 - means) / scales)
    log_below = tf.math.log_sigmoid((means - levels + 0.5) / scales)
    inner = log_above + log_below + tf.math.log(-tf.math.expm1(-1.0 / scales))
    return tf.where(levels <= 0, log_above, tf.where(levels >= LEVELS, log_below, inner))


def _planes(decoded: Tensor) -> Tensor:
    """Return (P, B, *S) of (B, *S, P): arithmetic between whole planes is vectorised, between columns not."""
    last = len(decoded.shape) - 1
    return tf.transpose(decoded, (last, *range(last)))


def _mixture_log_prob(levels: Tensor, logits: Tensor, means: Tensor, sharpness: Tensor) -> Tensor:
    """Return the log-probability of whole images under mixtures of cut logistics, (B,).

    The formula of ``log_level_prob``, with F(x) = exp(min(x, 0)) / (1 + exp(-|x|)): the exponents are added
    as logarithms, and what is left of every F lies between 1/2 and 1, so one logarithm a pixel is enough.

    Args:
        levels: whole numbers 0 to 255, (B, *S).
        logits: of the components' weights, (K, B, *S).
        means: in levels, as `logits`.
        sharpness: 1 / s, as `logits`.
    """
    offset = (levels - means) * sharpness
    above, below = 0.5 * sharpness + offset, 0.5 * sharpness - offset
    lowest, highest = levels <= 0, levels >= LEVELS
    exponent = logits
    exponent += tf.where(highest, 0.0, tf.minimum(above, 0.0)) + tf.where(lowest, 0.0, tf.minimum(below, 0.0))
    factor_above, factor_below = 1 + tf.exp(-tf.abs(above)), 1 + tf.exp(-tf.abs(below))
    inner = -tf.math.expm1(-sharpness) / (factor_above * factor_below)
    rest = tf.where(lowest, 1 / factor_above, tf.where(highest, 1 / factor_below, inner))
    largest = tf.reduce_max(exponent, axis=0)
    mixed = tf.reduce_sum(tf.exp(exponent - largest) * rest, axis=0)
    return objectives.sum_over_image(largest + tf.math.log(mixed) - tf.reduce_logsumexp(logits, axis=0))


def normal_quantile(probability: Tensor) -> Tensor:
    """Return Phi^-1(p) for p in (0, 1), to about 7 digits: all that float32 holds.

    Wichura 1988, algorithm AS 241, PPND7. TensorFlow's own ``ndtri`` has no counterpart in the flatbuffers
    that versions carry for LiteRT; logarithms, roots and polynomials have.
    """
    offset = probability - 0.5
    r = 0.180625 - offset * offset
    central = (
        offset
        * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
        / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0)
    )
    depth = tf.sqrt(-tf.math.log(tf.minimum(probability, 1.0 - probability)))
    r = depth - 1.6
    tail = (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777) / (
        (0.12021132975 * r + 0.73700164250) * r + 1.0
    )
    r = depth - 5.0
    far_tail = (((0.017337203997 * r + 0.42868294337) * r + 3.0812263860) * r + 6.6579051150) / (
        (0.012258202635 * r + 0.24197894225) * r + 1.0
    )
    outside = tf.sign(offset) * tf.where(depth <= 5.0, tail, far_tail)
    return tf.where(tf.abs(offset) <= 0.425, central, outside)


def from_config(name: str, variance: float | None = None, components: int = 1) -> Likelihood:
    """Return the likelihood called `name`.

    Args:
        name: one of ``NAMES``.
        variance: of ``gaussian``.
        components: of ``discretized-logistic`` and ``autoregressive-logistic``.

    Raises:
        ValueError: there is no such likelihood, or it lacks what it needs.
    """
    if name == Gaussian.name:
        if variance is None:
            raise ValueError("variance: expected a number for gaussian. Received: None")
        return Gaussian(variance)
    if name == DiscretizedLogistic.name:
        return DiscretizedLogistic(components)
    if name == AutoregressiveLogistic.name:
        return AutoregressiveLogistic(components)
    for kind in (GaussianShared, GaussianPerPixel, Bernoulli, ContinuousBernoulli):
        if name == kind.name:
            return kind()
    raise ValueError(f"likelihood: expected one of {', '.join(NAMES)}. Received: {name!r}")


NAMES = (
    Gaussian.name,
    GaussianShared.name,
    GaussianPerPixel.name,
    Bernoulli.name,
    ContinuousBernoulli.name,
    DiscretizedLogistic.name,
    AutoregressiveLogistic.name,
)


def _only(decoded: Tensor) -> Tensor:
    """Return the one parameter of every pixel, (B, *S); LiteRT would slice it out element by element."""
    return tf.squeeze(decoded, axis=-1)


def _logistic_draw(log_weights: Tensor, means: Tensor, scales: Tensor, noise: Tensor) -> Tensor:
    """Return a draw from each pixel's mixture, in levels, neither rounded nor confined."""
    below = tf.cumsum(tf.exp(log_weights), axis=-1, exclusive=True)
    chosen = tf.reduce_sum(tf.cast(noise[..., :1] >= below, tf.int32), axis=-1) - 1
    mean, scale = (tf.gather(part, chosen, batch_dims=len(chosen.shape)) for part in (means, scales))
    uniform = noise[..., 1]
    return mean + scale * (tf.math.log(uniform) - tf.math.log1p(-uniform))


def _shifted(images: Tensor, down: int, right: int) -> Tensor:
    """Return images (B, H, W, ...) moved down and to the right, zeros moving in."""
    height, width = images.shape[1:3]
    rest = [(0, 0)] * (len(images.shape) - 3)
    return tf.pad(images, [(0, 0), (down, 0), (right, 0), *rest])[:, :height, :width]


def _skewed(images: Tensor) -> Tensor:
    """Return (B, H, H + W - 1, ...), row i moved i to the right: column t holds the diagonal i + j = t."""
    height, width, *rest = images.shape[1:]
    padded = tf.pad(images, [(0, 0), (0, 0), (0, height), *[(0, 0)] * len(rest)])
    flat = tf.reshape(padded, (-1, height * (width + height), *rest))
    return tf.reshape(flat[:, : height * (width + height - 1)], (-1, height, width + height - 1, *rest))


def _unskewed(skewed: Tensor, width: int) -> Tensor:
    """Return (B, H, W, ...), the inverse of ``_skewed``."""
    height, columns, *rest = skewed.shape[1:]
    flat = tf.reshape(skewed, (-1, height * columns, *rest))
    padded = tf.pad(flat, [(0, 0), (0, height), *[(0, 0)] * len(rest)])
    return tf.reshape(padded, (-1, height, columns + 1, *rest))[:, :, :width]


def _down(column: Tensor, rows: int) -> Tensor:
    """Return a skewed column (B, H, ...) moved down."""
    rest = [(0, 0)] * (len(column.shape) - 2)
    return tf.pad(column, [(0, 0), (rows, 0), *rest])[:, : column.shape[1]] if rows else column


def _log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    quadratic = tf.math.squared_difference(x, mean) * tf.exp(-log_variance)
    return -0.5 * (quadratic + log_variance + math.log(2 * math.pi))


def _softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)) for x of any size; LiteRT computes ``tf.math.softplus`` literally."""
    return tf.maximum(x, 0.0) + tf.math.log1p(tf.exp(-tf.abs(x)))


def _softplus_difference(a: Tensor, b: Tensor) -> Tensor:
    """Return log(1 + exp(a)) - log(1 + exp(b)), by one logarithm."""
    ratio = (1 + tf.exp(-tf.abs(a))) / (1 + tf.exp(-tf.abs(b)))
    return tf.maximum(a, 0.0) - tf.maximum(b, 0.0) + tf.math.log(ratio)


def _log_sinhc(u: Tensor) -> Tensor:
    """Return log(sinh(u) / u), even in u, by its series near zero and without overflow far from it."""
    size = tf.abs(u)
    near = size < 0.3
    far = tf.where(near, tf.ones_like(size), size)  # both branches are differentiated: neither may overflow
    small = tf.where(near, size, tf.zeros_like(size))
    series = small**2 / 6 - small**4 / 180 + small**6 / 2835
    return tf.where(near, series, far + tf.math.log1p(-tf.exp(-2 * far)) - tf.math.log(2 * far))
