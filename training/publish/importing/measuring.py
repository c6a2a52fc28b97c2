"""What an encoder and a decoder from elsewhere are, measured on some of their pictures.

Every way to give the encoder the pictures and to read what the decoder gives is tried; the one that
reconstructs them best is it. What the encoder's other outputs are is told by draws of the code, if it gives
such, by their names, or by the rule that the codes of a VAE together have variance one.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from training.data.dataset import batches
from training.errors import RunError
from training.publish.importing import keras_files, layouts
from training.publish.importing.layouts import Layout, Scale
from training.publish.importing.networks import Network
from training.types import Array, Images

Spread = Literal["z_log_var", "z_log_std", "z_std", "z_var", "none"]
INPUT_SCALES: tuple[Scale, ...] = ("[0, 1]", "[-1, 1]", "[0, 255]")
TRIED = 128  # pictures that every way is tried with
DRAWS = 16  # of the code of each
BETTER = 0.98  # of the error of what is usual: less is another way, more is chance
# What names say of an output; measured is what draws say.
NAMED: tuple[tuple[str, Spread], ...] = (
    (r"log_?var", "z_log_var"),
    (r"log_?(std|stddev|sigma|scale)", "z_log_std"),
    (r"std|sigma|scale", "z_std"),
    (r"var", "z_var"),
)
SPREADS: tuple[Spread, ...] = ("z_log_var", "z_log_std", "z_std", "z_var")


class Way(NamedTuple):
    """How pictures reach the networks, and come back.

    Args:
        taken: the scale that the encoder has pixels on.
        given: the scale that the decoder has them on.
        inverted: whether both know the pictures as negatives.
        swapped: whether both have red and blue exchanged.
    """

    taken: Scale
    given: Scale
    inverted: bool
    swapped: bool


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found of an encoder and a decoder.

    Args:
        way: how pictures reach them.
        into: where the encoder has pixels.
        out_of: where the decoder has them.
        code_shape: of one code, as the decoder takes it.
        mean: the encoder's output that is z_mean, and the columns of it; None: all.
        spread: the output that says how wide the posterior is, and what it says.
        told_by: what the meaning of `spread` was told by.
        error: mean squared error of a pixel in [0, 1], of the pictures decoded from their z_mean.
        error_of_mean_image: that of the mean of the pictures in the place of each.
    """

    way: Way
    into: Layout
    out_of: Layout
    code_shape: tuple[int, ...]
    mean: "Column"
    spread: tuple["Column", Spread] | None
    told_by: str
    error: float = math.nan
    error_of_mean_image: float = math.nan

    @property
    def latent_dim(self) -> int:
        """D."""
        return int(np.prod(self.code_shape))

    def reconstructed(self, encoder: Network, decoder: Network, pictures: Images) -> Array:
        """Return pictures decoded from their z_mean, on the ground that the networks know."""
        codes = self.mean.of(encoder(_taken(pictures, self.way, self.into)))
        pixels = next(iter(decoder(codes.reshape(-1, *self.code_shape)).values()))
        levels = layouts.from_scale(self.out_of.from_network(pixels), self.way.given)
        return np.asarray(layouts.exchanged(levels, self.way.swapped))


class Column(NamedTuple):
    """An output of the encoder, or one half of it.

    Args:
        output: its name.
        half: 0 or 1 of an output that is twice as wide as a code; None: all of it.
    """

    output: str
    half: int | None = None

    def of(self, outputs: dict[str, Array]) -> Array:
        """Return it, (B, D)."""
        rows = outputs[self.output]
        rows = rows.reshape(len(rows), -1)
        width = rows.shape[1] // 2
        return rows if self.half is None else rows[:, self.half * width : (self.half + 1) * width]

    def describe(self) -> str:
        """Return which it is, in words."""
        halves = {None: "", 0: ", first half", 1: ", second half"}
        return self.output + halves[self.half]


