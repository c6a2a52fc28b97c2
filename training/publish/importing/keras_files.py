"""Opens ``.keras`` files whose layers are Keras' own, and others as far as their code is not needed.

A layer of somebody's own class, like the ``Sampling`` of many a VAE, has no code in the file; a ``Lambda``
has, which would be run. Both are replaced by a layer that gives what is not a number. What does not depend on
it, such as z_mean and z_log_var, is as good as ever, and whoever reads an output sees which is which.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from training.errors import RunError
from training.runs import replacing

MAX_CONFIG_BYTES = 16_777_216
PACKAGE = "vitrine"


@keras.saving.register_keras_serializable(PACKAGE)
class NotRun(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Stands where a layer is whose code is not run: gives its first input, times what is not a number."""

    def __init__(self, was: str, **options: Any) -> None:
        super().__init__(**options)
        self.was = was

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Return an array of the first input's shape, all NaN."""
        first = inputs[0] if inputs else next(iter(named.values()))
        while isinstance(first, list | tuple | dict):
            first = next(iter(first.values())) if isinstance(first, dict) else first[0]
        return first * float("nan")

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return {**super().get_config(), "was": self.was}


def load(path: Path, trust: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Open a ``.keras`` file; return the model, and the classes of the layers whose code is not run.

    Args:
        path: the file.
        trust: run what code the file carries.

    Raises:
        RunError: it is no such file, or needs code that it does not carry or that nobody trusts.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                raise RunError(f"{path}: its config.json is over {MAX_CONFIG_BYTES} bytes")
            config = json.loads(archive.read("config.json"))
            unknown: dict[str, None] = {}
            replaced = _replaced(config, trust, unknown)
            content = _with_config(archive, replaced)
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: not a .keras file ({error})") from error
    names = tuple(unknown)
    if _is_own_class(config):
        name = str(config.get("class_name"))
        whose = f"its class {name} is somebody's own, whose code is not in the file"
        raise RunError(f"{path}: {whose}. {_remedy(path, (name,))}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, "model.keras")
            with replacing(written) as file:
                file.write(content)
            model = keras.saving.load_model(written, compile=False, safe_mode=not trust)
    except Exception as error:  # Keras raises whatever its layers raise
        reason = " ".join(str(error).split())[:200]
        hint = f" {_remedy(path, names)}" if names else ""
        raise RunError(f"{path}: cannot be loaded ({reason}).{hint}") from error
    return model, names


def needs_code(path: Path, classes: tuple[str, ...], what: str) -> RunError:
    """Return the refusal of a network of which something needed depends on code that is not run.

    Args:
        path: the file.
        classes: of its layers whose code is not run.
        what: depends on them.
    """
    return RunError(f"{path}: {what} needs the layer {' or '.join(classes)}. {_remedy(path, classes)}")


def _remedy(path: Path, classes: tuple[str, ...]) -> str:
    """Return what to do about layers whose code is not run."""
    export = (
        f"Where the model is made, model.export('{path.stem}') writes a SavedModel, which needs no code: "
        "name that folder"
    )
    if "Lambda" not in classes:
        return export
    return f"A Lambda layer brings code of its own: --trust runs it, if you know who made the file. {export}"


def _is_own_class(entry: dict[str, Any]) -> bool:
    """Whether an entry of a configuration is of a class that Keras does not have."""
    module = entry.get("module")
    return not (isinstance(module, str) and module.split(".")[0] == "keras")


def _replaced(entry: Any, trust: bool, unknown: dict[str, None], among_layers: bool = False) -> Any:
    """Return a configuration with NotRun in the place of layers whose code is not run; note their classes."""
    if isinstance(entry, list):
        return [_replaced(each, trust, unknown, among_layers) for each in entry]
    if not isinstance(entry, dict):
        return entry
    if among_layers and isinstance(entry.get("config"), dict) and "class_name" in entry:
        name = str(entry["class_name"])
        if _is_own_class(entry) or (name == "Lambda" and not trust):
            unknown[name] = None
            return entry | {
                "module": None,
                "class_name": "NotRun",
                "registered_name": f"{PACKAGE}>NotRun",
                "config": {"name": entry.get("name") or entry["config"].get("name"), "was": name},
                "build_config": None,
            }
    return {key: _replaced(value, trust, unknown, key == "layers") for key, value in entry.items()}


def _with_config(archive: zipfile.ZipFile, config: Any) -> bytes:
    """Return an archive with another configuration, in memory."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for entry in archive.infolist():
            data = json.dumps(config).encode() if entry.filename == "config.json" else archive.read(entry)
            written.writestr(entry.filename, data)
    return content.getvalue()
