"""Training that goes on from a trained model: a run's weights, or those that a published version holds.

A version's SavedModels hold the networks' weights as they were trained, in the order of
``network.variables``; its published axes are applied around them. The digest in its manifest says whether
they were read right. What neither holds is the state of the optimizer: that begins anew.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from training import runs
from training.configs.schema import Config, from_dict
from training.errors import ConfigError, RunError
from training.models.vae import VariationalAutoencoder, weights_sha256

REMEDY = "name the run folder that it was exported from"
COMPARED = ("network", "likelihood")  # sections that decide which weights there are


def experiment_of(folder: Path) -> tuple[Config, tuple[int, ...]]:
    """Return the experiment of a run folder or a version, and the shape of its images.

    Raises:
        RunError: the folder is neither, or a version that does not tell its configuration.
    """
    manifest = _manifest(folder)
    if manifest is None:
        config, environment = runs.read(folder)
        return config, tuple(environment["image_shape"])
    try:
        return from_dict(manifest["training"]["config"]), tuple(manifest["image"]["shape"])
    except (KeyError, ConfigError) as error:
        raise RunError(f"{folder}: does not tell its configuration ({error}); {REMEDY}") from error


def begin(vae: VariationalAutoencoder, config: Config, folder: Path) -> str:
    """Give a model that was not trained yet the weights of a run or a version; return their digest.

    Raises:
        RunError: there are none, or they are of other networks, another likelihood or image shape.
    """
    before, image_shape = experiment_of(folder)
    shape = tuple(vae.encoder.input_shape[1:])
    if shape != image_shape:
        raise RunError(
            f"{folder}: trained on images of {_told(image_shape)}, and these are {_told(shape)}; "
            "set data.size and data.channels to its own"
        )
    for section in COMPARED:
        was, now = (getattr(each, section) for each in (before, config))
        if was != now:
            raise RunError(f"{folder}: its {section} was {was!r} and is now {now!r}; weights fit the old one")
    manifest = _manifest(folder)
    if manifest is None:
        digest = str(runs.read(folder)[1]["weights_sha256"])
        read_run(vae, folder, digest)
    else:
        digest = str(manifest["training"]["weights_sha256"])
        read_version(vae, folder, digest)
    return digest


def read_run(vae: VariationalAutoencoder, run: Path, digest: str) -> None:
    """Give a model the weights of a finished run, whose ``weights_sha256`` is `digest`; else a RunError."""
    try:
        _create(vae)
        with warnings.catch_warnings():  # the file holds the optimizer's state too, which is not wanted
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            vae.load_weights(run / runs.WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run}: cannot be read back ({error}); train it again") from error
    if weights_sha256(vae) != digest:
        raise RunError(f"{run / runs.WEIGHTS}: changed since training; train again")


def read_version(vae: VariationalAutoencoder, version: Path, digest: str) -> None:
    """Give a model the weights in a version's SavedModels; a RunError unless they have this digest."""
    _create(vae)
    for part in ("encoder", "decoder"):
        try:
            kept = tf.saved_model.load(str(version / part)).variables_of_network
        except (OSError, AttributeError, tf.errors.OpError) as error:
            raise RunError(f"{version / part}: holds no weights that can be read; {REMEDY}") from error
        network = getattr(vae, part).variables
        if [variable.shape for variable in kept] != [variable.shape for variable in network]:
            raise RunError(f"{version / part}: other weights than its configuration describes")
        for variable, value in zip(network, kept, strict=True):
            variable.assign(value)
    if weights_sha256(vae) != digest:
        raise RunError(f"{version}: its weights are not those that its manifest names")


def _create(vae: VariationalAutoencoder) -> None:
    """Call a model once: its weights exist after the first call."""
    vae(np.zeros((1, *vae.encoder.input_shape[1:]), np.float32))


def _manifest(folder: Path) -> Any:
    """Return a version's manifest, or None if the folder is no version."""
    try:
        return json.loads((folder / "manifest.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: cannot be read ({error})") from error


def _told(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
