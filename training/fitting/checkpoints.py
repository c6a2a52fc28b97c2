"""The state of an unfinished run in one file, from which it goes on as if it had never stopped.

A checkpoint is taken between two epochs and holds everything that the next epoch depends on: weights, the
optimizer's slots, step count and averages, the state of the generator behind the posterior draws, the number
of epochs done, and the history so far. KL warm-up, a learning rate schedule and the draws of networks whose
steps are compiled follow from the step count, and the order of the images from seed and epoch
(``loop.order_of``): they need no state.
"""

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from training.configs.schema import Config, from_dict
from training.data import Dataset
from training.errors import ConfigError, RunError
from training.fitting.stopping import History, has_ended
from training.models.vae import VariationalAutoencoder
from training.runs import replacing
from training.types import Array


class Progress(NamedTuple):
    """How far a run has come."""

    epoch: int  # epochs done
    history: History  # one number an epoch


def save_last(
    path: Path, vae: VariationalAutoencoder, config: Config, dataset: Dataset, progress: Progress
) -> None:
    """Write all that the next epoch depends on; see ``runs.replacing``."""
    arrays = _numbered("model", vae.variables) | _numbered("optimizer", vae.optimizer.variables)
    described = {"config": config.as_dict(), "data": data_identity(dataset), "progress": progress._asdict()}
    _write(path, arrays, described)


def resume(
    path: Path, vae: VariationalAutoencoder, config: Config, dataset: Dataset, *, finished: bool = False
) -> Progress:
    """Put a compiled model of `config` into the state that ``save_last`` found it in, if it was called.

    The configuration may ask for more epochs than the checkpoint's did, and differ in nothing else.
    `finished`: the run had come to its end.

    Raises:
        RunError: the file cannot be read, or belongs to another experiment or to other images; the message
            names the difference.
    """
    if not path.exists():
        return Progress(0, {})
    arrays, described = _read(path)
    _refuse_another_experiment(path, described["config"], config)
    for key, now in data_identity(dataset).items():
        if (was := described["data"][key]) != now:
            raise RunError(
                f"{path}: trained on other images ({key} was {was!r} and is now {now!r}); "
                "name the same data by --data"
            )
    progress = Progress(*(described["progress"][field] for field in Progress._fields))
    if finished and has_ended(config, progress.history):
        raise RunError(f"{path.parent}: finished after {progress.epoch} epochs; nothing to resume")
    vae.optimizer.build(vae.trainable_variables)
    _assign(path, arrays, "model", vae.variables)
    _assign(path, arrays, "optimizer", vae.optimizer.variables)
    return progress


def save_best(path: Path, vae: VariationalAutoencoder, epoch: int) -> None:
    """Write the weights that the model has now, which validation found the best so far."""
    _write(path, _numbered("model", vae.weights), {"epoch": epoch})


def load_best(path: Path, vae: VariationalAutoencoder) -> int:
    """Put the weights of ``save_best`` into a model and return the epoch, from 1, that they ended.

    Raises:
        RunError: the file cannot be read.
    """
    arrays, described = _read(path)
    _assign(path, arrays, "model", vae.weights)
    return int(described["epoch"])


def data_identity(dataset: Dataset) -> dict[str, Any]:
    """Return what tells one data set, split in one way, from another."""
    return {
        "name": dataset.name,
        "sha256": dict(dataset.sha256),
        "image_shape": list(dataset.image_shape),
        "splits": [len(dataset.train), len(dataset.validation)],
    }


def _refuse_another_experiment(path: Path, recorded: dict[str, Any], config: Config) -> None:
    try:
        before = by_key(from_dict(recorded).as_dict())
    except ConfigError as error:
        raise RunError(f"{path}: made by another version of the program ({error}); train again") from error
    now = by_key(config.as_dict())
    for key in before | now:
        was, value = before.get(key), now.get(key)
        if value == was:
            continue
        if key != "optimizer.epochs":
            why = "resume with the old value, or name another folder by --out"
        elif config.objective.final_phase is not None:
            why = "with more epochs the final phase would have begun later"
        elif config.optimizer.schedule != "constant":
            why = "more epochs only extend a constant optimizer.schedule"
        elif now[key] < before[key]:
            why = "a run can be extended, not shortened"
        else:
            continue
        raise RunError(f"{path}: {key} was {was!r} and is now {value!r}; {why}")


def by_key(table: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return the values of nested tables by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= by_key(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


def _numbered(prefix: str, variables: list[keras.Variable]) -> dict[str, Array]:
    return {f"{prefix}/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}


def _assign(path: Path, arrays: dict[str, Array], prefix: str, variables: list[keras.Variable]) -> None:
    values = [array for name, array in arrays.items() if name.startswith(f"{prefix}/")]  # in their order
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise RunError(f"{path}: holds weights of other shapes; train again")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _write(path: Path, arrays: dict[str, Array], described: dict[str, Any]) -> None:
    """Write arrays and JSON into one file."""
    text = np.frombuffer(json.dumps(described, allow_nan=False).encode(), np.uint8)
    with replacing(path) as file:
        np.savez(file, described=text, **arrays)  # type: ignore[arg-type]  # the stubs take them for flags


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(arrays.pop("described").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: not a checkpoint ({error}); remove it and train again") from error
