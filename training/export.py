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

from training import data
from training.card import model_card
from training.config import Config
from training.errors import RunError
from training.vae import VariationalAutoencoder

FORMAT_VERSION = 1
NUM_EXAMPLES = 5


def export(
    config: Config,
    vae: VariationalAutoencoder,
    recorded: dict[str, Any],
    metrics: dict[str, Any],
    examples: np.ndarray[Any, np.dtype[np.float32]],
    store: Path,
) -> Path:
    """Publish a trained model as the next version of its name.

    Args:
        config: the experiment.
        vae: the trained model.
        recorded: what ``environment.json`` of the run says.
        metrics: what ``evaluate`` measured.
        examples: validation images to ship as pictures to reconstruct, (N, H, W) in [0, 1].
        store: the model store; created if it is missing.

    Returns:
        The new version's folder.

    Raises:
        RunError: the store cannot be written. Nothing is left behind.
    """
    model_folder = store / config.name
    try:
        model_folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=model_folder))
    except OSError as error:
        raise RunError(f"{store}: cannot be written ({error.strerror or error})") from error
    try:
        write_encoder(vae, staging / "encoder")
        write_decoder(vae, staging / "decoder")
        write_examples(examples, staging / "examples")
        (staging / "card.md").write_text(model_card(config, recorded, metrics))
        write_manifest(config, vae, recorded, metrics, staging)
        for path in (staging, *staging.rglob("*")):  # for every reader, whatever the publisher's umask is
            path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(staging)
        return _rename_to_next_version(staging, model_folder)
    except OSError as error:
        raise RunError(f"{model_folder}: publishing failed ({error.strerror or error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_encoder(vae: VariationalAutoencoder, path: Path) -> None:
    """Write the encoder's SavedModel: ``encode(images) -> z_mean, z_log_var``."""

    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        z_mean, z_log_var = vae.encoder(images, training=False)
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    _write_saved_model(vae.encoder, path, encode=(encode, {"images": vae.encoder.input_shape[1:]}))


def write_decoder(vae: VariationalAutoencoder, path: Path) -> None:
    """Write the decoder's SavedModel: ``decode``, ``log_prob`` and ``draw``; no random op inside."""
    likelihood = vae.likelihood

    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": likelihood.mean(vae.decoder(z, training=False))}

    def log_prob(z: tf.Tensor, images: tf.Tensor) -> dict[str, tf.Tensor]:
        per_pixel = likelihood.log_prob(images, vae.decoder(z, training=False))
        per_image = tf.reduce_sum(per_pixel, axis=tuple(range(1, len(per_pixel.shape))))
        return {"log_prob": per_image, "log_prob_per_pixel": per_pixel}

    def draw(z: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": likelihood.draw(vae.decoder(z, training=False), noise)}

    z_shape, image_shape = vae.decoder.input_shape[1:], vae.decoder.output_shape[1:-1]
    noise_shape = likelihood.noise_shape(image_shape)
    _write_saved_model(
        vae.decoder,
        path,
        decode=(decode, {"z": z_shape}),
        log_prob=(log_prob, {"z": z_shape, "images": image_shape}),
        draw=(draw, {"z": z_shape, "noise": noise_shape}),
    )


def _write_saved_model(network: keras.Model, path: Path, **signatures: Any) -> None:
    """Write a SavedModel with named float32 signatures, batch axis None."""
    archive = keras.export.ExportArchive()
    archive.track(network)
    for name, (function, inputs) in signatures.items():
        specs = [tf.TensorSpec((None, *shape), tf.float32, name=key) for key, shape in inputs.items()]
        archive.add_endpoint(name, function, input_signature=specs)
    archive.write_out(str(path), verbose=False)


def write_examples(examples: np.ndarray[Any, np.dtype[np.float32]], folder: Path) -> None:
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
    folder: Path,
) -> None:
    """Write ``manifest.json``: what the folder holds, with a checksum for every file and one for all."""
    image_shape = tuple(recorded["image_shape"])
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": config.name,
        "image": {"shape": list(image_shape), "value_range": [0.0, 1.0]},
        "latent_dim": config.latent_dim,
        "likelihood": {
            "name": vae.likelihood.name,
            "parameters": vae.likelihood.parameters,
            "noise_shape": list(vae.likelihood.noise_shape(image_shape)),
        },
        "prior": {"name": "standard_normal"},
        "walk": {
            "axis": config.walk_axis,
            "low": config.walk_low,
            "high": config.walk_high,
            "steps": config.walk_steps,
        },
        "axes": metrics["axes"],
        "metrics": {"test": metrics["test"], "bounds": metrics["bounds"]},
        "training": {"config": config.as_dict()}
        | {key: recorded[key] for key in ("data", "splits", "libraries", "machine", "weights_sha256")},
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


def example_images(dataset: data.Dataset) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the validation images that a version ships, (N, H, W)."""
    return dataset.validation[:NUM_EXAMPLES]


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
