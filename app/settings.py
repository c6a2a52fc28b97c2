"""The one place that reads the environment. Every limit has its unit and a help text."""

import functools
import importlib.util
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import profiles, signing
from app.access import keys
from app.access import signing as urls
from app.access.files import AccessError, read
from app.access.options import AccessOptions
from app.cores import available_cores
from app.errors import StoreError
from app.limits import ConnectionLimits, DecodingOptions, PictureLimits, said_of
from app.store_options import Place, StoreOptions, without_password
from app.variables import PREFIX, URL, misspelt, of_a_service

RENAMED = {"VITRINE_LANES": "VITRINE_WORKER_THREADS"}
COUNTERS = "_VITRINE_COUNTERS"  # set by the parent of several worker processes, for them
PROJECT = Path(__file__).resolve().parent.parent
STORE_HERE = Path("model_store")  # where vitrine-train publishes, if it is not told otherwise
STORE_CARRIED = PROJECT / "app" / "model_store"  # put there by setup.py, in an installation
STORE_OF_PROJECT = PROJECT / "model_store"

# Settings that are files of keys, and what reads them.
_FILES = {"api_keys": keys.parse, "admin_key": keys.parse, "url_key": urls.parse}


class Settings(ConnectionLimits, PictureLimits, DecodingOptions, AccessOptions, StoreOptions, BaseSettings):
    """Everything that an operator can set, each by the environment variable ``VITRINE_`` + its name.

    The environment is not ours alone. Whatever is blank is as if it were not set: compose writes unset
    variables so. A port that is a URL is Kubernetes' word about a Service, and no setting.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    workers: int = Field(
        1, ge=1, le=64, description="Server processes; each holds its own copy of the models."
    )
    model_store: Place = Field(
        default_factory=lambda: _store_found(),
        description="Folder with the models to serve, or an address that fsspec knows, like s3://bucket/prefix.",
    )
    trusted_keys: str | None = Field(
        None,
        description="Public keys of ed25519, of which one must have signed a version that is served: a file "
        "of them, or 64 hexadecimal digits each with commas between. If not set, no version need be signed.",
    )
    store_poll_seconds: float = Field(
        5,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds from one look for new versions and labels to the next; 0: only when told to, by "
        "SIGHUP.",
    )
    model_memory_mib: int | None = Field(
        None,
        ge=1,
        description="MiB that the opened models of one process may take together; those asked for least "
        "recently are unloaded, and opened again on demand. If not set, there is no limit.",
    )
    default_model: str = Field(
        "fashion",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8}(-[0-9a-f]{12})?)?$",
        json_schema_extra={
            "accepted": "NAME, NAME@VERSION or NAME@VERSION-DIGEST, the digest by its first 12 digits"
        },
        description=(
            "Model that answers when a request names none: NAME, NAME@VERSION or NAME@VERSION-DIGEST. "
            "If not set, the only model of a store of one."
        ),
    )
    inference_threads: int = Field(
        1, ge=1, le=256, description="Threads that the runtime may use within one computation."
    )
    worker_threads: int = Field(
        default_factory=lambda given: _threads_for(given),
        ge=1,
        le=256,
        description="Computations at the same time in one process; if not set, one for each of its cores.",
    )
    runtime: Literal["auto", "litert", "tensorflow"] = Field(
        "auto",
        description="What computes; `auto`: LiteRT for versions that carry its files, else TensorFlow.",
    )
    profile: Path | None = Field(
        None,
        description="File of `vitrine bench --tune`; gives worker and inference threads that are not set.",
    )
    max_waiting_images: int = Field(
        8192,
        ge=1,
        le=100_000_000,
        description="Images that may wait in one process, one place in eight kept for requests of up to 32; "
        "beyond it 503 with Retry-After.",
    )
    queue_seconds: float = Field(
        1.5,
        gt=0,
        le=3600,
        description="Seconds that a request may wait for its turn, by the measured rate; beyond it 503 with "
        "Retry-After.",
    )
    deadline_seconds: float = Field(
        10, gt=0, le=3600, description="Seconds that a request may wait and be computed; beyond it 504."
    )
    cache_bytes: int = Field(
        33_554_432,
        ge=0,
        le=2**40,
        description="Bytes of finished pictures of permanent addresses that one process keeps; 0: none.",
    )
    access_log: bool = Field(
        False, description="Write a line for every request; it takes some 7 % of the time of a small picture."
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        description="Log lines for people (`text`), or an object a line (`json`), with the time in UTC.",
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        json_schema_extra={"accepted": "a path like /vitrine, without a slash at its end"},
        description="Path under which a proxy offers the service, like /vitrine; it may strip or keep it.",
    )
    origin: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+)?$",
        json_schema_extra={"accepted": "a scheme and a host like https://pictures.example, without a path"},
        description="Scheme and host by which clients find the service, like https://pictures.example, for "
        "addresses that must have both; if not set, http and the request's Host.",
    )
    drain_seconds: float = Field(
        2,
        ge=0,
        le=3600,
        description="Seconds after SIGTERM in which connections are still accepted, while /readyz says 503: "
        "as long as a load balancer needs to see that.",
    )
    otel_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$",
        json_schema_extra={"accepted": "an address like http://127.0.0.1:4318"},
        description="Collector that traces are sent to by OTLP over HTTP, like http://127.0.0.1:4318; needs "
        "vitrine-vae[otel]. If not set, OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    graceful_seconds: int = Field(
        20, ge=0, le=3600, description="Seconds that requests under way get to finish when the server stops."
    )

    @field_validator("trusted_keys")
    @classmethod
    def _can_be_trusted(cls, given: str | None) -> str | None:
        if given is not None:
            signing.parse_keys(given)
            try:
                signing.require_library()
            except signing.SigningUnavailable as error:
                raise ValueError(str(error)) from None
        return given

    @model_validator(mode="before")
    @classmethod
    def _what_was_meant(cls, found: dict[str, Any]) -> dict[str, Any]:
        meant = {name: value for name, value in found.items() if str(value).strip() or value is None}
        if URL.fullmatch(str(meant.get("port", "")).strip()):
            del meant["port"]
        return meant

    def limits(self) -> dict[str, int]:
        """Return every limit by name, as shown at ``/version``."""
        return {name: value for name, value in self.model_dump().items() if name.startswith("max_")}

    def for_process(self) -> dict[str, str]:
        """Return this process' environment with these settings in it: for another process of ours."""
        meant = {
            name: value.absolute() if isinstance(value, Path) else value
            for name, value in self.model_dump().items()
        }
        # What is blank counts as not set.
        ours = {variable(name): "" if value is None else str(value) for name, value in meant.items()}
        return dict(os.environ) | ours

    def for_store(self, names: Collection[str]) -> "Settings":
        """Return these settings for a store of models called `names`, including those that cannot be served.

        A default model that nobody has set gives way to the only model of a store that lacks it. Who serves
        the first model of their own need not set its name.

        Raises:
            StoreError: nobody has set a default model, and the store leaves a choice.
        """
        if "default_model" in self.model_fields_set or self.default_model in names or not names:
            return self
        if len(names) != 1:
            raise StoreError(
                f"{self.model_store}: several models, and which of them answers when a request names none is "
                f"not set. Set {variable('default_model')} to one of {', '.join(sorted(names))}."
            )
        return self.model_copy(update={"default_model": next(iter(names))})

    @functools.cached_property
    def trusted(self) -> frozenset[str]:
        """The public keys that may have signed a version; none: no version need be signed.

        Raises:
            StoreError: their file cannot be read any more.
        """
        try:
            return frozenset() if self.trusted_keys is None else signing.parse_keys(self.trusted_keys)
        except ValueError as error:
            raise StoreError(f"{variable('trusted_keys')}: {error}") from None

    @property
    def lone_threads(self) -> int:
        """Threads that one computation may use while all others of the process are idle."""
        return max(1, min(self.worker_threads * self.inference_threads, available_cores() // self.workers))

    def too_many_threads(self) -> str | None:
        """Return a warning if more threads may compute at once than there are cores, else None."""
        threads, cores = self.workers * self.worker_threads * self.inference_threads, available_cores()
        if threads <= cores:
            return None
        return (
            f"{threads} threads may compute on {cores} cores: workers={self.workers} x "
            f"worker_threads={self.worker_threads} x inference_threads={self.inference_threads}"
        )


def _store_found() -> Path:
    """Return the store in the current folder, else what an installation carries, else the project's."""
    if STORE_HERE.is_dir():
        return STORE_HERE.absolute()
    return STORE_CARRIED if STORE_CARRIED.is_dir() else STORE_OF_PROJECT


def _threads_for(given: dict[str, Any]) -> int:
    """Return how many computations of one process find a core each, by the settings `given` before."""
    threads: int = given.get("workers", 1) * given.get("inference_threads", 1)
    return min(256, max(1, available_cores() // threads))


class SettingsError(Exception):
    """An environment variable has a value that cannot be used; one line a variable."""


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` win, and a profile gives what neither sets.

    Raises:
        SettingsError: names each variable, what was found and what was expected.
    """
    for old in (name for name in RENAMED if os.environ.get(name, "").strip()):
        raise SettingsError(f"{old}: is called {RENAMED[old]} now; set that one")
    if lines := misspelt(os.environ, [variable(name) for name in Settings.model_fields]):
        raise SettingsError("; ".join(lines))
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"{variable(name := str(fault['loc'][0]))}={without_password(str(fault['input']))[:80]!r}: "
            f"{said_of(Settings.model_fields[name], fault)}"
            for fault in error.errors()
            if fault["type"] != "default_factory_not_called"  # it follows from another's fault
        ]
        raise SettingsError("; ".join(lines)) from None
    for name, parse in _FILES.items():
        if path := getattr(settings, name):
            try:
                read(path, parse)
            except AccessError as error:
                raise SettingsError(f"{variable(name)}={str(path)!r}: {error}") from None
    if settings.otel_endpoint and not can_trace():
        raise SettingsError(
            f"{variable('otel_endpoint')}={settings.otel_endpoint!r}: what sends traces is not installed: "
            "pip install 'vitrine-vae[otel]'"
        )
    if settings.profile is None:
        return settings
    try:
        profile = profiles.read(settings.profile)
    except profiles.ProfileError as error:
        raise SettingsError(f"{variable('profile')}={str(settings.profile)!r}: {error}") from None
    unset = {"worker_threads", "inference_threads"} - settings.model_fields_set
    return settings.model_copy(update=profile.model_dump(include=unset))


def origins(settings: Settings) -> dict[str, str]:
    """Return which settings are not left to their defaults, and by what they were set."""
    found = {}
    for name, field in type(settings).model_fields.items():
        if os.environ.get(variable(name), "").strip():
            found[name] = "environment"
        elif name in settings.model_fields_set:
            found[name] = "option"
        elif getattr(settings, name) != field.get_default(call_default_factory=True, validated_data={}):
            found[name] = f"profile {settings.profile}"
    return found


def can_trace() -> bool:
    """Say whether the packages of the extra ``otel`` are installed; loads none of them."""
    try:
        return all(
            importlib.util.find_spec(name) is not None
            for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
        )
    except ModuleNotFoundError:  # a package above them
        return False


def trace_endpoint(settings: Settings) -> str:
    """Return where traces go: as it is set for us, or by OpenTelemetry's own variable; empty: nowhere."""
    return settings.otel_endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()


def for_decoders() -> dict[str, str]:
    """Return what processes that decode uploads need of the environment: nothing in it is a secret."""
    return {name: value for name in ("LD_LIBRARY_PATH", "PATH") if (value := os.environ.get(name))}


def passed_over() -> str | None:
    """Return a line about variables that look like ours and are Kubernetes' own; None if there are none."""
    found = [name for name, value in sorted(os.environ.items()) if of_a_service(name, value)]
    if not found:
        return None
    return (
        f"passed over, as they tell of a Kubernetes Service and are no settings: {', '.join(found)}. "
        "enableServiceLinks: false keeps them out."
    )


def counters() -> Path | None:
    """Return the folder in which worker processes count together, None if they could not be given one."""
    return Path(found) if (found := os.environ.get(COUNTERS)) else None


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"
