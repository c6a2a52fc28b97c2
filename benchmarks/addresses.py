"""Addresses of pictures, drawn at random: what a mixed crowd of clients asks for."""

import json
import urllib.request
from collections.abc import Mapping, Sequence

import numpy as np

from app.latent import MAX_SEED
from app.settings import PROJECT
from benchmarks.processes import HOST, Server

MOST = 64  # images in a picture, unless more are wanted
LABELLED = 0.3  # share of requests for one class, where the model has classes


def served(server: Server) -> dict[str, tuple[str, ...]]:
    """Return NAME@VERSION -> its classes, of the models that a server has opened; the default one first.

    Raises:
        OSError: the server does not answer.
    """
    with urllib.request.urlopen(f"http://{HOST}:{server.port}/samples?n=1", timeout=60) as answer:
        default = answer.headers["X-Model"]
    names = [default]
    for path in sorted(PROJECT.glob("model_store/*/")):
        if path.name != default.partition("@")[0]:
            with urllib.request.urlopen(
                f"http://{HOST}:{server.port}/samples?n=1&model={path.name}", timeout=60
            ) as answer:
                names.append(answer.headers["X-Model"])
    return {name: classes(name) for name in names}


def classes(reference: str) -> tuple[str, ...]:
    """Return the classes that a version's prior can be asked for."""
    manifest = PROJECT / "model_store" / reference.replace("@", "/") / "manifest.json"
    return tuple(json.loads(manifest.read_text())["prior"].get("classes", ()))


def targets(
    count: int,
    models: Mapping[str, Sequence[str]],
    generator: np.random.Generator,
    others: float,
    most: int = MOST,
    falls: float = 1.0,
) -> list[str]:
    """Draw paths with queries, each with a seed of its own.

    Args:
        count: how many.
        models: NAME@VERSION -> its classes; the first is the default.
        generator: what draws.
        others: share of requests that go to models other than the default, in equal parts.
        most: images in a picture.
        falls: how soon large pictures become rare: n has a probability in proportion to 1 / n ** falls.

    Returns:
        Addresses of 1 to `most` images, mean and draw alike often.
    """
    names = list(models)
    shares = np.full(len(names), others / max(1, len(names) - 1))
    shares[0] = 1 - shares[1:].sum()
    counts = np.arange(1, most + 1)
    weights = counts**-falls
    drawn = []
    for n, which, drawing, chance, seed in zip(
        generator.choice(counts, count, p=weights / weights.sum()),
        generator.choice(len(names), count, p=shares),
        generator.integers(2, size=count),
        generator.random(count),
        generator.integers(MAX_SEED, size=count, endpoint=True),
        strict=True,
    ):
        target = f"/samples?model={names[which]}&n={n}&seed={seed}&render={('mean', 'draw')[drawing]}"
        known = models[names[which]]
        if known and chance < LABELLED:
            target += f"&label={int(chance / LABELLED * len(known))}"
        drawn.append(target)
    return drawn
