"""The only writer of model_store.

A version appears whole or not at all: it is written to a hidden sibling folder, flushed to disk, and
renamed. The format is defined in ``model_store/README.md``.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.configs.schema import Config
from training.data import Images
from training.errors import RunError
from training.models import latent_axes as axes_of
from training.models.latent_axes import Axes
from training.models.vae import VariationalAutoencoder
from training.priors import GaussianMixture, StandardNormal
from training.publish import litert
from training.publish.card import model_card

FORMAT_VERSION = 1
NUM_EXAMPLES = 5
MATCHED_IMAGES = 1_000
PUBLISHED_METRICS = ("test", "bounds", "gap", "prior", "quality", "fair_score", "axes_match")


def export(
    config: Config,
    vae: VariationalAutoencoder,
    recorded: dict[str, Any],
    metrics: dict[str, Any],
    prior: StandardNormal | GaussianMixture,
    held_out: Images,
    store: Path,
) -> Path:
    """Publish a trained model as the next version of its name.

    Args:
        config: the experiment.
        vae: the trained model.
        recorded: what ``environment.json`` of the run says.
        metrics: what ``evaluate`` measured.
        prior: what codes are drawn from, over the axes as trained.
        held_out: validation images in [0, 1]: the first are shipped as pictures to reconstruct, and with the
            first thousand the axes are matched to those of the version before.
        store: the model store; created if it is missing.

    Returns:
        The new version's folder.

    Raises:
        RunError: the store cannot be written, the bounds were measured with another prior, or the two
            runtimes draw different pictures. Nothing is left behind.
    """
    if metrics["bounds"]["prior"] != prior.name:
        measured = f"measured with the prior {metrics['bounds']['prior']}, not {prior.name}"
        raise RunError(f"{config.name}: its bounds were {measured}; run vitrine-train evaluate again")
    model_folder = store / config.name
    axes = published_axes(config, vae, metrics)
    metrics = metrics | {"axes": axes.describe(metrics["axes"])}
    previous = _newest_version(model_folder)
    try:
        model_folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=model_folder))
    except OSError as error:
        raise RunError(f"{store}: cannot be written ({error.strerror or error})") from error
    try:
        write_encoder(vae, staging / "encoder", axes)
        write_decoder(vae, staging / "decoder", axes)
        litert.check_agreement(
            staging,
            config.network.latent_dim,
            vae.likelihood.noise_shape(tuple(recorded["image_shape"])),
            held_out[:MATCHED_IMAGES],
        )
        write_examples(held_out[:NUM_EXAMPLES], staging / "examples")
        write_axes(vae, staging, axes, metrics["axes"])
        if not isinstance(prior, StandardNormal):
            prior.reordered(axes.order, axes.signs).save(staging / "prior.npz")
        if previous is not None:
            metrics["axes_match"] = match_axes(previous, staging, held_out)
        (staging / "card.md").write_text(model_card(config, recorded, metrics))
        write_manifest(config, vae, recorded, metrics, prior, staging)
        for path in (staging, *staging.rglob("*")):  # for every reader, whatever the publisher's umask is
            path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(staging)
        return _rename_to_next_version(staging, model_folder)
    except OSError as error:
        raise RunError(f"{model_folder}: publishing failed ({error.strerror or error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def published_axes(config: Config, vae: VariationalAutoencoder, metrics: dict[str, Any]) -> Axes:
    """Return how the trained axes are published."""
    if config.traversal.axis_order == "as-trained":
        return axes_of.as_trained(config.network.latent_dim)
    return axes_of.canonical(lambda z: vae.likelihood.mean(vae.decoder(z, training=False)), metrics["axes"])


def match_axes(previous: Path, version: Path, held_out: Images) -> dict[str, Any] | None:
    """Return which axis of the version before each axis is, or None if the two do not encode the same images.

    Args:
        previous: the folder of the version before.
        version: the folder of this one.
        held_out: images that both encode.
    """
    codes = []
    for folder in (previous, version):
        try:
            encode = tf.saved_model.load(str(folder / "encoder")).signatures["encode"]
            codes.append(encode(images=tf.constant(held_out[:MATCHED_IMAGES]))["z_mean"].numpy())
        except (OSError, KeyError, ValueError, tf.errors.OpError):
            return None
    return {"version": int(previous.name), "axes": axes_of.match(*codes)}


def write_axes(
    vae: VariationalAutoencoder, folder: Path, axes: Axes, described: list[dict[str, Any]]
) -> None:
    """Write the pictures of the axes: ``axes.png``, and of two axes their plane, ``manifold.png``."""

    def decode(z: Images) -> Any:
        return vae.likelihood.mean(vae.decoder(axes.trained(z), training=False))

    def levels(images: Any) -> Any:  # dark on white, as the service draws by default
        return 255 - np.clip(np.floor(np.asarray(images) * 256), 0, 255).astype(np.uint8)

    pictures = {"axes.png": axes_of.strips(decode, described, levels)}
    if len(described) == 2:
        pictures["manifold.png"] = axes_of.plane(decode, levels)
    for name, picture in pictures.items():
        (folder / name).write_bytes(tf.io.encode_png(np.atleast_3d(picture)).numpy())


def write_encoder(vae: VariationalAutoencoder, path: Path, axes: Axes) -> None:
    """Write the encoder's SavedModel and flatbuffer: ``encode(images) -> z_mean, z_log_var``."""

    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = axes.publish(*vae.encoder(images, training=False))
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    _write_part(vae.encoder, path, encode=(encode, {"images": vae.encoder.input_shape[1:]}))


