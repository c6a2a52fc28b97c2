"""A trained model as an object: opened from a run folder or from a published version."""

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import tensorflow as tf

from training import data, priors, runs
from training.configs import flat
from training.configs.schema import Config, from_dict
from training.data.ground import Ground
from training.determinism import make_deterministic
from training.errors import ConfigError, RunError
from training.fitting import start
from training.models.likelihoods.base import Likelihood
from training.models.likelihoods.registry import build
from training.models.vae import VariationalAutoencoder
from training.priors import Prior, PriorReport
from training.types import Array, Tensor

logger = logging.getLogger(__name__)

BATCH = 1_000  # images or codes computed at a time
NOISE_EDGE = 1e-6  # a draw's noise is uniform and keeps this far from 0 and 1

Render = Literal["mean", "draw"]


class Posterior(NamedTuple):
    """q(z given x) = N(z_mean, diag(exp(z_log_var))) of N images."""

    z_mean: Array  # (N, D)
    z_log_var: Array  # (N, D)

    def draw(self, rng: np.random.Generator) -> Array:
        """Return one code for every image, (N, D)."""
        noise = rng.standard_normal(self.z_mean.shape, dtype=np.float32)
        return np.asarray(self.z_mean + np.exp(self.z_log_var / 2) * noise)


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """An encoder, a decoder, what its output means, and the prior.

    Methods take and return float32 arrays of any length and compute `BATCH` rows at a time. Images are
    (N, *image_shape) with pixels about [0, 1], codes are (N, D).
    """

    name: str  # with its version if it has one: ``fashion`` or ``fashion@8``
    image_shape: tuple[int, ...]  # (H, W) or (H, W, 3)
    latent_dim: int  # D
    encoder: Callable[..., tuple[Tensor, Tensor]]  # images -> z_mean, z_log_var
    decoder: Callable[..., Tensor]  # codes -> whatever `likelihood` calls ``decoded``
    likelihood: Likelihood  # p(x given z)
    environment: dict[str, Any]  # of the training: data, splits, libraries, machine, weights
    config: Config | None = None  # None if a version does not tell
    trained_with: Prior | None = None  # the prior while the model trained
    prior: Prior | None = None  # p(z); None while it is still to be fitted
    prior_report: PriorReport | None = None  # how the prior was chosen

    @classmethod
    def open(cls, folder: Path) -> "TrainedModel":
        """Open a run folder or a version of a model store; a RunError if it is neither."""
        is_version = (folder / "manifest.json").exists()
        return cls.from_version(folder) if is_version else cls.from_run(folder)

    @classmethod
    def from_run(cls, folder: Path) -> "TrainedModel":
        """Open a finished run, with its prior if it is fitted or needs no fitting; RunError as `load_run`."""
        config, vae, environment = load_run(folder)
        trained_with = priors.learned(vae)
        model = cls(
            name=config.name,
            image_shape=tuple(environment["image_shape"]),
            latent_dim=config.network.latent_dim,
            encoder=vae.encoder,
            decoder=vae.decoder,
            likelihood=vae.likelihood,
            environment=environment,
            config=config,
            trained_with=trained_with,
        )
        known = priors.read(config, trained_with, folder, model.weights_sha256)
        return model if known is None else model.with_prior(*known)

    @classmethod
    def from_version(cls, folder: Path) -> "TrainedModel":
        """Open a version of a model store, codes over its published axes; a RunError if it is none."""

        def encode(images: Array, training: bool = False) -> tuple[Tensor, Tensor]:  # noqa: ARG001
            outputs = call_signature(encoder, "encode", images=images)
            return outputs["z_mean"], outputs["z_log_var"]

        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            encoder, decoder = (tf.saved_model.load(str(folder / part)) for part in ("encoder", "decoder"))
            likelihood = build(manifest["likelihood"]["name"], **manifest["likelihood"]["parameters"])
            training = manifest["training"]
            prior_report = manifest["metrics"].get("prior", {"name": manifest["prior"]["name"]})
            return cls(
                name=f"{manifest['name']}@{folder.resolve().name}",
                image_shape=tuple(manifest["image"]["shape"]),
                latent_dim=manifest["latent_dim"],
                encoder=encode,
                decoder=lambda z, training=False: z,  # noqa: ARG005  the likelihood takes codes themselves
                likelihood=cast(Likelihood, _PublishedLikelihood(likelihood, decoder)),
                environment=training
                | {"image_shape": manifest["image"]["shape"], "seed": training["config"]["seed"]}
                | {"ground": manifest["image"].get("ground")},
                config=_config_of(training["config"]),
                prior=priors.load(manifest["prior"]["name"], folder, manifest["latent_dim"]),
                prior_report=PriorReport.model_validate(prior_report),
            )
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise RunError(f"{folder}: not a version of a model store ({error})") from error

    @property
    def experiment(self) -> Config:
        """The configuration; a RunError if it is not known."""
        if self.config is None:
            raise RunError(f"{self.name}: does not tell its configuration; name a run folder")
        return self.config

    @property
    def weights_sha256(self) -> str:
        """The digest of the weights; see ``vae.weights_sha256``."""
        return str(self.environment["weights_sha256"])

    @property
    def ground(self) -> Ground | None:
        """The ground of the training images; None if nobody measured it."""
        return self.environment.get("ground")

    @property
    def seed(self) -> int:
        """The seed of the experiment, from which whatever is measured draws too."""
        return int(self.environment["seed"])

    def with_prior(self, prior: Prior, report: PriorReport | None = None) -> "TrainedModel":
        """Return the same networks with another prior."""
        return dataclasses.replace(self, prior=prior, prior_report=report or PriorReport(name=prior.name))

    def with_fitted_prior(self, dataset: data.Dataset, run: Path) -> "TrainedModel":
        """Return the model with the prior of its configuration, fitted if it is not yet, without test images.

        The prior is kept in the run folder; a RunError if that cannot be written.
        """
        if self.prior is not None or self.config is None or self.trained_with is None:
            return self
        make_deterministic(self.seed)
        return self.with_prior(
            *priors.prepare(self.config, self.encoder, self.trained_with, dataset, run, self.weights_sha256)
        )

    @property
    def known_prior(self) -> Prior:
        """The prior; a RunError if it is still to be fitted."""
        if self.prior is None:
            raise RunError(f"{self.name}: its prior is not fitted yet; run vitrine-train evaluate on it")
        return self.prior

    def encode(self, images: Array) -> Posterior:
        """Return q(z given x) of images."""
        return Posterior(*_in_batches(lambda batch: self.encoder(batch, training=False), images))

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z) of codes; its pixels may leave [0, 1]."""
        return _in_batches(lambda batch: [self.likelihood.mean(self.decoder(batch, training=False))], z)[0]

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Return one draw from p(x given z) for each code."""
        shape = self.likelihood.noise_shape(self.image_shape)

        def drawn(batch: Array) -> list[Tensor]:
            noise = rng.uniform(NOISE_EDGE, 1 - NOISE_EDGE, (len(batch), *shape)).astype(np.float32)
            return [self.likelihood.draw(self.decoder(batch, training=False), noise)]

        return _in_batches(drawn, z)[0]

    def log_prob(self, images: Array, z: Array) -> Array:
        """Return log p(x given z) of each image under the code beside it, (N,), in nats."""
        log_prob = self.likelihood.log_prob_of_images
        return _in_batches(lambda x, z: [log_prob(x, self.decoder(z, training=False))], images, z)[0]

    def sample(self, num: int, rng: np.random.Generator, render: Render = "mean") -> Array:
        """Return images of `num` codes of the prior: the means of p(x given z), or draws from it."""
        z = self.known_prior.draw(num, rng)
        return self.decode(z) if render == "mean" else self.draw(z, rng)

    def reconstruct(self, images: Array) -> Array:
        """Return the decoded posterior mean of each image."""
        return self.decode(self.encode(images).z_mean)


