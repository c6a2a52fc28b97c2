"""Images as a pure function of a version's digest, a seed and what is asked of them; no service, no grid.

Image k of a seed is the one that ``/samples`` draws with the same parameters: whatever process draws it, and
with whichever others.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from app import latent, store
from app.errors import ModelNotFound
from app.explore.grids import check_range
from app.explore.labels import find_label
from app.explore.samples import MAX_OFFSET, Samples
from app.explore.seeds import check_seed
from app.mirror import stores
from app.models import Model, Models
from app.runtimes import Array, opener
from app.settings import load_settings

Render = Literal["mean", "draw"]


class Drawn(NamedTuple):
    """Images, and what is known of them.

    Args:
        pixels: (N, H, W) grey or (N, H, W, 3) colour levels in the data's own polarity, uint8.
        classes: (N,), the class of the component that each code was drawn from, int64; empty where the
            prior knows none.
    """

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]


def images(
    digest: str,
    seed: int,
    start: int,
    count: int,
    *,
    asked: "Asked | None" = None,
    model_store: Path | None = None,
) -> npt.NDArray[np.uint8]:
    """Return images `start` to `start + count - 1` of a seed, x ~ p(x given z), z ~ p(z).

    Args:
        digest: of the version, its first 12 hexadecimal digits or more.
        seed: 0 to 2^63 - 1.
        start: number of the first image, from 0.
        count: how many, at least 1.
        asked: what ``/samples`` calls temperature, render, label and prior; None: its defaults.
        model_store: folder with the version; that of the settings if not given.

    Returns:
        (count, H, W) grey or (count, H, W, 3) colour levels in the data's own polarity, uint8.

    Raises:
        ModelNotFound: no version in the store has this digest.
        ModelError: it cannot be opened.
        StoreError: there is no store.
        InvalidParameter: a value is out of range.
    """
    model = _opened(digest, model_store or stores.folder_of(load_settings()))
    return Maker(model, asked or Asked()).stretch(seed, start, count).pixels


@dataclasses.dataclass(frozen=True)
class Asked:
    """What may be asked of images beside their seed; each as ``/samples`` takes it.

    Args:
        temperature: 0 to 4, scale of each code about the mean of its component.
        render: ``mean`` shows E[x given z], ``draw`` a draw from p(x given z); None: as the manifest says.
        label: a class, by its name or number; None: all of the prior.
        prior: what codes are drawn from; None: the model's own.
    """

    temperature: float = 1.0
    render: Render | None = None
    label: str | None = None
    prior: Literal["standard_normal", "gaussian_mixture"] | None = None


class Maker:
    """Draws images of one model, as asked. Safe to use from several threads.

    Args:
        model: opened.
        asked: checked here, once for all images.

    Attributes:
        model: as given.
        render: what is shown of each code.
        classes: names of the classes by their numbers; none where the prior knows none.

    Raises:
        InvalidParameter: a value is out of range, or the model knows no such class.
    """

    def __init__(self, model: Model, asked: Asked) -> None:
        samples = Samples(1, asked.temperature, asked.render, asked.label, prior=asked.prior)
        samples.check_for(model)
        self.model, self._asked = model, asked
        self.render: Render = samples.render_of(model)
        self._prior = samples.prior_of(model)
        self._label = None if asked.label is None else find_label(model, asked.label)
        self.classes = model.manifest.prior.classes
        self._noise_shape = model.manifest.likelihood.noise_shape
        self._operation = model.drawing if self.render == "draw" else model.decoding

    def stretch(self, seed: int, start: int, count: int) -> Drawn:
        """Return images `start` to `start + count - 1` of one seed; see ``images``."""
        check_seed(seed)
        check_range("start", start, 0, MAX_OFFSET)
        check_range("count", count, 1, MAX_OFFSET)
        codes = self._prior.draw(seed, start, count, self._asked.temperature, self._label)
        noise = latent.uniform_noise(seed, start, count, self._noise_shape) if self.render == "draw" else None
        return Drawn(self._computed(codes, noise), self._prior.classes(seed, start, count, self._label))

    def first_of(self, seeds: Sequence[int]) -> Drawn:
        """Return the first image of each of several seeds, in their order."""
        prior, asked, label = self._prior, self._asked, self._label
        codes = prior.draw_firsts(seeds, asked.temperature, label)
        noise = None
        if self.render == "draw":
            noise = np.concatenate([latent.uniform_noise(seed, 0, 1, self._noise_shape) for seed in seeds])
        return Drawn(self._computed(codes, noise), prior.classes_of_firsts(seeds, label))

    def _computed(self, codes: Array, noise: Array | None) -> npt.NDArray[np.uint8]:
        pixels: npt.NDArray[np.uint8] = self._operation.whole(
            *((codes,) if noise is None else (codes, noise))
        )
        return pixels


SHORTEST_DIGEST = store.SHORT_DIGEST


@functools.lru_cache(maxsize=4)
def _opened(digest: str, model_store: Path) -> Model:
    """Return the opened model of a digest; kept, as opening takes some tenths of a second."""
    found = store.scan(model_store, trusted=load_settings().trusted)
    of_digest = [each for each in found.all if each.manifest.digest.startswith(digest)]
    if len(digest) < SHORTEST_DIGEST or not of_digest:
        raise ModelNotFound(digest, [each.pinned for each in found.all])
    return open_version(found, of_digest[0])


def open_version(found: store.Store, version: store.Version, threads: int = 1) -> Model:
    """Return a version of a store, opened and warm, as the settings say.

    Args:
        found: the store.
        version: one of it.
        threads: that one computation may use.

    Raises:
        ModelError: it cannot be opened.
    """
    return Models(found, opener(load_settings().runtime), threads).get(version)
