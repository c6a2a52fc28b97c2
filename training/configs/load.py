"""Experiments as TOML files."""

import json
import tomllib
from pathlib import Path
from typing import Any

from training.configs import flat
from training.configs.schema import Config, from_dict
from training.errors import ConfigError


def load(path: Path) -> Config:
    """Read an experiment from a TOML file; one that gives no name has the file's.

    A copy under another name is another experiment: its run, its model and its card are called after it.

    Raises:
        ConfigError: the file cannot be read or parsed, or as ``from_dict``. The message names the file, and
            shows a file of the former form in the present one.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); name a .toml file") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    if flat.is_flat(table):
        dropped = "".join(f"; without {key}, as {why}" for key, why in flat.GONE.items() if key in table)
        form = to_toml(flat.in_sections(table))
        raise ConfigError(f"{path}: keys stand in sections now{dropped}. Its content in this form:\n\n{form}")
    try:
        return from_dict({"name": path.stem} | table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def to_toml(table: dict[str, Any], prefix: str = "") -> str:
    """Return plain values (``Config.as_dict``) as the text of a TOML file; `prefix`: of its sections."""
    text = ""
    for key, value in table.items():
        if not isinstance(value, dict):
            text += f"{key} = {json.dumps(value)}\n"  # of text, numbers and lists TOML's form is JSON's
    for key, value in table.items():
        if isinstance(value, dict):
            text += f"\n[{prefix}{key}]\n{to_toml(value, f'{prefix}{key}.')}"
    return text
