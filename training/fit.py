"""A training run, told top to bottom.

A run folder holds all that is known of it:

    config.json       the resolved experiment
    history.json      every epoch's numbers
    environment.json  data, seed, library versions, processor, and the digest of the weights
    weights.weights.h5
    curves.png
"""

import hashlib
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import data, figures
from training.config import Config, from_dict
from training.errors import RunError
from training.vae import VariationalAutoencoder

WEIGHTS = "weights.weights.h5"
LIBRARIES = ("tensorflow", "keras", "numpy")


def fit(config: Config, dataset: data.Dataset, out: Path, *, progress: bool | None = None) -> dict[str, Any]:
    """Train one model and write its run folder.

    The same configuration, data, machine and library versions give the same weights, bit for bit. Another
    processor or another TensorFlow may round differently: the numbers then agree to about three digits.

    Args:
        config: the experiment.
        dataset: images; the test split is not touched.
        out: the run folder; created.
        progress: a moving bar (True), one line an epoch (False), or a bar if standard output is a
            terminal (None).

    Returns:
        The last epoch's numbers and ``weights_sha256``.

    Raises:
        RunError: the folder cannot be written, or it holds another run.
    """
    if (out / "config.json").exists():
        raise RunError(f"{out}: holds a run already; remove it or name another folder by --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_json(out / "config.json", config.as_dict())
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error})") from error

    make_deterministic(config.seed)
    vae = VariationalAutoencoder(config, dataset.image_shape)
    vae.compile(optimizer=_optimizer(config))
    show_bar = sys.stdout.isatty() if progress is None else progress
    history = vae.fit(
        dataset.train,
        epochs=config.epochs,
        batch_size=config.batch_size,
        validation_data=(dataset.validation,),
        verbose=1 if show_bar else 2,
    ).history

    vae.save_weights(out / WEIGHTS)
    _write_json(out / "history.json", history)
    digest = weights_sha256(vae)
    _write_json(out / "environment.json", environment(config, dataset, digest))
    figures.training_curves(history, config.objective, config.name, out / "curves.png")
    return {name: values[-1] for name, values in history.items()} | {"weights_sha256": digest}


def make_deterministic(seed: int) -> None:
    """Seed every generator that Keras, NumPy and Python use, and forbid kernels that race."""
    keras.backend.clear_session()  # layer names, and with them the order of weights, start afresh
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def load_run(run: Path) -> tuple[Config, VariationalAutoencoder, dict[str, Any]]:
    """Read a run folder back.

    Returns:
        The experiment, the trained model and what ``environment.json`` says.

    Raises:
        RunError: the folder is not a finished run.
    """
    try:
        config = from_dict(json.loads((run / "config.json").read_text()))
        recorded = json.loads((run / "environment.json").read_text())
        vae = VariationalAutoencoder(config, tuple(recorded["image_shape"]))
        vae(np.zeros((1, *recorded["image_shape"]), np.float32))  # weights exist after the first call
        vae.load_weights(run / WEIGHTS)
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else WEIGHTS
        raise RunError(
            f"{run}: not a finished run (no {missing}); make one with vitrine-train fit"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run}: cannot be read back ({error}); train it again") from error
    if weights_sha256(vae) != recorded["weights_sha256"]:
        raise RunError(f"{run / WEIGHTS}: changed since training; train again")
    return config, vae, recorded


def weights_sha256(vae: VariationalAutoencoder) -> str:
    """Return one SHA-256 over the encoder's and the decoder's weights, as little-endian float32."""
    digest = hashlib.sha256()
    for network in (vae.encoder, vae.decoder):
        for variable in network.weights:
            digest.update(keras.ops.convert_to_numpy(variable).astype("<f4").tobytes())
    return digest.hexdigest()


def environment(config: Config, dataset: data.Dataset, digest: str) -> dict[str, Any]:
    """Return what a later reader needs to repeat the run or to explain a difference."""
    return {
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "image_shape": list(dataset.image_shape),
        "splits": {split: len(getattr(dataset, split)) for split in ("train", "validation", "test")},
        "seed": config.seed,
        "libraries": {"python": platform.python_version()} | {n: library_version(n) for n in LIBRARIES},
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "weights_sha256": digest,
    }


def library_version(name: str) -> str:
    """Return the installed version of a library; TensorFlow's processor-only package counts as TensorFlow."""
    for distribution in (name, f"{name}-cpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _optimizer(config: Config) -> keras.optimizers.Optimizer:
    kinds = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}
    return kinds[config.optimizer](config.learning_rate)


def _processor() -> str:
    """Return the processor's name: Linux keeps it in /proc/cpuinfo, where ``platform`` does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
