"""A published version anew, with the files that this state of the project writes.

Weights, axes, prior and measurements stay. What changes is how the encoder and the decoder are written: the
SavedModels' graphs and LiteRT's files, which decide how fast a service is. With the data at hand, what a
usual score is gets measured too, and the map of the test set drawn up.
"""

import dataclasses
import json
import logging
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from training import data, runs
from training.errors import DataError, RunError
from training.evaluation.schema import Report
from training.fitting import start
from training.models.latent_axes import Axes
from training.models.vae import VariationalAutoencoder
from training.publish import export, litert, maps, scores, selftest
from training.publish.card import CARD, render
from training.publish.versions import newest
from training.runs import replacing
from training.trained import Posterior, TrainedModel
from training.types import Array

logger = logging.getLogger(__name__)

WRITTEN_ANEW = ("encoder", "decoder", "manifest.json", "manifest.sig")
HEADING = "\n## Converted\n\n"  # of the card's last section
TOLD = re.compile(r"version (\d+), digest\s+`(\w+)`")  # there
COMPARED = 256  # codes, and the images that they stand for
LEVEL = 1.5 / 255  # by more than a level a draw differs only if its noise chose otherwise
TOLERANCE = 1e-3  # of a pixel in [0, 1], and of a code: what rounding in another order may change


def convert(version: Path, data_folder: Path | None = None, map_images: int | None = None) -> Path:
    """Publish a version again, as the next one of its name in the same store; return that one's folder.

    Its ``scores`` are measured with the validation images in `data_folder`, or where the data set is usually
    found, and its ``map`` is made of `map_images` test images (``maps.chosen``). Without them the next
    version has those of this one, if it has any. A DataError if `data_folder` does not hold the images
    that the version was trained on.

    A RunError, and nothing left behind, if it is not the newest, as its weights would take the newest one's
    place; if the networks cannot be built again from the version's configuration; if what is written does not
    compute what the version does; or if it cannot be written.
    """
    version = version.resolve()  # whose parent is the model's folder, whatever the path is
    published = TrainedModel.from_version(version)
    if version != newest(version.parent):
        raise RunError(f"{version}: not the newest version of its model")
    dataset = _dataset(published, data_folder)
    codes = published.known_prior.draw(COMPARED, np.random.default_rng(0)).astype(np.float32)
    images = np.clip(published.decode(codes), 0, 1).astype(np.float32)
    model = _rebuilt(published, version)
    axes = _axes_between(model.encode(images), published.encode(images), published.name)
    noise_shape = model.likelihood.noise_shape(model.image_shape)
    manifest: dict[str, Any] = json.loads((version / "manifest.json").read_text())
    source = {"version": int(version.name), "digest": manifest["digest"]}
    with export.publishing(version.parent) as staging:
        for path in sorted(version.iterdir()):
            if path.name not in WRITTEN_ANEW:
                (shutil.copytree if path.is_dir() else shutil.copy)(path, staging / path.name)
        export.write_encoder(model, staging / "encoder", axes)
        export.write_decoder(model, staging / "decoder", axes)
        litert.check_agreement(staging, model.latent_dim, noise_shape, images, codes)
        with replacing(staging / CARD) as card:
            card.write(_card(published, manifest, (version / CARD).read_text(), source).encode())
        manifest["training"]["converted_from"] = source
        manifest["selftest"] = selftest.write(staging, model.latent_dim, noise_shape)
        manifest["runtimes"] = {"litert": litert.FILES}
        manifest["likelihood"] = export.write_likelihood(model.likelihood, model.image_shape, staging)
        manifest.setdefault("samples_render", export.samples_render(model.likelihood))
        if dataset is not None:
            manifest["scores"] = scores.measure(published, dataset.validation)
            mapped = maps.chosen(dataset, map_images)
            manifest["map"] = maps.write(mapped, published.encode(mapped.images).z_mean, staging)
        export.seal(manifest, staging)
        _require_same(published, TrainedModel.from_version(staging), codes, images)
        return export.rename_to_next_version(staging, version.parent)


def _dataset(published: TrainedModel, data_folder: Path | None) -> data.Dataset | None:
    """Return the data set of a version; None if no folder is named and it is not found."""
    config = published.experiment
    try:
        fit = runs.image_fit(config)
        return data.load_again(config.data.name, data_folder, fit, published.environment)
    except DataError as error:
        if data_folder is not None:
            raise
        logger.warning("scores: not measured, as that takes the data; nor is a map made: %s", error)
        return None


