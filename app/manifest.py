"""What a version's ``manifest.json`` says; the format is defined in ``model_store/README.md``."""

import itertools
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

FORM = "the form in which it is published: indented by 2, in ASCII, with a line feed at its end"


def as_written(content: Any) -> bytes:
    """Return the bytes of ``manifest.json``: one content has one form, so that no byte of it can change."""
    return (json.dumps(content, indent=2) + "\n").encode()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


Size = Annotated[int, Field(ge=1, le=4096)]
Code = Annotated[float, Field(ge=-8, le=8)]  # beyond it a decoder has never been trained
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Tone = Literal["dark", "light"]
Render = Literal["mean", "draw"]  # of a code z: E[x given z], or a draw from p(x given z)


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
    """The observation model that the decoder's ``log_prob`` and ``draw`` belong to.

    `log_level_width` is what turns its log-density at a pixel into the log-probability of an 8-bit level, in
    nats; 0 of one that is such a probability. None: the version does not tell. `path` is the file of arrays
    that draws are made with, where a service makes them of the parameters that the decoder gives.
    """

    name: str
    path: str | None = None
    log_level_width: float | None = None
    parameters: dict[str, Any] = {}
    noise_shape: tuple[Size, ...]


def _as_text(name: Any) -> Any:
    """Return a name with escapes for what is no text: it may come from the bytes of a file's name."""
    return name.encode("utf-8", "backslashreplace").decode() if isinstance(name, str) else name


Text = Annotated[str, BeforeValidator(_as_text)]


class Prior(_Part):
    """The distribution that codes are drawn from.

    A ``gaussian_mixture`` has its arrays in the file `path`; `classes` names the classes that its components
    belong to, if they belong to any.
    """

    name: Literal["standard_normal", "gaussian_mixture"]
    path: str | None = None
    classes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_its_file(self) -> "Prior":
        if (self.path is None) != (self.name == "standard_normal"):
            raise ValueError("path: expected for every prior but standard_normal")
        if self.classes and self.path is None:
            raise ValueError("classes: expected of a mixture alone")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: expected names that differ")
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


def _in_order(quantiles: tuple[float, ...]) -> tuple[float, ...]:
    if any(one > other for one, other in itertools.pairwise(quantiles)):
        raise ValueError("expected numbers in order")
    return quantiles


Quantiles = Annotated[tuple[float, ...], Field(min_length=2), AfterValidator(_in_order)]


class Scores(_Part):
    """How unusual held-out images are, so that a score can be told as a percentile.

    `nats` and `corrected` are quantiles at equal steps of probability from 0 to 1, the larger the more
    unusual: of -L_k, and of what that exceeds the images' complexity by under the compressor `complexity`.
    """

    k: int = Field(ge=1)  # draws of the posterior for each image
    num_images: int = Field(ge=1)
    complexity: str
    nats: Quantiles
    corrected: Quantiles


class Map(_Part):
    """The encoded test set in two dimensions: the files of its arrays and of its thumbnails.

    `columns` thumbnails are in a row of the sprite sheet; `classes` names the classes, if images have any;
    `method` says how positions came of codes.
    """

    path: str
    sprites: str
    num_images: int = Field(ge=1, le=100_000)
    columns: int = Field(ge=1, le=100_000)
    classes: tuple[Text, ...] = ()
    method: str


class LiteRT(_Part):
    """The flatbuffers that LiteRT runs, and the only number of rows that they take; None: any."""

    encoder: Literal["encoder/assets.extra/encoder.tflite"]
    decoder: Literal["decoder/assets.extra/decoder.tflite"]
    rows: Literal[32] | None = None


class SelfTest(_Part):
    """The file of inputs and results that a service computes again when it opens the version."""

    path: str


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
    # What samples of the prior show unless a request says otherwise; versions without the key show means.
    samples_render: Render = "mean"
    axes: tuple[Axis, ...]
    runtimes: Runtimes = Runtimes()
    scores: Scores | None = None
    selftest: SelfTest | None = None
    map: Map | None = None
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
            "map": (self.map.path, self.map.sprites) if self.map is not None else (),
            "selftest": (self.selftest.path,) if self.selftest is not None else (),
            "prior.path": (self.prior.path,) if self.prior.path is not None else (),
            "likelihood.path": (self.likelihood.path,) if self.likelihood.path is not None else (),
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
