"""Pictures of a training run."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.data import Images

UNITS = {
    "textbook": {
        "loss": "loss: (SSE + KL) / pixels",
        "reconstruction": "squared error per pixel",
        "kl": "KL, nats per image",
    },
    "elbo": {
        "loss": "loss: -ELBO, nats per image",
        "reconstruction": "-log p(x|z), nats per image",
        "kl": "KL, nats per image",
    },
}
UNITS["iwae"] = UNITS["dreg"] = UNITS["elbo"] | {"loss": "loss: -L_k, nats per image"}


def training_curves(history: dict[str, list[float]], objective: str, title: str, path: Path) -> None:
    """Draw loss, reconstruction and KL by epoch, training beside validation, to a PNG.

    Args:
        history: epoch values by name: ``loss``, ``val_loss`` and so on.
        objective: as in a configuration; decides the units on the axes.
        title: name of the run.
        path: where the PNG goes.
    """
    matplotlib.use("Agg")  # a training machine may have no display
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axes, name in zip(figure.subplots(1, 3), ("loss", "reconstruction", "kl"), strict=True):
        axes.plot(epochs, history[name], "-", color="0.35", label="training")
        axes.plot(epochs, history[f"val_{name}"], "o-", color="tab:blue", markersize=3, label="validation")
        axes.set(title=UNITS[objective][name], xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.suptitle(f"{title}: {history['val_loss'][-1]:.4g} on validation after {epochs[-1]} epochs")
    figure.savefig(path, dpi=120)


def nearest_training_images(pairs: Mapping[str, tuple[Images, Images]], path: Path) -> None:
    """Draw samples over their nearest training images, one strip for each set of samples, to a PNG.

    Args:
        pairs: by name, samples (N, H, W) or (N, H, W, 3) and as many training images, in [0, 1].
        path: where the PNG goes.
    """
    matplotlib.use("Agg")
    strips = {
        name: np.hstack([np.vstack(pair) for pair in zip(*both, strict=True)]) for name, both in pairs.items()
    }
    inches = {name: 11 * strip.shape[0] / strip.shape[1] for name, strip in strips.items()}
    figure = Figure(figsize=(11, sum(inches.values()) + 0.4 * len(strips)), layout="constrained")
    panels = figure.subplots(len(strips), 1, squeeze=False)[:, 0]
    for axes, (name, strip) in zip(panels, strips.items(), strict=True):
        axes.imshow(strip, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{name}: samples, and below each its nearest training image", fontsize=9)
        axes.set_axis_off()
    figure.savefig(path, dpi=120)