def measure(encoder: Network, decoder: Network, into: Layout, out_of: Layout, pictures: Images) -> Found:
    """Return what the networks are, by some pictures in [0, 1] of the shape of ``out_of``.

    Raises:
        RunError: the networks do not fit together, or what is needed of them depends on code that is not run.
    """
    images = pictures[:TRIED]
    code_shape = code_shape_of(encoder, decoder, into)
    latent_dim = int(np.prod(code_shape))
    best: tuple[float, Way, Column] | None = None
    for error, way, column in _tried(encoder, decoder, into, out_of, code_shape, images):
        if best is None or error < best[0] * (1.0 if best[1] == way else BETTER):
            best = error, way, column
    if best is None:
        raise _nothing_to_decode(encoder, latent_dim)
    _, way, mean = best
    taken = _taken(images, way, into)
    spread, told_by = _spread(encoder, taken, mean, latent_dim)
    found = Found(way, into, out_of, code_shape, mean, spread, told_by)
    shown = 1 - pictures if way.inverted else pictures
    squares = [
        (found.reconstructed(encoder, decoder, some) - some_shown) ** 2
        for some, some_shown in zip(batches(pictures, TRIED), batches(shown, TRIED), strict=True)
    ]
    of_mean_image = float(np.mean((shown - shown.mean(axis=0)) ** 2))
    return dataclasses.replace(
        found, error=float(np.mean(np.concatenate(squares))), error_of_mean_image=of_mean_image
    )


def code_shape_of(encoder: Network, decoder: Network, into: Layout) -> tuple[int, ...]:
    """Return the shape of one code, as the decoder takes it.

    Raises:
        RunError: neither network tells it.
    """
    if all(size is not None for size in decoder.input_shape):
        return tuple(int(size) for size in decoder.input_shape if size is not None)
    outputs = encoder(_blank(into))
    widths = {each.shape[1:] for each in outputs.values()}
    if len(widths) == 1:
        return tuple(widths.pop())
    raise RunError(
        f"{decoder.path}: does not say how many numbers a code has; build it with a shape for its input"
    )


def _blank(layout: Layout) -> Array:
    return np.asarray(layout.to_network(tf.zeros((2, *layout.shape))))


def _taken(images: Images, way: Way, into: Layout) -> Array:
    """Return pictures as the encoder takes them."""
    seen = tf.constant(1 - images if way.inverted else images)
    seen = layouts.exchanged(layouts.to_scale(seen, way.taken), way.swapped)
    return np.asarray(into.to_network(seen))


def _tried(
    encoder: Network,
    decoder: Network,
    into: Layout,
    out_of: Layout,
    code_shape: tuple[int, ...],
    images: Images,
) -> Iterator[tuple[float, Way, Column]]:
    """Yield the error of every way that is possible, the usual ones first."""
    latent_dim = int(np.prod(code_shape))
    colours = (False, True) if out_of.channels == 3 else (False,)
    for inverted, swapped, taken in itertools.product((False, True), colours, INPUT_SCALES):
        way = Way(taken, "[0, 1]", inverted, swapped)
        rows = _taken(images, way, into)
        outputs, again = encoder(rows), encoder(rows)
        shown = 1 - images if inverted else images
        for column in _columns(outputs, latent_dim):
            codes = column.of(outputs)
            if not np.isfinite(codes).all() or not np.array_equal(codes, column.of(again)):
                continue
            given = decoder(codes.reshape(-1, *code_shape))
            pixels = next(iter(given.values()))
            if not np.isfinite(pixels).all():
                if decoder.unknown:
                    raise keras_files.needs_code(decoder.path, decoder.unknown, "its output")
                continue
            for scale in _scales_of(pixels):
                decoded = layouts.exchanged(layouts.from_scale(out_of.from_network(pixels), scale), swapped)
                error = float(np.mean((np.asarray(decoded) - shown) ** 2))
                yield error, way._replace(given=scale), column


def _columns(outputs: dict[str, Array], latent_dim: int) -> list[Column]:
    """Return the outputs, or halves of them, that are as wide as a code."""
    widths = {name: int(np.prod(each.shape[1:])) for name, each in outputs.items()}
    whole = [Column(name) for name, width in widths.items() if width == latent_dim]
    halves = [
        Column(name, half) for name, width in widths.items() if width == 2 * latent_dim for half in (0, 1)
    ]
    return whole or halves


