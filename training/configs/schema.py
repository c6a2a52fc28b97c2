"""An experiment: one frozen model of the whole TOML file, with the rules between its sections.

The resolved configuration is written beside the result, so a run can be repeated from its own folder.
"""

import copy
import re
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from training.configs import flat, messages, sections
from training.configs.messages import require
from training.errors import ConfigError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # what model_store/README.md allows


class Config(sections.Section):
    """One experiment."""

    name: str  # of the run and of the model in the store; a file that does not give it has its own
    seed: Annotated[int, Field(ge=0, lt=2**32)]  # the one source of randomness: weights, order, draws
    data: sections.Data
    network: sections.Network
    likelihood: sections.Likelihood
    objective: sections.Objective
    prior: sections.Prior = sections.Prior()
    augmentation: sections.Augmentation = sections.Augmentation()
    optimizer: sections.Optimizer
    traversal: sections.Traversal = sections.Traversal()
    # What training begins with: a run folder, or a version's folder; not given: chance.
    start_from: str | None = None

    @property
    def final_phase_begins(self) -> int:
        """The first epoch of the objective's final phase, counted from 0; `epochs` if there is none."""
        phase = self.objective.final_phase
        return self.optimizer.epochs - (phase.epochs if phase else 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, ready for JSON; what is not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def replaced(self, changes: dict[str, Any]) -> "Config":
        """Return the experiment with other values at some dotted keys, or with other sections.

        Args:
            changes: ``{"optimizer.epochs": 3}``, or ``{"objective": {"name": "elbo"}}`` for a whole section.

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

    @model_validator(mode="after")
    def _sections_fit(self) -> "Config":
        """Raise a ``ConfigError`` unless the values fit each other."""
        expected = (
            "at most 64 lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit; "
            "the file is called so, or has a name of this form at its top"
        )
        require(NAME.fullmatch(self.name) is not None, "name", expected, self.name)
        require(self.data.channels in (None, 1, 3), "data.channels", "1 or 3", self.data.channels)
        times, size = len(self.network.channels), self.data.size or ()
        expected = f"sides that can be halved {times} times, once for each of network.channels"
        require(all(side % 2**times == 0 for side in size), "data.size", expected, list(size))

        objective, epochs, keep = self.objective, self.optimizer.epochs, self.optimizer.keep
        if objective.name == "textbook":
            variance = self.likelihood.parameters.get("variance")
            expected = "0.5 of gaussian, whose negative ELBO the textbook's loss is"
            require(variance == 0.5, "likelihood.variance", expected, variance)
        phase, warmup, begins = objective.final_phase, objective.kl_warmup_epochs, self.final_phase_begins
        if phase is not None:
            expected = f"fewer than optimizer.epochs, {epochs}"
            require(phase.epochs < epochs, "objective.final_phase.epochs", expected, phase.epochs)
            expected = f"an end before the final phase, {begins} or less"
            require(warmup <= begins, "objective.kl_warmup_epochs", expected, warmup)
        rateable = keep == "last" or warmup < epochs
        require(rateable, "optimizer.keep", "'last', as KL is warmed up to the end", keep)
        number = self.prior.vamp_components
        alone = objective.name == "elbo" and not objective.free_bits and phase is None
        expected = "0 unless the objective is elbo without free bits or a final phase"
        require(not number or alone, "prior.vamp_components", expected, number)

        walk, latent_dim = self.traversal, self.network.latent_dim
        require(
            walk.axis < latent_dim, "traversal.axis", f"less than network.latent_dim, {latent_dim}", walk.axis
        )
        together = (walk.low is None) == (walk.high is None)
        require(together, "traversal.low", "given together with traversal.high, or neither", walk.low)
        if walk.low is not None and walk.high is not None:
            require(walk.low <= walk.high, "traversal.low", f"at most traversal.high, {walk.high}", walk.low)
        return self


def from_dict(table: dict[str, Any]) -> Config:
    """Build a Config from plain values; the inverse of ``Config.as_dict``.

    Raises:
        ConfigError: a key is unknown, missing, of the wrong type or out of range. The message names it.
    """
    if flat.is_flat(table):
        raise ConfigError("its keys do not stand in sections, as they did not in former versions")
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(messages.explain(error, Config)) from None
