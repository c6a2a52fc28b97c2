"""An experiment: one TOML file, one frozen dataclass.

The resolved configuration is written beside the result, so a run can be repeated from its own folder.
"""

import dataclasses
import difflib
import math
import re
import tomllib
from pathlib import Path
from typing import Any

from training.errors import ConfigError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # what model_store/README.md allows
OPTIMIZERS = ("adam", "nadam")
NETWORKS = ("dense", "conv", "residual", "spatial")
AXIS_ORDERS = ("canonical", "as-trained")
SCHEDULES = ("constant", "cosine")
KEPT = ("last", "best")
PRECISIONS = ("float32", "bfloat16")
OBJECTIVES = ("textbook", "elbo", "iwae", "dreg")
TAILS = ("", "iwae", "dreg")
LIKELIHOODS = (  # training.models.likelihoods.NAMES, which cannot be asked without loading TensorFlow
    "gaussian",
    "gaussian-shared",
    "gaussian-per-pixel",
    "bernoulli",
    "continuous-bernoulli",
    "discretized-logistic",
    "autoregressive-logistic",
)
MIN_VARIANCE = 1 / (2 * math.pi * 255**2)  # training.models.likelihoods.MIN_VARIANCE, for the same reason


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment.

    Args:
        name: name of the model in the store: lower-case letters, digits, ``-``, ``_`` and ``.``.
        data: name of the data set: ``fashion-mnist``, or ``images``: whatever ``--data`` names.
        latent_dim: number of latent axes, D.
        encoder_units: widths of the encoder's dense hidden layers, from the image inwards.
        decoder_units: widths of the decoder's dense hidden layers, from z outwards.
        network: ``dense``, or between the image and the dense layers: ``conv``, convolutions; ``residual``,
            residual convolutions, fewer weights for the same work; ``spatial``, those with a second level of
            latent axes, a map.
        channels: widths of the convolutions, from the image inwards; each halves the image. Not of ``dense``.
        residual_blocks: blocks at the smallest size, of ``residual`` and ``spatial``.
        spatial_channels: channels of the map of ``spatial``, whose axes are part of latent_dim.
        likelihood: the observation model p(x given z) that the exported decoder declares.
        likelihood_variance: variance of ``gaussian``, per pixel, for pixels in [0, 1]; for that one alone. At
            least 2.45e-6: narrower, one of 256 levels could have a probability above one.
        likelihood_components: logistics in the mixture of ``discretized-logistic`` or
            ``autoregressive-logistic``.
        objective: ``textbook`` is the squared error averaged over pixels plus KL over pixels;
            ``elbo`` is the negative ELBO in nats per image; ``iwae`` is -L_k, ``dreg`` -L_k with the doubly
            reparameterised gradient. ``textbook`` goes with a Gaussian of variance 1/2 alone.
        optimizer: ``adam`` or ``nadam``.
        learning_rate: step size of the optimizer, the highest one where it changes.
        learning_rate_schedule: ``constant``, or ``cosine``: a rise over the first 5 % of the steps, then a
            fall to nearly nothing along a cosine.
        ema_momentum: momentum of the average of the weights, which then stands for them in validation and in
            the result; 0: no average.
        precision: what the networks compute in while they train: ``float32``, or ``bfloat16``, products of 8
            significant bits. Weights, draws and likelihoods are float32 in either case, and so is all that is
            evaluated and published.
        epochs: passes over the training split.
        keep: the weights that are the result: those of the ``last`` epoch, or of the ``best`` one, by the
            bound on validation after KL warm-up.
        batch_size: images in one step.
        seed: the one source of randomness: initial weights, order of images, posterior draws.
        k: draws of q(z given x) for each image, of ``iwae`` and ``dreg``, also as a tail.
        tail_objective: ``iwae`` or ``dreg``, which takes over from ``elbo`` for the last epochs; empty: none.
        tail_epochs: how many of `epochs` are the tail's.
        beta: weight of KL in training, of ``elbo``. Validation and evaluation always use 1.
        kl_warmup_epochs: epochs over which that weight rises from 0 to beta, in equal steps a batch.
        free_bits: nats that each axis may carry before it costs anything, of ``elbo``.
        mean_weight: weight of the mean image's squared error in training, nats for each squared unit, of
            ``elbo``: for a likelihood that could do with a poor mean image. Validation does not know it.
        vamp_components: posteriors of learned pseudo-images whose mixture is the prior while the model trains
            (a VampPrior); 0: it is N(0, I). Of ``elbo`` without free bits.
        axis_order: ``canonical``: axes are published by falling KL, each in a stated direction (``axes``);
            ``as-trained``: as they are.
        prior_components: numbers of Gaussians to try as a prior fitted after training; the best on validation
            images is kept. Empty: the prior is the one that the model was trained with.
        prior_flow_layers: affine couplings of a normalizing flow that bends the best of those further, and is
            kept if it is better on validation images; 0: no flow is tried.
        prior_flow_units: hidden units of each of them.
        image_size: height and width that images are fitted to; not given, training.data.shapes chooses. Of
            ``images``.
        image_channels: 1 for grey, 3 for colour; not given, grey if every image is. Of ``images``.
        walk_axis: axis that an interpolation walks along unless asked otherwise.
        walk_low: where the walk begins; not given, the axis' own 2.5 % quantile.
        walk_high: where the walk ends; not given, the axis' own 97.5 % quantile.
        walk_steps: images in the walk.
    """

    name: str
    data: str
    latent_dim: int
    encoder_units: tuple[int, ...]
    decoder_units: tuple[int, ...]
    likelihood: str
    objective: str
    optimizer: str
    learning_rate: float
    epochs: int
    batch_size: int
    seed: int
    likelihood_variance: float | None = None
    likelihood_components: int = 1
    network: str = "dense"
    channels: tuple[int, ...] = ()
    residual_blocks: int = 0
    spatial_channels: int = 0
    learning_rate_schedule: str = "constant"
    ema_momentum: float = 0.0
    precision: str = "float32"
    keep: str = "last"
    k: int = 1
    tail_objective: str = ""
    tail_epochs: int = 0
    beta: float = 1.0
    kl_warmup_epochs: int = 0
    free_bits: float = 0.0
    mean_weight: float = 0.0
    vamp_components: int = 0
    axis_order: str = "canonical"
    prior_components: tuple[int, ...] = ()
    prior_flow_layers: int = 0
    prior_flow_units: int = 128
    image_size: tuple[int, ...] = ()
    image_channels: int | None = None
    walk_axis: int = 0
    walk_low: float | None = None
    walk_high: float | None = None
    walk_steps: int = 7

    def __post_init__(self) -> None:
        _require(self.objective in OBJECTIVES, "objective", f"one of {OBJECTIVES}", self.objective)
        _require(self.network in NETWORKS, "network", f"one of {NETWORKS}", self.network)
        convolutions = bool(self.channels) == (self.network != "dense")
        _require(convolutions, "channels", "one width or more, but none for dense", self.channels)
        for field, kinds in (
            ("residual_blocks", ("residual", "spatial")),
            ("spatial_channels", ("spatial",)),
        ):
            value = getattr(self, field)
            fits = value > 0 if self.network in kinds else value == 0
            _require(fits, field, f"1 or more for {' and '.join(kinds)}, else 0", value)
        own = self.data == "images"
        for field in ("image_size", "image_channels"):
            value = getattr(self, field)
            _require(own or not value, field, 'left out: it belongs to data = "images" alone', value)
        sides = len(self.image_size) in (0, 2) and all(side > 0 for side in self.image_size)
        _require(sides, "image_size", "height and width, greater than zero", self.image_size)
        times = len(self.channels)
        halved = all(side % 2**times == 0 for side in self.image_size)
        expected = f"sides that can be halved {times} times, once for each of channels"
        _require(halved, "image_size", expected, self.image_size)
        channels = self.image_channels
        _require(channels in (None, 1, 3), "image_channels", "1 or 3", channels)
        schedule = self.learning_rate_schedule
        _require(schedule in SCHEDULES, "learning_rate_schedule", f"one of {SCHEDULES}", schedule)
        _require(self.axis_order in AXIS_ORDERS, "axis_order", f"one of {AXIS_ORDERS}", self.axis_order)
        _require(0 <= self.ema_momentum < 1, "ema_momentum", "0 to below 1", self.ema_momentum)
        _require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {OPTIMIZERS}", self.optimizer)
        _require(self.likelihood in LIKELIHOODS, "likelihood", f"one of {LIKELIHOODS}", self.likelihood)
        _require(
            NAME.fullmatch(self.name) is not None,
            "name",
            "at most 64 lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit",
            self.name,
        )
        _require(0 <= self.seed < 2**32, "seed", "0 to 2^32 - 1", self.seed)
        fixed = self.likelihood == "gaussian"
        variance = self.likelihood_variance
        known = variance is not None and MIN_VARIANCE <= variance < math.inf
        expected = "2.45e-6 or more, and finite" if fixed else "left out: it belongs to gaussian alone"
        _require(known if fixed else variance is None, "likelihood_variance", expected, variance)
        for field in ("latent_dim", "epochs", "batch_size", "learning_rate", "likelihood_components"):
            value = getattr(self, field)
            _require(0 < value < math.inf, field, "greater than zero and finite", value)
        for field in ("encoder_units", "decoder_units", "channels"):
            units = getattr(self, field)
            _require(all(n > 0 for n in units), field, "widths greater than zero", units)
        numbers = self.prior_components
        _require(all(n > 0 for n in numbers), "prior_components", "numbers greater than zero", numbers)
        _require(self.prior_flow_layers >= 0, "prior_flow_layers", "zero or more", self.prior_flow_layers)
        _require(self.prior_flow_units > 0, "prior_flow_units", "greater than zero", self.prior_flow_units)
        _require(0 <= self.walk_axis < self.latent_dim, "walk_axis", "0 to latent_dim - 1", self.walk_axis)
        _require(2 <= self.walk_steps <= 64, "walk_steps", "2 to 64", self.walk_steps)
        _require(
            (self.walk_low is None) == (self.walk_high is None),
            "walk_low",
            "given together with walk_high, or neither",
            self.walk_low,
        )
        if self.walk_low is not None and self.walk_high is not None:
            ordered = -8 <= self.walk_low <= self.walk_high <= 8  # what the service lets a request ask for
            ends = (self.walk_low, self.walk_high)
            _require(ordered, "walk_low", "-8 to walk_high, which is at most 8", ends)
        tail = self.tail_objective
        _require(tail in TAILS, "tail_objective", f"one of {TAILS}", tail)
        plain = not tail or (self.objective == "elbo" and not self.vamp_components)
        _require(plain, "tail_objective", "left out unless the objective is elbo without a VampPrior", tail)
        within = 0 < self.tail_epochs < self.epochs if tail else self.tail_epochs == 0
        expected = "1 or more, fewer than epochs, with a tail_objective, else 0"
        _require(within, "tail_epochs", expected, self.tail_epochs)
        warm = not tail or self.kl_warmup_epochs <= self.tail_begins
        _require(warm, "kl_warmup_epochs", "an end before the tail", self.kl_warmup_epochs)
        weighted = bool(tail) or self.objective in ("iwae", "dreg")
        _require(self.k >= 2 if weighted else self.k == 1, "k", "2 or more for iwae and dreg, else 1", self.k)
        vamp = self.vamp_components
        _require(vamp >= 0, "vamp_components", "0 or more", vamp)
        alone = not vamp or (self.objective == "elbo" and not self.free_bits)
        _require(alone, "vamp_components", "0 unless the objective is elbo without free bits", vamp)
        for field, usual in (
            ("beta", 1.0),
            ("kl_warmup_epochs", 0),
            ("free_bits", 0.0),
            ("mean_weight", 0.0),
        ):
            value = getattr(self, field)
            _require(0 <= value < math.inf, field, "zero or more, and finite", value)
            alone = self.objective == "elbo" or value == usual
            _require(alone, field, f"{usual} unless the objective is elbo", value)
        _require(self.precision in PRECISIONS, "precision", f"one of {PRECISIONS}", self.precision)
        _require(self.keep in KEPT, "keep", f"one of {KEPT}", self.keep)
        rateable = self.keep == "last" or self.kl_warmup_epochs < self.epochs
        _require(rateable, "keep", "last, as KL is warmed up to the end", self.keep)
        if self.objective == "textbook":
            _require(
                self.likelihood == "gaussian" and self.likelihood_variance == 0.5,
                "likelihood_variance",
                "0.5, the variance whose negative ELBO the textbook's loss is",
                self.likelihood_variance,
            )

    @property
    def tail_begins(self) -> int:
        """The first epoch of the tail, counted from 0; `epochs` if there is none."""
        return self.epochs - self.tail_epochs

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, ready for JSON."""
        return dataclasses.asdict(self)