def _scales_of(pixels: Array) -> list[Scale]:
    """Return the scales that numbers may be on, the most usual first."""
    low, high = float(pixels.min()), float(pixels.max())
    found: list[Scale] = ["[0, 1]"]
    if low < -0.05 and low >= -1.1 and high <= 1.1:
        found.append("[-1, 1]")
    if low < -0.1 or high > 1.1:
        found.append("logits")
    if high > 8 and low > -20:
        found.append("[0, 255]")
    return found


def _nothing_to_decode(encoder: Network, latent_dim: int) -> RunError:
    """Return why no output of the encoder can be decoded."""
    if encoder.unknown:
        return keras_files.needs_code(encoder.path, encoder.unknown, "every output that is as wide as a code")
    names = ", ".join(encoder.outputs)
    return RunError(
        f"{encoder.path}: no output ({names}) is a code of {latent_dim} numbers that is the same each time; "
        "write the encoder with the outputs z_mean and z_log_var"
    )


def _spread(
    encoder: Network, taken: Array, mean: Column, latent_dim: int
) -> tuple[tuple[Column, Spread] | None, str]:
    """Return the output that says how wide the posterior is, what it says, and what that was told by."""
    runs = [encoder(taken) for _ in range(DRAWS)]
    z_mean = mean.of(runs[0])
    columns = [column for column in _columns(runs[0], latent_dim) if column != mean]
    finite = [column for column in columns if np.isfinite(column.of(runs[0])).all()]
    same = [each for each in finite if np.array_equal(each.of(runs[0]), each.of(runs[1]))]
    random = [each for each in finite if each not in same]
    if not same:
        return None, "the encoder gives no width"
    draws = np.stack([random[0].of(run) for run in runs]) if random else None
    if draws is not None:
        variance = ((draws - z_mean) ** 2).mean(axis=0)
        return min(
            _meanings(same, runs[0]), key=lambda each: _apart(each, runs[0], variance)
        ), "draws of the code"
    for column in same:
        for pattern, spread in NAMED:
            if re.search(pattern, column.output.lower()) and spread in _possible(column.of(runs[0])):
                return (column, spread), "its name"
    if mean.half is not None:  # two halves of one output
        return (same[0], "z_log_var"), "custom: the second half of an output is z_log_var"
    chosen = min(_meanings(same, runs[0]), key=lambda each: _from_one(each, runs[0], z_mean))
    return chosen, "the variance of all codes, which is nearest to one so"


def _possible(values: Array) -> list[Spread]:
    """Return what numbers may say of a width: one that is negative is a logarithm."""
    return ["z_log_var", "z_log_std"] if (values <= 0).any() else list(SPREADS)


def _meanings(columns: list[Column], outputs: dict[str, Array]) -> list[tuple[Column, Spread]]:
    return [(column, spread) for column in columns for spread in _possible(column.of(outputs))]


def log_variance(values: Array, spread: Spread) -> Array:
    """Return log-variances of what an output says."""
    if spread == "z_log_var":
        return values
    if spread == "z_log_std":
        return 2 * values
    logs = np.log(np.maximum(values, 1e-12))
    return np.asarray(2 * logs if spread == "z_std" else logs)


def _apart(meaning: tuple[Column, Spread], outputs: dict[str, Array], variance: Array) -> float:
    """Return how far the variance of draws is from what an output says of it, in logarithms."""
    column, spread = meaning
    said = log_variance(column.of(outputs), spread)
    return float(np.mean(np.abs(said - np.log(variance + 1e-12))))


def _from_one(meaning: tuple[Column, Spread], outputs: dict[str, Array], z_mean: Array) -> float:
    """Return how far the variance of all codes together is from one, in logarithms."""
    column, spread = meaning
    within = np.exp(np.clip(log_variance(column.of(outputs), spread), -30, 30)).mean(axis=0)
    return float(np.mean(np.abs(np.log(within + z_mean.var(axis=0)))))
