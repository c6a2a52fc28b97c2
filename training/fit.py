"""A training run, told top to bottom.

A run folder holds all that is known of it:

    config.json       the resolved experiment
    history.json      every epoch's numbers
    environment.json  data, seed, library versions, processor, and the digest of the weights
    weights.weights.h5
    curves.png
"""

import contextlib
import hashlib
import json
import math
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import data
from training.config import Config, from_dict
from training.errors import RunError
from training.vae import KLWarmUp, VariationalAutoencoder

WEIGHTS = "weights.weights.h5"
ENVIRONMENT = "environment.json"
LIBRARIES = ("tensorflow", "keras", "numpy")


def fit(config: Config, dataset: data.Dataset, out: Path, *, progress: bool | None = None) -> dict[str, Any]:
    """Train one model and write its run folder.

    The same configuration, data, machine and library versions give the same weights, bit for bit. Another
    processor or another TensorFlow may round differently: the numbers then agree to about three digits.

    Args:
        config: the experiment.
        dataset: images; the test split is not touched.
        out: the run folder; created. A run that did not finish there is overwritten.
        progress: a moving bar (True), one line an epoch (False), or a bar if standard output is a
            terminal (None).

    Returns:
        The last epoch's numbers and ``weights_sha256``.

    Raises:
        RunError: the folder cannot be written or holds another run, or the loss stopped being a number.
    """
    from training import figures  # matplotlib is needed here alone

    if (out / ENVIRONMENT).exists():
        raise RunError(f"{out}: holds a run already; remove it or name another folder by --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "config.json", config.as_dict())
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error})") from error

    make_deterministic(config.seed, kernels=not config.jit_compile)
    vae = VariationalAutoencoder(config, dataset.image_shape)
    vae.compile(optimizer=_optimizer(config, len(dataset.train)), jit_compile=config.jit_compile)
    show_bar = sys.stdout.isatty() if progress is None else progress
    history = vae.fit(
        dataset.train,
        epochs=config.epochs,
        batch_size=config.batch_size,
        validation_data=(dataset.validation,),
        callbacks=_callbacks(config, len(dataset.train)),
        verbose=1 if show_bar else 2,
    ).history
    if not all(math.isfinite(value) for values in history.values() for value in values):
        raise RunError(f"{out}: the loss is no longer a number; try a smaller learning_rate")

    digest = weights_sha256(vae)
    try:
        vae.save_weights(out / WEIGHTS)
        write_json(out / "history.json", history)
        figures.training_curves(history, config.objective, config.name, out / "curves.png")
        write_json(out / ENVIRONMENT, environment(config, dataset, digest))  # last: it marks the run finished
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error})") from error
    return {name: values[-1] for name, values in history.items()} | {"weights_sha256": digest}


def make_deterministic(seed: int, *, kernels: bool = True) -> None:
    """Seed every generator that Keras, NumPy and Python use, and forbid kernels that race.

    Args:
        seed: the seed.
        kernels: forbid them. Not for a step that XLA compiles: its kernels for processors do not race, and
            Keras would silently leave it uncompiled.
    """
    keras.backend.clear_session()  # layer names, and with them the order of weights, start afresh
    keras.utils.set_random_seed(seed)
    if kernels:
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
        recorded = json.loads((run / ENVIRONMENT).read_text())
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
        "data": {"name": dataset.name, "sha256": dataset.sha256, "files": dataset.num_files},
        "source": str(Path(dataset.source).absolute()),  # not in data, which is published with the model
        "image_shape": list(dataset.image_shape),
        "splits": {split: len(getattr(dataset, split)) for split in ("train", "validation", "test")},
        "seed": config.seed,
        "libraries": {"python": platform.python_version()} | {n: library_version(n) for n in LIBRARIES},
        "machine": machine(),
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


def machine() -> dict[str, Any]:
    """Return what decides how arithmetic is rounded: processor, instructions, cores, TensorFlow's kernels.

    Two machines with equal answers can be expected to train to the same weights.
    """
    described: dict[str, str] = {}
    with contextlib.suppress(OSError):  # Linux alone has this file
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            described.setdefault(key.strip(), value.strip())
    flags = hashlib.sha256(described.get("flags", "").encode()).hexdigest()[:12]
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {
        "processor": described.get("model name", platform.processor() or platform.machine()),
        "model": "-".join(described.get(key, "") for key in ("cpu family", "model", "stepping")),
        "instructions": flags,
        "cores": len(usable),
        "system": platform.system(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def _callbacks(config: Config, num_images: int) -> list[keras.callbacks.Callback]:
    callbacks = [keras.callbacks.TerminateOnNaN()]
    if config.ema_momentum:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if config.kl_warmup_epochs:
        batches = math.ceil(num_images / config.batch_size)
        callbacks.append(KLWarmUp(config.beta, config.kl_warmup_epochs * batches))
    return callbacks


def _optimizer(config: Config, num_images: int) -> keras.optimizers.Optimizer:
    rate: Any = config.learning_rate
    if config.learning_rate_schedule == "cosine":
        steps = config.epochs * math.ceil(num_images / config.batch_size)
        rising = max(1, steps // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            0.01 * rate, steps - rising, alpha=0.01, warmup_target=rate, warmup_steps=rising
        )
    kinds = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}
    averaged = {"use_ema": True, "ema_momentum": config.ema_momentum} if config.ema_momentum else {}
    return kinds[config.optimizer](rate, **averaged)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that any reader accepts, whole or not at all.

    Raises:
        OSError: the file cannot be written.
        ValueError: a number is not finite.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)
