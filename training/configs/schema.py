"""An experiment: one frozen model of the whole TOML file, with the rules between its sections.

The resolved configuration is written beside the result, so a run can be repeated from its own folder.
"""

import copy
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from training.configs import flat, messages
from training.configs.messages import require
from training.configs.sections import (
    Conv,
    Dense,
    Elbo,
    FashionMnist,
    Images,
    ImportanceWeighted,
    Likelihood,
    Optimizer,
    Prior,
    Residual,
    Section,
    Spatial,
    Textbook,
    Traversal,
)
from training.errors import ConfigError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # what model_store/README.md allows


def _store_name(name: str) -> str:
    if NAME.fullmatch(name) is None:
        raise ValueError(
            "at most 64 lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit"
        )
    return name


class Config(Section):
    """One experiment.

    Args:
        name: name of the model in the store: lower-case letters, digits, ``-``, ``_`` and ``.``.
        seed: the one source of randomness: initial weights, order of images, posterior draws.
        data: the images.
        network: encoder and decoder.
        likelihood: the observation model.
        objective: what is minimised.
        prior: what codes are drawn from.
        optimizer: how it is minimised.
        traversal: the axes as published.
    """

    name: Annotated[str, AfterValidator(_store_name)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: FashionMnist | Images = Field(discriminator="name")
    network: Dense | Conv | Residual | Spatial = Field(discriminator="kind")
    likelihood: Likelihood = Field(discriminator="name")
    objective: Textbook | Elbo | ImportanceWeighted = Field(discriminator="name")
    prior: Prior = Prior()
    optimizer: Optimizer
    traversal: Traversal = Traversal()

    @model_validator(mode="after")
    def _sections_fit(self) -> "Config":
        _check_size(self)
        _check_objective(self)
        _check_vamp(self)
        _check_traversal(self)
        return self

    @property
    def final_phase_begins(self) -> int:
        """The first epoch of the objective's final phase, counted from 0; `epochs` if there is none."""
        phase = self.objective.final_phase
        return self.optimizer.epochs - (phase.epochs if phase else 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, ready for JSON; what is not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def replaced(self, changes: dict[str, Any]) -> "Config":
        """Return the experiment with other values at some dotted keys.

        Args:
            changes: ``{"optimizer.epochs": 3}``. A value that is a whole section, ``{"objective": {"name":
                "elbo"}}``, takes the section's place.

        Raises:
            ConfigError: as ``from_dict``.
        """
        table = self.as_dict()
        for dotted, value in changes.items():
            *path, key = dotted.split(".")
            section = table
            for part in path:
                section = section[part]
            section[key] = copy.deepcopy(value)
        return from_dict(table)


def from_dict(table: dict[str, Any]) -> Config:
    """Build a Config from plain values; the inverse of ``Config.as_dict``.

    Raises:
        ConfigError: a key is unknown, missing, of the wrong type or out of range. The message names the key,
            what was expected and what was found.
    """
    if flat.is_flat(table):
        raise ConfigError("its keys do not stand in sections, as they did not in former versions")
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(messages.explain(error, Config)) from None


def _check_size(config: Config) -> None:
    times, size = len(config.network.channels), config.data.size or ()
    expected = f"sides that can be halved {times} times, once for each of network.channels"
    require(all(side % 2**times == 0 for side in size), "data.size", expected, list(size))


def _check_objective(config: Config) -> None:
    objective, epochs = config.objective, config.optimizer.epochs
    if objective.name == "textbook":
        variance = config.likelihood.parameters.get("variance")
        expected = "0.5 of gaussian, whose negative ELBO the textbook's loss is"
        require(variance == 0.5, "likelihood.variance", expected, variance)
    phase, warmup = objective.final_phase, objective.kl_warmup_epochs
    if phase is not None:
        expected = f"fewer than optimizer.epochs, {epochs}"
        require(phase.epochs < epochs, "objective.final_phase.epochs", expected, phase.epochs)
        expected = f"an end before the final phase, {config.final_phase_begins} or less"
        require(warmup <= config.final_phase_begins, "objective.kl_warmup_epochs", expected, warmup)
    rateable = config.optimizer.keep == "last" or warmup < epochs
    require(rateable, "optimizer.keep", "'last', as KL is warmed up to the end", config.optimizer.keep)


def _check_vamp(config: Config) -> None:
    objective, number = config.objective, config.prior.vamp_components
    alone = objective.name == "elbo" and not objective.free_bits and objective.final_phase is None
    expected = "0 unless the objective is elbo without free bits or a final phase"
    require(not number or alone, "prior.vamp_components", expected, number)


def _check_traversal(config: Config) -> None:
    walk, latent_dim = config.traversal, config.network.latent_dim
    expected = f"less than network.latent_dim, {latent_dim}"
    require(walk.axis < latent_dim, "traversal.axis", expected, walk.axis)
    together = (walk.low is None) == (walk.high is None)
    require(together, "traversal.low", "given together with traversal.high, or neither", walk.low)
    if walk.low is not None and walk.high is not None:
        require(walk.low <= walk.high, "traversal.low", f"at most traversal.high, {walk.high}", walk.low)
