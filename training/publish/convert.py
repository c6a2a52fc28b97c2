"""A published version anew, with the files that this state of the project writes.

Weights, axes, prior and measurements stay. What changes is how the encoder and the decoder are written: the
SavedModels' graphs and LiteRT's files, which decide how fast a service is.
"""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from training.errors import RunError
from training.models.latent_axes import Axes
from training.models.vae import VariationalAutoencoder, weights_sha256
from training.publish import export, litert
from training.publish.card import CARD
from training.trained import TrainedModel
from training.types import Array

WRITTEN_ANEW = ("encoder", "decoder", "manifest.json")
COMPARED = 256  # codes, and the images that they stand for
TOLERANCE = 1e-3  # of a pixel in [0, 1], and of a code: what rounding in another order may change


def convert(version: Path) -> Path:
    """Publish a version again, as the next one of its name in the same store; return that one's folder.

    A RunError, and nothing left behind, if the networks cannot be built again from the version's
    configuration, if what is written does not compute what the version does, or if it cannot be written.
    """
    published = TrainedModel.from_version(version)
    codes = published.known_prior.draw(COMPARED, np.random.default_rng(0)).astype(np.float32)
    images = np.clip(published.decode(codes), 0, 1).astype(np.float32)
    model = _rebuilt(published, version)
    axes = _axes_between(model.encode(images).z_mean, published.encode(images).z_mean, published.name)
    noise_shape = model.likelihood.noise_shape(model.image_shape)
    manifest: dict[str, Any] = json.loads((version / "manifest.json").read_text())
    source = {"version": int(version.resolve().name), "digest": manifest["digest"]}
    with export.publishing(version.parent) as staging:
        for path in sorted(version.iterdir()):
            if path.name not in WRITTEN_ANEW:
                (shutil.copytree if path.is_dir() else shutil.copy)(path, staging / path.name)
        export.write_encoder(model, staging / "encoder", axes)
        export.write_decoder(model, staging / "decoder", axes)
        litert.check_agreement(staging, model.latent_dim, noise_shape, images, codes)
        with (staging / CARD).open("a") as card:
            card.write(_told(source))
        manifest["training"]["converted_from"] = source
        manifest["runtimes"] = {"litert": litert.FILES}
        export.seal(manifest, staging)
        _require_same(published, TrainedModel.from_version(staging), codes, images)
        return export.rename_to_next_version(staging, version.parent)


def _told(source: dict[str, Any]) -> str:
    """Return what the card says of where the weights come from."""
    return (
        f"\n## Converted\n\nThe weights are those of version {source['version']}, digest "
        f"`{source['digest']}`.\n`vitrine-train convert` wrote the networks' files anew. All numbers above "
        "were measured with that version.\n"
    )


def _rebuilt(published: TrainedModel, version: Path) -> TrainedModel:
    """Return the model as it was trained, with networks made anew around the version's weights."""
    vae = VariationalAutoencoder(published.experiment, published.image_shape)
    vae(np.zeros((1, *published.image_shape), np.float32))  # weights exist after the first call
    for part in ("encoder", "decoder"):
        kept = tf.saved_model.load(str(version / part)).variables_of_network
        network = getattr(vae, part).variables
        if [variable.shape for variable in kept] != [variable.shape for variable in network]:
            raise RunError(f"{version / part}: other weights than its configuration describes")
        for variable, value in zip(network, kept, strict=True):
            variable.assign(value)
    if weights_sha256(vae) != published.weights_sha256:
        raise RunError(f"{version}: its weights are not those that its manifest names")
    return dataclasses.replace(published, encoder=vae.encoder, decoder=vae.decoder, likelihood=vae.likelihood)


def _axes_between(trained: Array, published: Array, name: str) -> Axes:
    """Return the axes that lead from trained codes to published ones, both (N, D), of the same images."""
    order, signs = [], []
    for column in published.T:
        apart = [np.abs(sign * trained - column[:, None]).max(axis=0) for sign in (1, -1)]
        sign, axis = np.unravel_index(np.argmin(apart), (2, trained.shape[1]))
        if apart[sign][axis] > TOLERANCE:
            raise RunError(f"{name}: its axes cannot be told from its weights")
        order.append(int(axis))
        signs.append(-1 if sign else 1)
    if sorted(order) != list(range(len(order))):
        raise RunError(f"{name}: its axes cannot be told from its weights")
    return Axes(tuple(order), tuple(signs))


def _require_same(before: TrainedModel, after: TrainedModel, codes: Array, images: Array) -> None:
    """Refuse what decodes, encodes or scores otherwise than the version did."""
    compared = {
        "decode": (before.decode(codes), after.decode(codes)),
        "encode": (before.encode(images).z_mean, after.encode(images).z_mean),
        "log_prob": (before.log_prob(images, codes), after.log_prob(images, codes)),
    }
    for what, (one, other) in compared.items():
        if not np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
            furthest = float(np.abs(one - other).max())
            raise RunError(f"{before.name}: {what} differs by {furthest:.3g}; nothing was published")
