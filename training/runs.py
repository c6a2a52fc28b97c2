"""A run folder: the names of its files, and what is recorded of where and how a run was made."""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from training import data
from training.configs.schema import Config
from training.errors import RunError

CONFIG = "config.json"
WEIGHTS = "weights.weights.h5"
ENVIRONMENT = "environment.json"
HISTORY = "history.json"
DATA = "data.json"
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


def record_configuration(run: Path, file: Path) -> None:
    """Add to a finished run where its configuration was read, which its card names."""
    path = run / ENVIRONMENT
    with writing(run):
        write_json(path, json.loads(path.read_text()) | {"config_file": str(file.absolute())})


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
def writing(folder: Path) -> Iterator[None]:
    """Turn whatever keeps a folder from being written, while this lasts, into a RunError that names it."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror or error})") from error


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
