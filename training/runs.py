"""A run folder: the names of its files, and what is recorded of where and how a run was made."""

import contextlib
import hashlib
import io
import json
import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from training import data
from training.configs.schema import Config, from_dict
from training.errors import ConfigError, NotWritten, RunError

CONFIG = "config.json"
WEIGHTS = "weights.weights.h5"
ENVIRONMENT = "environment.json"
HISTORY = "history.json"
DATA = "data.json"
SOURCES = "sources.json"
LAST = "last.npz"
BEST = "best.npz"
REPORT = "report.json"
# Other images are another experiment, whose model needs a name of its own too.
ANOTHER = "name another by --out, or by a copy of the configuration with another name"
LIBRARIES = ("tensorflow", "keras", "numpy")


def environment(config: Config, dataset: data.Dataset, digest: str) -> dict[str, Any]:
    """Return what a later reader needs to repeat the run or to explain a difference."""
    return {
        "data": {"name": dataset.name, "sha256": dataset.sha256, "files": dataset.num_files},
        "source": str(Path(dataset.source).absolute()),  # not in data, which is published with the model
        "image_shape": list(dataset.image_shape),
        "ground": dataset.ground,
        "splits": {split: len(getattr(dataset, split)) for split in ("train", "validation", "test")},
        "seed": config.seed,
        "libraries": {"python": platform.python_version()} | {n: library_version(n) for n in LIBRARIES},
        "machine": machine(),
        "weights_sha256": digest,
    }


def image_fit(config: Config) -> data.Fit:
    """Return what an experiment's images are made to be."""
    size = config.data.size
    return data.Fit((size[0], size[1]) if size else None, config.data.channels, len(config.network.channels))


def check_folder(out: Path, resume: bool) -> bool:
    """Return whether a folder holds a finished run; a RunError unless it can be trained into.

    A run that was ended before it wrote anything left an empty folder: that can be resumed too.
    """
    try:
        left = {path.name for path in out.iterdir()} if out.is_dir() else None
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise RunError(f"{out}: cannot be used ({error.strerror or error}); name another by --out") from error
    finished, resumable = (name in (left or ()) for name in (ENVIRONMENT, LAST))
    if resume and CONFIG not in (left or ()) and (left is None or left - {f"{CONFIG}.tmp"}):
        raise RunError(f"{out}: nothing to resume; leave --resume out to begin")
    if resume and finished and not resumable:
        raise RunError(f"{out}: finished, and without a checkpoint to go on from; name another by --out")
    if finished and not resume:
        raise RunError(f"{out}: holds a run already; remove it, or {ANOTHER}")
    if resumable and not resume:
        raise RunError(f"{out}: holds an unfinished run; go on with --resume, remove it, or {ANOTHER}")
    return finished


def read(run: Path) -> tuple[Config, dict[str, Any]]:
    """Return a finished run's experiment, and what ``environment.json`` says; a RunError if it is none."""
    try:
        config = from_dict(json.loads((run / CONFIG).read_text()))
        recorded: dict[str, Any] = json.loads((run / ENVIRONMENT).read_text())
        (run / WEIGHTS).stat()
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        remedy = "make one with vitrine-train fit"
        raise RunError(f"{run}: not a finished run (no {missing}); {remedy}") from error
    except ConfigError as error:
        raise RunError(f"{run}: made by another version of the program ({error}); train again") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: cannot be read back ({error}); train it again") from error
    return config, recorded


def history(run: Path) -> dict[str, list[float]]:
    """Return every epoch's numbers by name, with six digits: a plot needs no more. Empty if they are gone."""
    try:
        written = json.loads((run / HISTORY).read_text())
    except OSError:
        return {}
    return {name: [float(f"{value:.6g}") for value in values] for name, values in written.items()}


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
    described = _processor()
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


def _processor() -> dict[str, str]:
    described: dict[str, str] = {}
    with contextlib.suppress(OSError):  # Linux alone has this file
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            described.setdefault(key.strip(), value.strip())
    return described


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn whatever keeps a path from being written, while this lasts, into a NotWritten that names it."""
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{path}: cannot be written ({error.strerror or error})") from error


@contextlib.contextmanager
def written_by_tensorflow(path: Path) -> Iterator[None]:
    """Turn what keeps TensorFlow from writing a path, while this lasts, into a NotWritten that names it."""
    import tensorflow as tf  # heavy, and whoever needs this has it

    try:
        yield
    except tf.errors.OpError as error:
        _, _, reason = str(error.message).splitlines()[0].rpartition("; ")  # behind a file's name
        reason = re.sub(r" \[Op:\w+\]$", "", reason)
        raise NotWritten(f"{path}: cannot be written ({reason})") from error


class _Content(io.BytesIO):
    """A file in memory, with the name that it will have: Keras asks for one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __str__(self) -> str:
        return self.path.name


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[io.BytesIO]:
    """Give a file in memory, by which `path` is replaced at the end: whole or not at all, whatever stops it.

    No library writes to the disk itself: on a full one HDF5 ends the process, and others leave half a file.

    Raises:
        NotWritten: the file cannot be written; what `path` held before is still there.
    """
    content = _Content(path)
    yield content
    temporary = path.with_name(f"{path.name}.tmp")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)  # it takes space on a disk that may have none left
            raise


def write_json(path: Path, content: Any) -> None:
    """Write JSON that any reader accepts; see ``replacing``. A ValueError if a number is not finite."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode())
