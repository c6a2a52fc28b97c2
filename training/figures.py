"""Pictures of a training run."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