def _card(published: TrainedModel, manifest: dict[str, Any], former: str, source: dict[str, Any]) -> str:
    """Return the card in today's words, with the numbers of the manifest; `former` is the version's own.

    A version whose numbers are not those that a card has now keeps the words that it has.
    """
    text, _, converted = former.partition(HEADING)
    chain = [*map(_version, TOLD.findall(converted)), source]
    try:
        report = Report.model_validate(
            {"weights_sha256": published.weights_sha256} | manifest["metrics"] | {"axes": manifest["axes"]}
        )
    except ValueError:
        return text + told(chain)
    recorded = published.environment | _as_typed(text)
    return render(dataclasses.replace(published, environment=recorded), report) + told(chain)


def _version(number_and_digest: tuple[str, str]) -> dict[str, Any]:
    number, digest = number_and_digest
    return {"version": int(number), "digest": digest}


def _as_typed(card: str) -> dict[str, str]:
    """Return the paths in the card's command for training, which nothing else of a version records."""
    command = re.search(r"^    vitrine-train (fit .*)$", card, re.MULTILINE)
    _, *words = shlex.split(command[1]) if command else [""]
    recorded = {"config_file": words[0]} if words else {}
    return recorded | ({"source": words[words.index("--data") + 1]} if "--data" in words else {})


def told(chain: Sequence[dict[str, Any]]) -> str:
    """Return what the card says of the versions that the weights were in before, the measured one first."""
    measured, *others = (f"version {each['version']}, digest `{each['digest']}`" for each in chain)
    between = "".join(f", as {each}" for each in others) + (", and again as this one" if others else "")
    return (
        f"{HEADING}All numbers above were measured with {measured}.\nThis version has the same weights: "
        f"`vitrine-train convert` wrote the networks' files anew{between}.\n"
    )


def _rebuilt(published: TrainedModel, version: Path) -> TrainedModel:
    """Return the model as it was trained, with networks made anew around the version's weights."""
    vae = VariationalAutoencoder(published.experiment, published.image_shape)
    start.read_version(vae, version, published.weights_sha256)
    return dataclasses.replace(published, encoder=vae.encoder, decoder=vae.decoder, likelihood=vae.likelihood)


def _axes_between(trained: Posterior, published: Posterior, name: str) -> Axes:
    """Return the axes that lead from trained posteriors to published ones, of the same images."""
    variances = _furthest(trained.z_log_var, published.z_log_var)
    apart = np.stack(
        [_furthest(sign * trained.z_mean, published.z_mean) + variances for sign in (1, -1)]
    )  # by sign, published axis and trained axis
    _, order = linear_sum_assignment(apart.min(axis=0))
    found = apart[:, np.arange(len(order)), order]
    if found.min(axis=0).max() > TOLERANCE:
        raise RunError(f"{name}: its axes cannot be told from its weights")
    return Axes(tuple(map(int, order)), tuple(int(sign) for sign in np.where(found[0] <= found[1], 1, -1)))


def _furthest(trained: Array, published: Array) -> Array:
    """Return how far every published axis, (N, D), ever is from every trained one: (D, D)."""
    return np.stack([np.abs(trained - column[:, None]).max(axis=0) for column in published.T])


def _require_same(before: TrainedModel, after: TrainedModel, codes: Array, images: Array) -> None:
    """Refuse what decodes, draws, encodes or scores otherwise than the version did."""
    posteriors = before.encode(images), after.encode(images)
    compared = {
        "decode": (before.decode(codes), after.decode(codes)),
        "z_mean": tuple(posterior.z_mean for posterior in posteriors),
        "z_log_var": tuple(posterior.z_log_var for posterior in posteriors),
        "log_prob": (before.log_prob(images, codes), after.log_prob(images, codes)),
    }
    for what, (one, other) in compared.items():
        if not np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
            furthest = float(np.abs(one - other).max())
            raise RunError(f"{before.name}: {what} differs by {furthest:.3g}; nothing was published")
    draws = [model.draw(codes, np.random.default_rng(1)) for model in (before, after)]
    changed = float(np.mean(np.abs(draws[0] - draws[1]) > LEVEL))
    if changed > litert.MAX_CHANGED_CHOICES:
        raise RunError(f"{before.name}: draw differs in {changed:.2%} of the pixels; nothing was published")
