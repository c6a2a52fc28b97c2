"""Charts of a model's card, as shapes for inline SVG: what its axes know, its bounds, its training.

A chart is 600 units wide. Colours and letters are the stylesheet's. templates/charts.html draws it, with a
table of the same numbers below it.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

WIDTH, HEIGHT = 600, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 34  # around the plot, for its labels
MAX_TICKS = 5


class Tick(NamedTuple):
    """A labelled place on an axis of a chart."""

    at: float
    label: str


class Series(NamedTuple):
    """One line of a chart: its name, its corners as SVG writes them, and the numbers in words."""

    name: str
    points: str
    values: tuple[str, ...]


class Bar(NamedTuple):
    """One bar of a chart, from the bottom up."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(NamedTuple):
    """What there is to draw.

    Args:
        title: its heading.
        description: what it shows, for those who do not see it.
        x_label: what runs to the right.
        x_ticks: labelled places from left to right.
        y_ticks: labelled places from the top down.
        series: its lines.
        bars: its bars.
        rows: by what runs to the right, as text: the rows of its table.
    """

    title: str
    description: str
    x_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    series: tuple[Series, ...] = ()
    bars: tuple[Bar, ...] = ()
    rows: tuple[str, ...] = ()


class _Scale(NamedTuple):
    """A straight map from numbers to places in the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + share * (self.end - self.start), 2)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within a range, at most MAX_TICKS of them."""
    step: float = 10 ** math.floor(math.log10((high - low) or 1.0))
    steps = (step * factor for factor in (0.1, 0.2, 0.5, 1, 2, 5, 10))
    chosen = next(each for each in steps if (high - low) / each <= MAX_TICKS - 1)
    first = math.ceil(low / chosen - 1e-9)
    return [k * chosen for k in range(first, math.floor(high / chosen + 1e-9) + 1)]


def _vertical(low: float, high: float) -> tuple[_Scale, tuple[Tick, ...]]:
    scale = _Scale(low, high, HEIGHT - BOTTOM, TOP)
    return scale, tuple(Tick(scale(each), f"{each:.6g}") for each in _ticks(low, high))


def of_axes(kl: Sequence[float]) -> Chart:
    """Return the chart of what each latent axis knows of an image, in nats; the axes as they are numbered."""
    y, y_ticks = _vertical(0.0, max(*kl, 0.1))
    x = _Scale(0, len(kl), LEFT, WIDTH - RIGHT)
    width = (WIDTH - LEFT - RIGHT) / len(kl)
    bars = tuple(
        Bar(x(k), y(max(each, 0)), round(width * 0.8, 2), round(y(0) - y(max(each, 0)), 2),
            f"axis {k}: {each:.2f} nats")
        for k, each in enumerate(kl)
    )  # fmt: skip
    every = max(1, math.ceil(len(kl) / 12))
    return Chart(
        "What each latent axis knows",
        f"Bars: KL of each of {len(kl)} latent axes, from {max(kl):.2f} to {min(kl):.2f} nats an image",
        "latent axis",
        tuple(Tick(x(k + 0.4), str(k)) for k in range(0, len(kl), every)),
        y_ticks,
        bars=bars,
        rows=tuple(str(k) for k in range(len(kl))),
        series=(Series("KL, nats", "", tuple(f"{each:.3f}" for each in kl)),),
    )


def of_bounds(bounds: Sequence[dict[str, Any]]) -> Chart:
    """Return the chart of L_k by k, on a logarithmic scale; `bounds` as a manifest has them, two or more.

    Bounds of fewer images than the first one's are left out: another set of images has another bound.
    """
    bounds = [each for each in bounds if each["num_images"] == bounds[0]["num_images"]]
    draws, nats = [each["k"] for each in bounds], [each["nats"] for each in bounds]
    y, y_ticks = _vertical(min(nats), max(nats))
    x = _Scale(math.log(draws[0]), math.log(draws[-1]), LEFT, WIDTH - RIGHT - 10)
    values = tuple(
        f"{each['nats']:.2f} ± {each['standard_error']:.2f} ({each['num_images']} images)" for each in bounds
    )
    corners = " ".join(f"{x(math.log(k))},{y(value)}" for k, value in zip(draws, nats, strict=True))
    return Chart(
        "Bounds on log p(x)",
        f"A line from the ELBO, {nats[0]:.1f} nats an image, up to {nats[-1]:.1f} nats by {draws[-1]} draws",
        "k, draws of the posterior",
        tuple(Tick(x(math.log(k)), str(k)) for k in draws),
        y_ticks,
        (Series("L_k, nats an image", corners, values),),
        rows=tuple(map(str, draws)),
    )


def of_training(history: dict[str, list[float]]) -> Chart:
    """Return the chart of a training run's loss on training and validation images, by epoch."""
    lines = {
        words: history[name]
        for name, words in (("loss", "training"), ("val_loss", "validation"))
        if history.get(name)
    }
    epochs = max(len(values) for values in lines.values())
    y, y_ticks = _vertical(*_middle([value for values in lines.values() for value in values]))
    x = _Scale(1, max(epochs, 2), LEFT, WIDTH - RIGHT - 10)
    series = tuple(
        Series(
            words,
            " ".join(f"{x(k + 1)},{max(TOP, y(value))}" for k, value in enumerate(values)),
            tuple(f"{value:.6g}" for value in values),
        )
        for words, values in lines.items()
    )
    ends = ", ".join(f"{words} {values[-1]:.6g}" for words, values in lines.items())
    ticks = [round(each) for each in _ticks(1, max(epochs, 2)) if each == round(each) and each >= 1]
    return Chart(
        "Training",
        f"The loss of {epochs} epochs; at the end {ends}",
        "epoch",
        tuple(Tick(x(each), str(each)) for each in ticks),
        y_ticks,
        series,
        rows=tuple(str(k + 1) for k in range(epochs)),
    )


def _middle(values: list[float]) -> tuple[float, float]:
    """Return the range that is worth drawing: a first epoch far above the others would flatten them."""
    ordered = sorted(values)
    return ordered[0], ordered[max(0, math.ceil(0.97 * len(ordered)) - 1)]


def of_manifest(written: dict[str, Any]) -> list[Chart]:
    """Return the charts of a version: those for which its manifest, as it was written, has usable numbers."""
    charts = [of_axes([axis["kl"] for axis in written["axes"]])]
    # What a manifest says beyond what serving needs may have any form.
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):
        bounds = written["metrics"]["bounds"]["log_p_x"]
        if len(bounds) > 1:
            charts.append(of_bounds(bounds))
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):
        charts.append(of_training(written["training"]["history"]))
    return charts
