"""Reads the model store: ``<name>/<version>/manifest.json`` and the files it lists.

The format is defined in ``model_store/README.md``. A version is served if its manifest is valid, no file is
missing, changed or added, and there is no symbolic link in it. Else the reason is kept.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import ModelNotFound, StoreError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")
MAX_MANIFEST_BYTES = 4_194_304


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


Size = Annotated[int, Field(ge=1, le=4096)]
Code = Annotated[float, Field(ge=-8, le=8)]  # beyond it a decoder has never been trained
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Tone = Literal["dark", "light"]


class Image(_Part):
    """What one image is: (H, W) grey or (H, W, 3) colour, float32 within `value_range`.

    `ground` is what most training images have at their border. A version of before that key is taken as dark.
    """

    shape: tuple[Size, Size] | tuple[Size, Size, Literal[3]]
    value_range: tuple[Literal[0], Literal[1]] = (0, 1)
    ground: Literal["dark", "light", "mixed"] = "dark"

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[1]

    @property
    def polarity(self) -> Tone | None:
        """The ground of grey images; None where nothing is inverted unless asked: colour, mixed grounds."""
        return None if len(self.shape) == 3 or self.ground == "mixed" else self.ground

    @property
    def ink(self) -> Tone:
        """How a grid is drawn unless a request says otherwise: dark ink on white if the ground is dark."""
        return "dark" if self.polarity == "dark" else "light"


class Likelihood(_Part):
    """The observation model that the decoder's ``log_prob`` and ``draw`` belong to."""

    name: str
    parameters: dict[str, Any] = {}
    noise_shape: tuple[Size, ...]


class Prior(_Part):
    """The distribution that codes are drawn from.

    A ``gaussian_mixture`` has its arrays in the file `path`; `classes` names the classes that its components
    belong to, if they belong to any.
    """

    name: Literal["standard_normal", "gaussian_mixture"]
    path: str | None = None
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_its_file(self) -> "Prior":
        if (self.path is None) != (self.name == "standard_normal"):
            raise ValueError("path: expected for every prior but standard_normal")
        if self.classes and self.path is None:
            raise ValueError("classes: expected of a mixture alone")
        return self


class Walk(_Part):
    """How an interpolation goes unless a request says otherwise; no low and high: the axis' own range."""

    axis: int = Field(0, ge=0)
    low: Code | None = None
    high: Code | None = None
    steps: int = Field(7, ge=2, le=64)

    @model_validator(mode="after")
    def _is_in_order(self) -> "Walk":
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high: expected both or neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low: expected at most high")
        return self


class Axis(_Part):
    """One latent axis under the aggregate posterior."""

    kl: float  # nats
    mean: float
    std: float
    quantiles: dict[str, Code]

    @model_validator(mode="after")
    def _has_a_range(self) -> "Axis":
        low, high = (self.quantiles.get(key) for key in ("0.025", "0.975"))
        if low is None or high is None or low > high:
            raise ValueError("quantiles: expected 0.025 and 0.975 among them, in order")
        return self


class LiteRT(_Part):
    """The flatbuffers that LiteRT runs, and the number of rows that they take."""

    encoder: Literal["encoder/assets.extra/encoder.tflite"]
    decoder: Literal["decoder/assets.extra/decoder.tflite"]
    rows: Literal[32]


class Runtimes(_Part):
    """What a version carries beside its SavedModels."""

    litert: LiteRT | None = None


class File(_Part):
    """A file of the version, with what it must be."""

    path: str
    size: int
    sha256: Digest


class Manifest(_Part):
    """What ``manifest.json`` says. Keys that this reader does not know are left alone."""

    format_version: Literal[1]
    name: str
    image: Image
    latent_dim: int = Field(ge=1)
    likelihood: Likelihood
    prior: Prior
    walk: Walk = Walk()
    axes: tuple[Axis, ...]
    runtimes: Runtimes = Runtimes()
    examples: tuple[str, ...] = ()
    files: tuple[File, ...]
    digest: Digest

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Manifest":
        if len(self.axes) != self.latent_dim:
            raise ValueError(f"axes: expected {self.latent_dim}, one a latent axis; found {len(self.axes)}")
        if self.walk.axis >= self.latent_dim:
            raise ValueError(f"walk.axis: expected 0 to {self.latent_dim - 1}; found {self.walk.axis}")
        litert, listed = self.runtimes.litert, {file.path for file in self.files}
        named = {
            "runtimes.litert": (litert.encoder, litert.decoder) if litert else (),
            "examples": self.examples,
            "prior.path": (self.prior.path,) if self.prior.path is not None else (),
        }
        for key, paths in named.items():
            for path in paths:
                if path not in listed:
                    raise ValueError(f"{key}: {path} is not among the files")
        return self

    def walk_range(self, axis: int) -> tuple[float, float]:
        """Return where a walk along `axis` begins and ends unless a request says otherwise."""
        if self.walk.low is not None and self.walk.high is not None:
            return self.walk.low, self.walk.high
        quantiles = self.axes[axis].quantiles
        return quantiles["0.025"], quantiles["0.975"]


