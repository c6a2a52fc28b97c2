"""The only writer of model_store, whose format ``model_store/README.md`` defines.

A version appears whole or not at all: it is written to a hidden sibling folder, flushed to disk, and renamed.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.data import Images
from training.data.ground import is_drawn_inverted
from training.errors import NotWritten, RunError
from training.evaluation import final_phases
from training.evaluation.schema import AxesMatch, Report
from training.models import latent_axes
from training.models.latent_axes import Axes
from training.models.likelihoods.base import Likelihood, sum_over_image
from training.models.networks.partial import MeanDecoder
from training.publish import litert, maps, scores, selftest, traversals
from training.publish.card import CARD, published_axes, render
from training.publish.published import next_number, remember
from training.publish.versions import newest
from training.runs import replacing, write_json, writing, written_by_tensorflow
from training.trained import TrainedModel, call_signature

if sys.platform != "win32":
    import fcntl

FORMAT_VERSION = 1
LIKELIHOOD = "likelihood.npz"
STAGING = ".publishing-"  # begins the name of a folder in which a version is being written
NUM_EXAMPLES = 5
MATCHED_IMAGES = 1_000
PUBLISHED_METRICS = (
    *("test", "bounds", "gap", "prior", "quality", "fair_score", "final_phases", "axes_match"),
)


def export(
    model: TrainedModel, report: Report, held_out: Images, store: Path, mapped: maps.Mapped | None = None
) -> Path:
    """Publish a trained model as the next version of its name; return that version's folder.

    Args:
        model: opened from a run, with its prior.
        report: what ``evaluate`` measured.
        held_out: validation images: the first are shipped as examples, the first thousand match the axes,
            the first two thousand say what a usual score is.
        store: the model store; created if it is missing.
        mapped: what the version carries a map of, which a service draws; None: it has none.

    A RunError, and nothing left behind, if the store cannot be written, the bounds were measured with another
    prior, a class of the prior cannot be drawn, or the two runtimes draw different pictures.
    """
    prior = model.known_prior
    if report.bounds.prior != prior.name:
        measured = f"measured with the prior {report.bounds.prior}, not {prior.name}"
        raise RunError(f"{model.name}: its bounds were {measured}; run vitrine-train evaluate again")
    axes = published_axes(model, report)
    published = prior.reordered(axes.order, axes.signs)
    try:  # every class that a service may be asked for is drawn once
        codes = published.draw_classes(np.random.default_rng(0))
    except ValueError as error:
        remedy = "remove prior.json of the run and run vitrine-train evaluate again"
        raise RunError(f"{model.name}: {error}; {remedy}") from error
    report = report.over(axes.describe(report.axes))
    noise_shape = model.likelihood.noise_shape(model.image_shape)
    model_folder = store / model.name
    previous = newest(model_folder)
    with publishing(model_folder) as staging:
        write_encoder(model, staging / "encoder", axes)
        write_decoder(model, staging / "decoder", axes)
        litert.check_agreement(staging, model.latent_dim, noise_shape, held_out[:MATCHED_IMAGES], codes)
        write_examples(held_out[:NUM_EXAMPLES], staging / "examples")
        inverted = is_drawn_inverted(model.ground, model.image_shape)
        traversals.write(
            lambda z: model.decode(np.asarray(axes.trained(z))), report.axes, staging, inverted=inverted
        )
        final_phases.draw(report.final_phases, model.name, staging)
        published.save(staging)
        if previous is not None:
            matched = match_axes(previous, staging, held_out[:MATCHED_IMAGES])
            report = report.model_copy(update={"axes_match": matched})
        with replacing(staging / CARD) as file:
            file.write(render(model, report).encode())
        usual = {"scores": scores.measure(model, held_out)}
        write_manifest(model, report, usual | _write_map(model, mapped, axes, staging), staging)
        return rename_to_next_version(staging, model_folder)


def _write_map(model: TrainedModel, mapped: maps.Mapped | None, axes: Axes, folder: Path) -> dict[str, Any]:
    """Write the map of these images, if there is to be one; return the manifest's ``map``."""
    if mapped is None:
        return {}
    z_mean, _ = axes.publish(*model.encode(mapped.images))
    return {"map": maps.write(mapped, np.asarray(z_mean), folder)}