def load(path: Path) -> Config:
    """Read an experiment from a TOML file.

    Raises:
        ConfigError: the file cannot be read or parsed, or a key is unknown, missing, of the wrong type
            or out of range. The message names the file, the key, what was expected and what was found.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); name a .toml file") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    try:
        return from_dict(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def from_dict(table: dict[str, Any]) -> Config:
    """Build a Config from plain values; the inverse of ``Config.as_dict``.

    Raises:
        ConfigError: as ``load``.
    """
    fields = {field.name: field for field in dataclasses.fields(Config)}
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(fields)}"
            raise ConfigError(f"unknown key {key!r}{hint}")
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in table]
    if missing:
        raise ConfigError(f"missing {'key' if len(missing) == 1 else 'keys'}: {', '.join(missing)}")
    return Config(**{key: _typed(key, value, fields[key].type) for key, value in table.items()})


def _typed(key: str, value: Any, kind: Any) -> Any:
    """Return `value` as the field's type; a whole number may stand for a float, nothing else is converted."""
    if kind is str:
        _require(isinstance(value, str), key, "text", value)
    elif kind is bool:
        _require(isinstance(value, bool), key, "true or false", value)
    elif kind is int or (kind == int | None and value is not None):
        _require(isinstance(value, int) and not isinstance(value, bool), key, "a whole number", value)
    elif kind == tuple[int, ...]:
        whole = isinstance(value, list | tuple) and all(type(item) is int for item in value)
        _require(whole, key, "a list of whole numbers", value)
        return tuple(value)
    elif value is not None or kind is float:
        _require(isinstance(value, int | float) and not isinstance(value, bool), key, "a number", value)
        return float(value)
    return value


def _require(holds: bool, key: str, expectation: str, received: Any) -> None:
    if not holds:
        raise ConfigError(f"{key}: expected {expectation}. Received: {received!r}")
