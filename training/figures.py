"""Pictures of a training run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.runs import replacing
from training.types import Array, Images

LOSSES = {  # by objective
    "textbook": "(SSE + KL) / pixels",
    "elbo": "-ELBO, nats per image",
    "iwae": "-L_k, nats per image",
    "dreg": "-L_k, nats per image",
}

COLOURS = ("0.35", "tab:blue", "tab:orange", "tab:green")


def training_curves(history: dict[str, list[float]], objective: str, title: str, path: Path) -> None:
    """Draw loss, reconstruction and KL by epoch, training beside validation, to a PNG.

    Args:
        history: epoch values by name: ``loss``, ``val_loss`` and so on.
        objective: as in a configuration; decides the units on the axes.
        title: name of the run.
        path: where the PNG goes.
    """
    error = "squared error per pixel" if objective == "textbook" else "-log p(x|z), nats per image"
    titles = {"loss": f"loss: {LOSSES[objective]}", "reconstruction": error, "kl": "KL, nats per image"}
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axes, (name, of_axes) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        axes.plot(epochs, history[name], "-", color="0.35", label="training")
        axes.plot(epochs, history[f"val_{name}"], "o-", color="tab:blue", markersize=3, label="validation")
        axes.set(title=of_axes, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _tidy(axes)
        axes.legend(frameon=False)
    figure.suptitle(f"{title}: {history['val_loss'][-1]:.4g} on validation after {epochs[-1]} epochs")
    _save(figure, path)


def axes_spectrum(kl_per_axis: Array, title: str, path: Path) -> None:
    """Draw the KL of each latent axis in nats, (D,), the largest first, to a PNG: how many the model uses."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    order = np.argsort(-kl_per_axis)
    places = np.arange(len(order))
    axes.bar(places, kl_per_axis[order], color="tab:blue")
    if len(order) <= 40:  # beyond that the numbers would overlap
        axes.set_xticks(places, [str(axis) for axis in order], fontsize=8)
    axes.set(title=f"{title}: KL by axis, nats per image", xlabel="latent axis")
    _tidy(axes, lines="y")
    _save(figure, path)


def bounds_curve(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Draw L_k against k on a logarithmic axis with standard errors, one line for each number of images.

    Args:
        rows: each with ``k``, ``nats``, ``standard_error`` and ``num_images``.
        title: name of the run.
        path: where the PNG goes.
    """
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for number in dict.fromkeys(row["num_images"] for row in rows):
        some = [row for row in rows if row["num_images"] == number]
        k, nats, error = ([row[key] for row in some] for key in ("k", "nats", "standard_error"))
        axes.errorbar(k, nats, error, marker="o", markersize=3, capsize=2, label=f"{number} test images")
    axes.set(xscale="log", title=f"{title}: L_k, nats per image", xlabel="k")
    _tidy(axes)
    axes.legend(frameon=False)
    _save(figure, path)


def final_phases(
    minutes: Sequence[float], nats: Mapping[int, Mapping[str, Array]], title: str, path: Path
) -> None:
    """Draw bounds against minutes of a final phase, a panel for each k, to a PNG.

    Args:
        minutes: when they were measured, (T,).
        nats: by k and by objective L_k of every seed, (S, T): a line for their mean, a band from the least
            to the most.
        title: name of the model.
        path: where the PNG goes.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, (k, by_objective) in zip(figure.subplots(1, len(nats)), nats.items(), strict=True):
        for (name, values), colour in zip(by_objective.items(), COLOURS, strict=False):
            axes.plot(minutes, values.mean(axis=0), "o-", markersize=3, color=colour, label=name)
            axes.fill_between(minutes, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15)
        axes.set(title=f"{title}: L_{k}, nats per image", xlabel="minutes of the final phase")
        _tidy(axes)
    axes.legend(frameon=False, title="objective")
    _save(figure, path)


def sample_sheet(samples: Array, images: Array, reconstructions: Array, path: Path) -> None:
    """Draw generated images, and beside them real ones next to their reconstructions, to a PNG.

    One pixel of an image is two of the sheet; [0, 1] is black to white, and values outside it are clipped.

    Args:
        samples: (N, H, W) or (N, H, W, C), filled in row by row.
        images: (M, H, W) or (M, H, W, C), one under the other.
        reconstructions: of `images`, to the right of each.
        path: where the PNG goes.
    """
    rows = len(images)
    columns = math.ceil(len(samples) / rows)
    height, width, *channels = samples.shape[1:]
    blank = np.ones((rows * columns - len(samples), *samples.shape[1:]), samples.dtype)
    cells = np.concatenate([samples, blank]).reshape(rows, columns, height, width, *channels)
    gap = np.ones((rows, 1, height, width, *channels), samples.dtype)
    cells = np.concatenate([cells, gap, images[:, None], reconstructions[:, None]], axis=1)
    sheet = np.swapaxes(cells, 1, 2).reshape(rows * height, (columns + 3) * width, -1)
    pixels = np.rint(np.clip(sheet, 0, 1) * 255).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    with replacing(path) as file:
        matplotlib.image.imsave(file, np.ascontiguousarray(pixels), format="png")


def nearest_training_images(
    pairs: Mapping[str, tuple[Images, Images]], path: Path, *, inverted: bool = True
) -> None:
    """Draw samples over their nearest training images, one strip for each set of samples, to a PNG.

    Args:
        pairs: by name, samples (N, H, W) or (N, H, W, 3) and as many training images, in [0, 1].
        path: where the PNG goes.
        inverted: greys are drawn dark on white, not as the data are.
    """
    strips = {
        name: np.hstack([np.vstack(pair) for pair in zip(*both, strict=True)]) for name, both in pairs.items()
    }
    inches = {name: 11 * strip.shape[0] / strip.shape[1] for name, strip in strips.items()}
    figure = Figure(figsize=(11, sum(inches.values()) + 0.4 * len(strips)), layout="constrained")
    panels = figure.subplots(len(strips), 1, squeeze=False)[:, 0]
    for axes, (name, strip) in zip(panels, strips.items(), strict=True):
        axes.imshow(strip, cmap="gray_r" if inverted else "gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{name}: samples, and below each its nearest training image", fontsize=9)
        axes.set_axis_off()
    _save(figure, path)


def _tidy(axes: Axes, lines: Literal["both", "y"] = "both") -> None:
    axes.grid(alpha=0.3, axis=lines)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as file:
        figure.savefig(file, dpi=120, format="png")
