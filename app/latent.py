"""Latent codes: seeded draws and walks. NumPy, but for the noise of draws, where there is compiled code.

A seed, 0 to 2**63 - 1, stands for an endless sequence of codes. Code k is a pure function of (seed, k). So a
picture of five images is the beginning of a picture of twenty-one, and any stretch can be computed alone. The
numbers come from the counter-based generator Philox 4x64 (Salmon et al. 2011), whose raw output NumPy keeps
stable. The transform of Box & Muller (1958) turns them into normals here, because NumPy does not promise that
its own normals stay the same.
"""

import math
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.native import noise

MAX_SEED = 2**63 - 1

# Each kind of draw has a stream of its own, so that the noise in a picture is independent of its codes.
STREAM_LATENTS = 0
STREAM_NOISE = 1
STREAM_CHOICES = 2
STREAM_POSTERIOR = 3
STREAM_RESAMPLING = 4

WORDS_PER_BLOCK = 4  # one step of Philox' counter gives four 64-bit words
_WORD = 2**64 - 1

Latents = npt.NDArray[np.float32]


def standard_normal(seed: int, start: int, count: int, latent_dim: int) -> Latents:
    """Return codes `start` to `start + count - 1` of a seed, z ~ N(0, I), as (count, latent_dim) float32."""
    return _normal(seed, STREAM_LATENTS, start, count, latent_dim)


def posterior_noise(seed: int, start: int, count: int, latent_dim: int) -> Latents:
    """Return the epsilon of draws z_mean + sigma * epsilon of q(z given x), numbers `start` and following.

    They are standard normals, independent of the seed's codes: (count, latent_dim) float32.
    """
    return _normal(seed, STREAM_POSTERIOR, start, count, latent_dim)


def resampling(seed: int, start: int, count: int) -> npt.NDArray[np.float64]:
    """Return the numbers that choose among weighted draws for answers `start` to `start + count - 1`.

    They are uniform on the open interval (0, 1): (count,) float64.
    """
    return _uniform(seed, STREAM_RESAMPLING, start, count, 1)[:, 0]


def standard_normal_of(seeds: Sequence[int], latent_dim: int) -> Latents:
    """Return the first code of each of several seeds as ``standard_normal`` does, (N, latent_dim) float32."""
    return _box_muller(_uniform_of(seeds, STREAM_LATENTS, _even(latent_dim)))[:, :latent_dim]


def choices_of(seeds: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the first number of each of several seeds, as ``choices`` does: (N,) float64."""
    return _uniform_of(seeds, STREAM_CHOICES, 1)[:, 0]


def _normal(seed: int, stream: int, start: int, count: int, latent_dim: int) -> Latents:
    return _box_muller(_uniform(seed, stream, start, count, _even(latent_dim)))[:, :latent_dim]


def _even(number: int) -> int:
    return number + number % 2


def _box_muller(uniform: npt.NDArray[np.float64]) -> Latents:
    """Return as many normals as there are uniform numbers, (N, 2 * pairs) float32."""
    count, pairs = len(uniform), uniform.shape[1] // 2
    radius = np.log(uniform[:, :pairs])
    radius *= -2.0
    np.sqrt(radius, out=radius)
    angle = (2.0 * np.pi) * uniform[:, pairs:]
    normal = np.empty((count, 2 * pairs), np.float32)
    # Multiplied as float64 and rounded once, on the way into the array.
    np.multiply(radius, np.cos(angle), out=normal[:, :pairs], casting="same_kind")
    np.multiply(radius, np.sin(angle), out=normal[:, pairs:], casting="same_kind")
    return normal


def uniform_noise(seed: int, start: int, count: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return the noise that turns images `start` to `start + count - 1` into draws from p(x given z).

    It is uniform on the open interval (0, 1): (count, *shape) float32.
    """
    width = math.prod(shape)
    compiled = noise.uniform(seed, STREAM_NOISE, start * _blocks(width), count, width)
    if compiled is not None:
        return compiled.reshape(count, *shape)
    uniform = _uniform(seed, STREAM_NOISE, start, count, width).astype(np.float32)
    # Rounding to float32 can reach 1, where the inverse of a distribution function is infinite.
    np.clip(uniform, np.finfo(np.float32).tiny, np.float32(1 - 2**-24), out=uniform)
    return uniform.reshape(count, *shape)


def choices(seed: int, start: int, count: int) -> npt.NDArray[np.float64]:
    """Return the numbers that choose a component of a mixture for codes `start` to `start + count - 1`.

    They are uniform on the open interval (0, 1): (count,) float64.
    """
    return _uniform(seed, STREAM_CHOICES, start, count, 1)[:, 0]


def walk(base: Latents, axis: int, low: float, high: float, steps: int) -> Latents:
    """Return `steps` codes equal to `base` but for one axis, which runs from low to high in equal steps.

    `base` is (D,), the codes are (steps, D), both float32.
    """
    codes = np.tile(base.astype(np.float32), (steps, 1))
    codes[:, axis] = np.linspace(low, high, steps, dtype=np.float32)
    return codes


def _uniform(seed: int, stream: int, start: int, count: int, width: int) -> npt.NDArray[np.float64]:
    """Return rows `start` to `start + count - 1` of a table of uniform numbers in (0, 1), (count, width).

    Every row takes the same number of counter steps, so a row is reached without computing those before it.
    """
    blocks = _blocks(width)
    philox = _philox(seed, stream, start * blocks)
    words = philox.random_raw(count * blocks * WORDS_PER_BLOCK).reshape(count, blocks * WORDS_PER_BLOCK)
    return _as_uniform(words, width)


def _uniform_of(seeds: Sequence[int], stream: int, width: int) -> npt.NDArray[np.float64]:
    """Return the first row of the table of each of several seeds, see ``_uniform``: (N, width)."""
    words = np.empty((len(seeds), _blocks(width) * WORDS_PER_BLOCK), np.uint64)
    for row, seed in zip(words, seeds, strict=True):
        row[:] = _philox(seed, stream, 0).random_raw(len(row))
    return _as_uniform(words, width)


def _as_uniform(words: npt.NDArray[np.uint64], width: int) -> npt.NDArray[np.float64]:
    """Return the first `width` numbers of rows of random words, which are written over."""
    # The upper 53 bits, centred in their cells: never 0, whose logarithm is infinite, and never 1.
    words >>= np.uint64(11)
    uniform: npt.NDArray[np.float64] = words[:, :width].astype(np.float64)
    uniform += 0.5
    uniform *= 2.0**-53
    return uniform


def _blocks(width: int) -> int:
    """Return how many steps of the counter a row of so many numbers takes."""
    return -(-width // WORDS_PER_BLOCK)


_generators = threading.local()


def _philox(seed: int, stream: int, block: int) -> np.random.Philox:
    """Return a generator before the given block of its sequence.

    Every thread has one, which is put into the state. A new one would ask the system for entropy and not use
    it, which takes longer than the numbers do, and so does a state made anew.
    """
    philox: np.random.Philox | None = getattr(_generators, "philox", None)
    if philox is None:
        philox = _generators.philox = np.random.Philox(key=0)
        _generators.state = philox.state  # a copy, with nothing left in its buffer
    state = _generators.state
    within = state["state"]
    within["counter"][:2] = block & _WORD, block >> 64
    within["key"][:] = seed, stream
    philox.state = state
    return philox