@contextlib.contextmanager
def publishing(model_folder: Path) -> Iterator[Path]:
    """Give a hidden folder to write a version to; it is gone at the end, unless it was renamed.

    An OSError becomes a NotWritten.
    """
    with writing(model_folder):
        model_folder.mkdir(parents=True, exist_ok=True)
        with _without_abandoned(model_folder):
            staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=model_folder))
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _without_abandoned(model_folder: Path) -> Iterator[None]:
    """Remove the folders of publishers that were killed, and keep others from removing one's own meanwhile.

    All publishers of a model share a lock, which dies with its process. Who gets it alone is the only one.
    """
    if sys.platform == "win32":  # has no such lock
        yield
        return
    descriptor = os.open(model_folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # another publishes, or the file system has no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for abandoned in model_folder.glob(f"{STAGING}*"):
                shutil.rmtree(abandoned, ignore_errors=True)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def match_axes(previous: Path, version: Path, images: Images) -> AxesMatch | None:
    """Return which axis of the version before each axis is; None if the two do not encode the same images."""
    codes = []
    for folder in (previous, version):
        try:
            encoder = tf.saved_model.load(str(folder / "encoder"))
            codes.append(call_signature(encoder, "encode", images=images)["z_mean"].numpy())
        except (OSError, KeyError, ValueError, tf.errors.OpError):
            return None
    return AxesMatch(version=int(previous.name), axes=latent_axes.match(*codes))


def write_encoder(model: TrainedModel, path: Path, axes: Axes) -> None:
    """Write the encoder's SavedModel and flatbuffer: ``encode(images) -> z_mean, z_log_var``."""

    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = axes.publish(*model.encoder(images, training=False))
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    _write_part(model.encoder, path, encode=(encode, {"images": model.image_shape}))


def write_decoder(model: TrainedModel, path: Path, axes: Axes) -> None:
    """Write the decoder's SavedModel and flatbuffer: ``decode``, ``log_prob``, ``draw``; no random op.

    Where a service draws by itself the SavedModel has ``parameters`` too, and the flatbuffer that alone.
    """
    likelihood = model.likelihood
    mean = MeanDecoder(model.decoder, likelihood)

    def network(z: tf.Tensor) -> tf.Tensor:
        return model.decoder(axes.trained(z), training=False)

    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": mean(axes.trained(z))}

    def log_prob(z: tf.Tensor, images: tf.Tensor) -> dict[str, tf.Tensor]:
        per_pixel = likelihood.log_prob_of_pixels(images, network(z))
        return {"log_prob": sum_over_image(per_pixel), "log_prob_per_pixel": per_pixel}

    def draw(z: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": likelihood.draw(network(z), noise)}

    def parameters(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"parameters": network(z)}

    codes = {"z": (model.latent_dim,)}
    signatures = {
        "decode": (decode, codes),
        "log_prob": (log_prob, codes | {"images": model.image_shape}),
        "draw": (draw, codes | {"noise": likelihood.noise_shape(model.image_shape)}),
    }
    if likelihood.service_weights is not None:
        signatures["parameters"] = (parameters, codes)
    _write_part(model.decoder, path, **signatures)


def write_likelihood(likelihood: Likelihood, image_shape: tuple[int, ...], folder: Path) -> dict[str, Any]:
    """Write what a service draws with, if it draws by itself; return the manifest's ``likelihood``."""
    entry = {
        "name": likelihood.name,
        "parameters": likelihood.parameters,
        "log_level_width": likelihood.log_level_width,
        "noise_shape": list(likelihood.noise_shape(image_shape)),
    }
    weights = likelihood.service_weights
    if weights is None:
        return entry
    with replacing(folder / LIKELIHOOD) as file:
        np.savez_compressed(file, **weights)  # type: ignore[arg-type]  # the stubs see flags
    return entry | {"path": LIKELIHOOD}


def _write_part(network: keras.Model, path: Path, **signatures: Any) -> None:
    """Write a SavedModel with named float32 signatures, batch axis None, and LiteRT's file inside it."""
    # Keras' own ExportArchive would write every variable twice.
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    functions = {}
    for name, (function, inputs) in signatures.items():
        specs = [tf.TensorSpec((None, *shape), tf.float32, name=key) for key, shape in inputs.items()]
        functions[name] = tf.function(function, input_signature=specs, autograph=False)
    with written_by_tensorflow(path):
        tf.saved_model.save(module, str(path), signatures=functions)
    flatbuffer = path.parent / litert.FILES[path.name]
    flatbuffer.parent.mkdir()
    with replacing(flatbuffer) as file:
        file.write(litert.convert(path, litert.signatures(signatures)))


def write_examples(examples: Images, folder: Path) -> None:
    """Write `examples`, (N, H, W) in [0, 1], as 0.png, 1.png ... in the data's own polarity."""
    folder.mkdir()
    for index, image in enumerate(np.round(examples * 255).astype(np.uint8)):
        traversals.write_png(folder / f"{index}.png", image)


def write_manifest(model: TrainedModel, report: Report, found: dict[str, Any], folder: Path) -> None:
    """Write ``manifest.json``: what the folder holds, with a checksum for every file and one for all.

    `found` is what was found of held-out images: its ``scores`` and ``map``, see the modules of these names.
    """
    config, likelihood, measured = model.experiment, model.likelihood, report.as_dict()
    image: dict[str, Any] = {"shape": list(model.image_shape), "value_range": [0.0, 1.0]}
    if model.ground is not None:
        image["ground"] = model.ground
    told = "data splits libraries machine weights_sha256 started_from_weights sources history"
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": model.name,
        "image": image,
        "latent_dim": model.latent_dim,
        "likelihood": write_likelihood(likelihood, model.image_shape, folder),
        "prior": model.known_prior.manifest_entry(),
        "samples_render": samples_render(likelihood),
        "walk": {key: getattr(config.traversal, key) for key in ("axis", "low", "high", "steps")},
        "axes": measured["axes"],
        "metrics": {key: measured[key] for key in PUBLISHED_METRICS if key in measured},
        "training": {"config": config.as_dict()}
        | {key: model.environment[key] for key in told.split() if key in model.environment},
        "selftest": selftest.write(folder, model.latent_dim, likelihood.noise_shape(model.image_shape)),
        "runtimes": {"litert": litert.FILES},
        "examples": sorted(f"examples/{path.name}" for path in (folder / "examples").iterdir()),
    } | found
    seal(manifest, folder)


def samples_render(likelihood: Likelihood) -> str:
    """Return what samples of the prior show unless a request says otherwise: ``draw`` or ``mean``."""
    return "draw" if likelihood.knows_texture else "mean"


def seal(manifest: dict[str, Any], folder: Path) -> None:
    """Write a manifest into its version's folder, with a checksum for every file there and one for all."""
    manifest["files"] = [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    manifest["digest"] = manifest_digest(manifest)
    write_json(folder / "manifest.json", manifest)


def manifest_digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its ``digest``, as JSON with sorted keys and no spaces."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def rename_to_next_version(staging: Path, model_folder: Path) -> Path:
    """Give `staging` the number after the highest ever published, and have the store remember it.

    Another publisher may take the number first, so try again. A version that cannot be remembered is taken
    back, as its number would not be safe from its successor.
    """
    for path in (*staging.rglob("*"), staging):
        path.chmod(0o755 if path.is_dir() else 0o644)  # for every reader, whatever the umask is
        _fsync(path)  # so that the rename cannot reach the disk before the content
    while True:
        version = model_folder / str(next_number(model_folder))
        try:
            staging.rename(version)
        except OSError:
            if not version.exists():
                raise
        else:
            break
    try:
        _fsync(model_folder)
        remember(model_folder.parent)
        _fsync(model_folder.parent)
    except (OSError, NotWritten):
        with contextlib.suppress(OSError):
            version.rename(staging)
        raise
    return version


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