@dataclasses.dataclass(frozen=True)
class Version:
    """One version that may be served."""

    name: str
    number: int
    folder: Path
    manifest: Manifest

    @functools.cached_property
    def reference(self) -> str:
        """``name@version``, as requests write it."""
        return f"{self.name}@{self.number}"


class InvalidVersion(Exception):
    """A version's folder is not what its manifest says, or has none."""


@dataclasses.dataclass(frozen=True)
class Store:
    """What a scan of the store found.

    Args:
        versions: by name, names and versions in rising order; no name without a version.
        rejected: ``name/version`` -> why it is not served.
    """

    versions: dict[str, tuple[Version, ...]]
    rejected: dict[str, str]

    @property
    def names(self) -> set[str]:
        """Names of all models, including those of which no version can be served."""
        return self.versions.keys() | {version.partition("/")[0] for version in self.rejected}

    @property
    def all(self) -> list[Version]:
        """Every version, by name and in rising order."""
        return [version for versions in self.versions.values() for version in versions]

    def find(self, reference: str, passed_over: Container[str] = ()) -> Version:
        """Return the version that ``name`` (its newest) or ``name@version`` means.

        Args:
            reference: what a request or a setting says.
            passed_over: references that a bare name does not stand for.

        Raises:
            ModelNotFound: there is none; names those there are.
        """
        name, _, number = reference.partition("@")
        for version in reversed(self.versions.get(name, ())):
            if reference == version.reference or (not number and version.reference not in passed_over):
                return version
        raise ModelNotFound(reference, [version.reference for version in self.all])


def scan(folder: Path) -> Store:
    """Read every version in the store and check every file of it against the manifest's checksums.

    Raises:
        StoreError: there is no such folder, or no version in it can be served.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such folder. {_REMEDY}")
    versions: dict[str, tuple[Version, ...]] = {}
    rejected: dict[str, str] = {}
    for model in sorted(path for path in folder.iterdir() if path.is_dir() and NAME.fullmatch(path.name)):
        if model.is_symlink():
            rejected[model.name] = "a symbolic link; a model must lie in the store itself"
            continue
        found = []
        for path in sorted(model.iterdir(), key=lambda path: (len(path.name), path.name)):
            if not VERSION.fullmatch(path.name):
                continue
            try:
                found.append(Version(model.name, int(path.name), path, check(path, model.name)))
            except InvalidVersion as error:
                # File names may hold bytes that are no text, which no JSON answer could carry.
                reason = str(error).encode("ascii", "backslashreplace").decode()
                rejected[f"{model.name}/{path.name}"] = reason
        if found:
            versions[model.name] = tuple(found)
    if not versions:
        reasons = "".join(f" {version}: {reason}." for version, reason in rejected.items())
        raise StoreError(f"{folder}: no model that can be served.{reasons} {_REMEDY}")
    return Store(versions, rejected)


_REMEDY = "Make one with vitrine-train (fit, then export), or name another store by VITRINE_MODEL_STORE."


def check(folder: Path, name: str) -> Manifest:
    """Return the manifest of a version whose every file is as the manifest says, or raise InvalidVersion."""
    content = _read_manifest(folder)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise InvalidVersion(f"manifest.json: {where + ': ' if where else ''}{fault['msg']}") from None
    if manifest.name != name:
        raise InvalidVersion(f"manifest.json: name: expected {name}; found {manifest.name}")
    if manifest.digest != digest(content):
        raise InvalidVersion("manifest.json: changed since it was published (digest differs)")
    _check_files(folder, manifest)
    return manifest


def digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its ``digest``, as JSON with sorted keys and no spaces."""
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if folder.is_symlink() or path.is_symlink():
        raise InvalidVersion("a symbolic link; a version must lie in the store itself")
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise InvalidVersion(f"manifest.json: over {MAX_MANIFEST_BYTES} bytes")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidVersion("no manifest.json") from None
    except OSError as error:
        raise InvalidVersion(f"manifest.json: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise InvalidVersion("manifest.json: not valid JSON") from None
    if not isinstance(content, dict):
        raise InvalidVersion("manifest.json: not a JSON object")
    return content


def _check_files(folder: Path, manifest: Manifest) -> None:
    listed = {file.path: file for file in manifest.files}
    present: set[str] = set()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InvalidVersion(f"{relative}: a symbolic link; a version must lie in the store itself")
        if path.is_file() and relative != "manifest.json":
            present.add(relative)
    for missing in sorted(listed.keys() - present):
        raise InvalidVersion(f"{missing}: missing")
    for added in sorted(present - listed.keys()):
        raise InvalidVersion(f"{added}: not listed in the manifest")
    for relative, file in listed.items():
        try:
            content = (folder / relative).read_bytes()
        except OSError as error:
            raise InvalidVersion(f"{relative}: cannot be read ({error.strerror or error})") from None
        if len(content) != file.size:
            raise InvalidVersion(f"{relative}: {len(content)} bytes, expected {file.size}")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise InvalidVersion(f"{relative}: changed since it was published (SHA-256 differs)")