def load_run(run: Path) -> tuple[Config, VariationalAutoencoder, dict[str, Any]]:
    """Return a run's experiment, its trained network, and what ``environment.json`` and its history say.

    A RunError if the folder is not a finished run, or was changed since.
    """
    config, environment = runs.read(run)
    vae = VariationalAutoencoder(config, tuple(environment["image_shape"]))
    start.read_run(vae, run, environment["weights_sha256"])
    return config, vae, environment | {"history": runs.history(run)}


def _in_batches(function: Callable[..., Sequence[Tensor]], *arrays: Array) -> list[Array]:
    """Return the results of a function of some rows, each joined over all rows."""
    starts = range(0, len(arrays[0]), BATCH)
    parts = [function(*(array[start : start + BATCH] for array in arrays)) for start in starts]
    return [np.concatenate([np.asarray(part) for part in results]) for results in zip(*parts, strict=True)]


def _config_of(table: dict[str, Any]) -> Config | None:
    try:
        return from_dict(flat.in_sections(table) if flat.is_flat(table) else table)
    except ConfigError:
        return None


def call_signature(saved_model: Any, signature: str, **arrays: Tensor) -> dict[str, Tensor]:
    """Return what a SavedModel's signature computes of float32 arrays, by name."""
    inputs = {name: tf.convert_to_tensor(array, tf.float32) for name, array in arrays.items()}
    outputs: dict[str, Tensor] = saved_model.signatures[signature](**inputs)
    return outputs


class _PublishedLikelihood:
    """The likelihood that a version declares, as its decoder computes it: ``decoded`` is the code itself."""

    def __init__(self, declared: Likelihood, decoder: Any) -> None:
        self.declared = declared
        self.decoder = decoder  # signatures work only as long as what they were loaded with lives

    def __getattr__(self, name: str) -> Any:
        return getattr(self.declared, name)

    def mean(self, decoded: Tensor) -> Tensor:
        return call_signature(self.decoder, "decode", z=decoded)["image"]

    def log_prob(self, images: Tensor, decoded: Tensor) -> Tensor:
        return call_signature(self.decoder, "log_prob", z=decoded, images=images)["log_prob_per_pixel"]

    def log_prob_of_images(self, images: Tensor, decoded: Tensor) -> Tensor:
        return call_signature(self.decoder, "log_prob", z=decoded, images=images)["log_prob"]

    def draw(self, decoded: Tensor, noise: Tensor) -> Tensor:
        return call_signature(self.decoder, "draw", z=decoded, noise=noise)["image"]
