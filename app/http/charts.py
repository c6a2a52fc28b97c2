"""Charts of a model's card, as shapes for inline SVG: what its axes know, its bounds, its training.

A chart is 600 units wide. Colours and letters are the stylesheet's. templates/charts.html draws it, with a
table of the same numbers below it.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

WIDTH, HEIGHT = 600, 260
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 36, 58  # around the plot, for its labels, which narrow screens enlarge
END = WIDTH - RIGHT - 24  # where lines end, so that the last label is whole
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
        y_label: what runs upwards, with its unit.
        x_ticks: labelled places from left to right.
        y_ticks: labelled places from the top down.
        series: its lines.
        bars: its bars.
        rows: by what runs to the right, as text: the rows of its table.
        note: what else one must know to read it; may be empty.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    series: tuple[Series, ...] = ()
    bars: tuple[Bar, ...] = ()
    rows: tuple[str, ...] = ()
    note: str = ""


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
        "KL, nats an image",
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
    x = _Scale(math.log(draws[0]), math.log(draws[-1]), LEFT, END)
    values = tuple(
        f"{each['nats']:.2f} ± {each['standard_error']:.2f} ({each['num_images']} images)" for each in bounds
    )
    corners = " ".join(f"{x(math.log(k))},{y(value)}" for k, value in zip(draws, nats, strict=True))
    return Chart(
        "Bounds on log p(x)",
        f"A line from the ELBO, {nats[0]:.1f} nats an image, up to {nats[-1]:.1f} nats by {draws[-1]} draws",
        "k, draws of the posterior",
        "L_k, nats an image",
        tuple(Tick(x(math.log(k)), str(k)) for k in draws),
        y_ticks,
        (Series("L_k, nats an image", corners, values),),
        rows=tuple(map(str, draws)),
    )


def of_training(history: dict[str, list[float]], config: Any = None) -> Chart:
    """Return the chart of a training run's loss on training and validation images, by epoch.

    Args:
        history: losses by epoch, by name.
        config: of the run, as its manifest has it: what it says of the objective tells the two losses apart.
    """
    lines = {
        words: history[name]
        for name, words in (("loss", "training"), ("val_loss", "validation"))
        if history.get(name)
    }
    epochs = max(len(values) for values in lines.values())
    low, high = _middle([value for values in lines.values() for value in values])
    y, y_ticks = _vertical(low, high)
    x = _Scale(1, max(epochs, 2), LEFT, END)
    series = tuple(
        Series(
            words,
            " ".join(f"{x(k + 1)},{y(value)}" for k, value in enumerate(values)),
            tuple(f"{value:.6g}" for value in values),
        )
        for words, values in lines.items()
    )
    ends = ", ".join(f"{words} {values[-1]:.6g}" for words, values in lines.items())
    ticks = [round(each) for each in _ticks(1, max(epochs, 2)) if each == round(each) and each >= 1]
    terms = _terms(config)
    cut = any(value > high for values in lines.values() for value in values)
    note = (_added(terms), "Lines above the chart are cut off; the table has them." if cut else "")
    return Chart(
        "Training",
        f"The loss of {epochs} epochs; at the end {ends}",
        "epoch",
        "loss" if terms.get("name") == "textbook" else "loss, nats an image",
        tuple(Tick(x(each), str(each)) for each in ticks),
        y_ticks,
        series,
        rows=tuple(str(k + 1) for k in range(epochs)),
        note=" ".join(filter(None, note)),
    )


def _terms(config: Any) -> dict[str, Any]:
    """Return what a configuration says of the objective: a table of its own, or keys among all others."""
    if not isinstance(config, dict):
        return {}
    objective = config.get("objective")
    return objective if isinstance(objective, dict) else config | {"name": objective}


def _added(terms: dict[str, Any]) -> str:
    """Return in words what the loss of training has, and that of validation has not."""

    def number(name: str, otherwise: float = 0.0) -> float:
        value = terms.get(name)
        return value if isinstance(value, int | float) else otherwise

    mean, free, epochs = map(number, ("mean_weight", "free_bits", "kl_warmup_epochs"))
    beta = number("beta", 1.0)
    found = [
        f"adds {mean:g} nats for each unit of the mean's squared error" if mean else "",
        f"counts KL {beta:g} times" if beta != 1 else "",
        f"counts at least {free:g} nats of KL for each axis" if free else "",
        f"counts KL in part in the first {'epoch' if epochs == 1 else f'{epochs:g} epochs'}"
        if epochs
        else "",
    ]
    said = ", ".join(filter(None, found))
    return f"The loss of training {said}; that of validation does not." if said else ""


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
        charts.append(of_training(written["training"]["history"], written["training"].get("config")))
    return charts
