"""A second model, measured beside the one that is evaluated: a published version, or a run."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data, priors
from training.errors import RunError
from training.fitting.fit import load_run
from training.priors import Prior, StandardNormal, load_fitted

BATCH = 1_000

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Beside:
    """What can be asked of the other model.

    Args:
        name: with its version, if it has one.
        image_shape: of what it draws.
        encode: images (B, ...) -> z_mean (B, D).
        decode: z (B, D) -> mean images (B, ...).
        prior: what its codes are drawn from.
    """

    name: str
    image_shape: tuple[int, ...]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    prior: Prior

    def generator(self, seed: int) -> Callable[[int], Array]:
        """Return a function n -> n mean images of fresh codes, repeatable from the seed."""
        rng = np.random.default_rng(seed)
        return lambda count: self._decoded(self.prior.draw(count, rng))

    def reconstruct(self, images: Array) -> Array:
        """Return the mean images of the codes of images."""
        codes = [np.asarray(self.encode(tf.constant(batch))) for batch in data.batches(images, BATCH)]
        return self._decoded(np.concatenate(codes))

    def _decoded(self, z: Array) -> Array:
        parts = [np.asarray(self.decode(tf.constant(batch))) for batch in data.batches(z, BATCH)]
        return np.concatenate(parts)


def load(folder: Path, image_shape: tuple[int, ...]) -> Beside:
    """Read a version of a model store, or a run folder with the prior that was fitted in it.

    Args:
        folder: of the version or the run.
        image_shape: what it has to draw.

    Raises:
        RunError: it is neither, or draws images of another shape.
    """
    other = _version(folder) if (folder / "manifest.json").exists() else _run(folder)
    if other.image_shape != tuple(image_shape):
        raise RunError(
            f"{folder}: draws images of {other.image_shape}, which cannot stand beside {tuple(image_shape)}"
        )
    return other


def _version(folder: Path) -> Beside:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        prior: Prior = StandardNormal(manifest["latent_dim"])
        if "path" in manifest["prior"]:
            prior = load_fitted(folder / manifest["prior"]["path"])
        encoder, decoder = (tf.saved_model.load(str(folder / part)) for part in ("encoder", "decoder"))
        shape = tuple(manifest["image"]["shape"])
        name = f"{manifest['name']}@{folder.resolve().name}"
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise RunError(f"{folder}: not a version of a model store ({error})") from error
    # A signature works only as long as what it was loaded with lives: the functions hold on to that.

    def z_mean(images: Any) -> Any:
        return encoder.signatures["encode"](images=images)["z_mean"]

    def mean_image(z: Any) -> Any:
        return decoder.signatures["decode"](z=z)["image"]

    return Beside(name, shape, z_mean, mean_image, prior)


def _run(folder: Path) -> Beside:
    config, vae, recorded = load_run(folder)
    known = priors.read(config, vae, folder, recorded["weights_sha256"])
    if known is None:
        raise RunError(f"{folder}: its prior is not fitted yet; run vitrine-train evaluate on it")
    return Beside(
        config.name,
        tuple(recorded["image_shape"]),
        lambda images: vae.encoder(images, training=False)[0],
        lambda z: vae.likelihood.mean(vae.decoder(z, training=False)),
        known[0],
    )