def write_decoder(vae: VariationalAutoencoder, path: Path, axes: Axes) -> None:
    """Write the decoder's SavedModel and flatbuffer: ``decode``, ``log_prob``, ``draw``; no random op."""
    likelihood = vae.likelihood

    def network(z: tf.Tensor) -> tf.Tensor:
        return vae.decoder(axes.trained(z), training=False)

    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": likelihood.mean(network(z))}

    def log_prob(z: tf.Tensor, images: tf.Tensor) -> dict[str, tf.Tensor]:
        per_pixel = likelihood.log_prob(images, network(z))
        per_image = tf.reduce_sum(per_pixel, axis=tuple(range(1, len(per_pixel.shape))))
        return {"log_prob": per_image, "log_prob_per_pixel": per_pixel}

    def draw(z: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": likelihood.draw(network(z), noise)}

    z_shape, image_shape = vae.decoder.input_shape[1:], vae.decoder.output_shape[1:-1]
    noise_shape = likelihood.noise_shape(image_shape)
    _write_part(
        vae.decoder,
        path,
        decode=(decode, {"z": z_shape}),
        log_prob=(log_prob, {"z": z_shape, "images": image_shape}),
        draw=(draw, {"z": z_shape, "noise": noise_shape}),
    )


def _write_part(network: keras.Model, path: Path, **signatures: Any) -> None:
    """Write a SavedModel with named float32 signatures, batch axis None, and LiteRT's file inside it."""
    _write_saved_model(network, path, None, signatures)
    flatbuffer = path.parent / litert.FILES[path.name]
    flatbuffer.parent.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        converted = {name: signatures[name] for name in litert.SIGNATURES[path.name]}
        _write_saved_model(network, Path(folder), litert.ROWS, converted)
        flatbuffer.write_bytes(litert.convert(Path(folder), path.name))


def _write_saved_model(
    network: keras.Model, path: Path, rows: int | None, signatures: dict[str, Any]
) -> None:
    # Keras' own ExportArchive would write every variable twice.
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    functions = {}
    for name, (function, inputs) in signatures.items():
        specs = [tf.TensorSpec((rows, *shape), tf.float32, name=key) for key, shape in inputs.items()]
        functions[name] = tf.function(function, input_signature=specs)
    tf.saved_model.save(module, str(path), signatures=functions)


def write_examples(examples: Images, folder: Path) -> None:
    """Write `examples`, (N, H, W) in [0, 1], as 0.png, 1.png ... in the data's own polarity."""
    folder.mkdir()
    for index, image in enumerate(np.round(examples * 255).astype(np.uint8)):
        png = tf.io.encode_png(np.atleast_3d(image)).numpy()
        (folder / f"{index}.png").write_bytes(png)


def write_manifest(
    config: Config,
    vae: VariationalAutoencoder,
    recorded: dict[str, Any],
    metrics: dict[str, Any],
    prior: StandardNormal | GaussianMixture,
    folder: Path,
) -> None:
    """Write ``manifest.json``: what the folder holds, with a checksum for every file and one for all."""
    image_shape = tuple(recorded["image_shape"])
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": config.name,
        "image": {"shape": list(image_shape), "value_range": [0.0, 1.0]},
        "latent_dim": config.network.latent_dim,
        "likelihood": {
            "name": vae.likelihood.name,
            "parameters": vae.likelihood.parameters,
            "noise_shape": list(vae.likelihood.noise_shape(image_shape)),
        },
        "prior": {"name": prior.name}
        | (
            {"path": "prior.npz", "classes": list(prior.classes)}
            if not isinstance(prior, StandardNormal)
            else {}
        ),
        "walk": {
            "axis": config.traversal.axis,
            "low": config.traversal.low,
            "high": config.traversal.high,
            "steps": config.traversal.steps,
        },
        "axes": metrics["axes"],
        "metrics": {key: metrics[key] for key in PUBLISHED_METRICS if key in metrics},
        "training": {"config": config.as_dict()}
        | {key: recorded[key] for key in ("data", "splits", "libraries", "machine", "weights_sha256")},
        "runtimes": {"litert": litert.FILES | {"rows": litert.ROWS}},
        "examples": sorted(f"examples/{path.name}" for path in (folder / "examples").iterdir()),
        "files": [
            {
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    }
    manifest["digest"] = manifest_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")


def manifest_digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its ``digest``, as JSON with sorted keys and no spaces.

    The manifest holds every file's checksum, so this one number stands for the whole version.
    """
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _newest_version(model_folder: Path) -> Path | None:
    if not model_folder.is_dir():
        return None
    versions = [path for path in model_folder.iterdir() if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name), default=None)


def _rename_to_next_version(staging: Path, model_folder: Path) -> Path:
    """Give `staging` the number after the highest; another publisher may take it first, so try again."""
    while True:
        taken = [int(path.name) for path in model_folder.iterdir() if path.name.isdecimal()]
        version = model_folder / str(max(taken, default=0) + 1)
        try:
            staging.rename(version)
        except OSError:
            if not version.exists():
                raise
        else:
            _fsync(model_folder)
            return version


def _flush(folder: Path) -> None:
    """Force every file and folder below `folder` to disk, so that the rename cannot outrun the content."""
    for path in folder.rglob("*"):
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
