"""Profiles: what ``vitrine bench --tune`` has found out about a machine, in one small JSON file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.cores import available_cores

REMEDY = "Make one on this machine: vitrine bench --tune"

Count = Annotated[int, Field(ge=1, le=256)]  # as the settings of the same names


class ProfileError(Exception):
    """A profile cannot be read, or was made for another machine; with the remedy."""


class Rate(BaseModel):
    """What one combination of worker threads and inference threads was measured to do.

    `images_per_second` is by load, ``requests in flight x images in each``: the median over the rounds.
    `scatter` is the median deviation from it, as a part of it; the larger one of the loads.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    worker_threads: Count
    inference_threads: Count
    images_per_second: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    scatter: Annotated[float, Field(ge=0)] = 0.0

    @property
    def overall(self) -> float:
        """Images per second when every load brings as many images: the harmonic mean."""
        rates = self.images_per_second.values()
        return len(rates) / sum(1 / rate for rate in rates)


class Profile(BaseModel):
    """The machine, the model that was measured on it, every rate, and the combination to serve with."""

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    cores: Annotated[int, Field(ge=1)]  # that the process could keep busy
    processor: str
    model: str  # NAME@VERSION
    digest: str
    runtime: str
    worker_threads: Count
    inference_threads: Count
    rates: tuple[Rate, ...]

    def expectation(self, digest: str, runtime: str, worker_threads: int, inference_threads: int) -> str:
        """Say what a process may be expected to do, or why nothing is known of it.

        The model that is served, its runtime and the threads in force may be others than the profile's own.
        """
        if (digest, runtime) != (self.digest, self.runtime):
            return f"no rate is known: the profile is of {self.model} by {self.runtime}"
        combination = f"worker_threads={worker_threads}, inference_threads={inference_threads}"
        for rate in self.rates:
            if (rate.worker_threads, rate.inference_threads) == (worker_threads, inference_threads):
                return f"expecting about {rate.overall:.0f} images/s of a process alone ({combination})"
        return f"no rate is known: the profile does not have {combination}"


def read(path: Path) -> Profile:
    """Return the profile in `path`.

    Raises:
        ProfileError: it cannot be read, is malformed, or was made for another number of cores.
    """
    try:
        profile = Profile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ProfileError(f"cannot be read ({error.strerror or error}). {REMEDY}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ProfileError(f"{where + ': ' if where else ''}{fault['msg']}. {REMEDY}") from None
    cores = available_cores()
    if profile.cores != cores:
        raise ProfileError(f"cores: made for {profile.cores}, and this process may use {cores}. {REMEDY}")
    return profile


def write(path: Path, profile: Profile) -> None:
    """Write a profile as indented JSON."""
    path.write_text(profile.model_dump_json(indent=2) + "\n")
