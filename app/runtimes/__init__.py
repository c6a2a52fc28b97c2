"""Ways of running a SavedModel: one file each, all with this interface."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Choice = Literal["auto", "litert", "tensorflow"]

# Where a version keeps what LiteRT runs; see model_store/README.md.
LITERT_ENCODER = "encoder/assets.extra/encoder.tflite"
LITERT_DECODER = "decoder/assets.extra/decoder.tflite"

_MODULES = {"litert": "ai_edge_litert", "tensorflow": "tensorflow"}
_INSTALLED_BY = {
    "litert": "make serve",
    "tensorflow": "make train, or pip install -e '.[tensorflow]' in the project's folder",
}
_WITHOUT_PROJECT = {  # as in the container, which has neither make nor pip
    "litert": "install vitrine-vae again, with all that it depends on",
    "tensorflow": "publish it again by vitrine-train export, which writes files for LiteRT, "
    "or serve it where vitrine-vae[tensorflow] is installed",
}
_MAKEFILE = Path(__file__).parents[2] / "Makefile"


class Runtime(Protocol):
    """An opened encoder and decoder. Safe to call from several threads at once; float32 in and out.

    What is returned is the caller's own: no later call changes it.
    """

    @property
    def name(self) -> str:
        """What computes, as ``VITRINE_RUNTIME`` calls it."""

    @property
    def rows(self) -> int | None:
        """The only number of rows that it takes at once; None: any."""

    @property
    def scores(self) -> bool:
        """Whether the version brings ``log_prob``; one of before LiteRT's files had it may not."""

    @property
    def widens(self) -> bool:
        """Whether ``decode_wide`` can have other threads than ``decode``."""

    def encode(self, images: Array) -> tuple[Array, Array]:
        """Return z_mean and z_log_var, each (B, D), of `images`, (B, H, W) in [0, 1]."""

    def decode(self, z: Array) -> Array:
        """Return the mean of p(x given z), (B, H, W), of `z`, (B, D)."""

    def decode_wide(self, z: Array, threads: int) -> Array:
        """Return ``decode``, computed by so many threads, with the same bytes."""

    def draw(self, z: Array, noise: Array) -> Array:
        """Return a draw from p(x given z), (B, H, W), made from uniform `noise` in (0, 1)."""

    def with_parameters(self, z: Array, use: Callable[[Array], Array]) -> Array:
        """Return what `use` makes of what p(x given z) is made of at each pixel, (B, H, W, P), of `z`.

        `use` must not keep it: the memory may be the runtime's. Of versions with ``likelihood.path`` alone,
        which for LiteRT have it in place of ``draw``.
        """

    def log_prob(self, z: Array, images: Array) -> Array:
        """Return log p(x given z) of each pixel in nats, (B, H, W), of `images` in [0, 1] under `z`."""

    def rest_wide(self) -> None:
        """Give back memory that the next ``decode_wide`` can have again."""

    def rest(self, ready: bool = False) -> None:
        """Give back memory that the next call can have again; if `ready`, but for what one caller needs."""


class OpenRuntime(Protocol):
    """Opens the version in `folder`; `threads` is what one computation may use."""

    def __call__(self, folder: Path, threads: int) -> Runtime: ...  # noqa: D102


class RuntimeUnavailable(Exception):
    """The runtime that a version needs is not installed, or it has no file for it.

    With a remedy that can be carried out where it is read: a container has no make.
    """


def choose(choice: Choice, folder: Path) -> Literal["litert", "tensorflow"]:
    """Return what is to run the version in `folder`; imports nothing.

    ``auto`` is LiteRT where the version carries its flatbuffers, else TensorFlow.

    Raises:
        RuntimeUnavailable: says what is missing and how to get it.
    """
    converted = all((folder / path).is_file() for path in (LITERT_ENCODER, LITERT_DECODER))
    if choice == "litert" and not converted:
        raise RuntimeUnavailable(
            "has no flatbuffers for LiteRT: set VITRINE_RUNTIME=auto, or publish it again by vitrine-train"
        )
    if choice == "auto":
        choice = "litert" if converted else "tensorflow"
    if importlib.util.find_spec(_MODULES[choice]) is None:
        remedy = (_INSTALLED_BY if _MAKEFILE.is_file() else _WITHOUT_PROJECT)[choice]
        raise RuntimeUnavailable(f"needs {choice}, which is not installed: {remedy}")
    return choice


def opener(choice: Choice) -> OpenRuntime:
    """Return what opens versions; a runtime is imported with the first version that needs it."""

    def open_version(folder: Path, threads: int) -> Runtime:
        if choose(choice, folder) == "litert":
            from app.runtimes.litert import LiteRTRuntime

            return LiteRTRuntime(folder, threads)
        from app.runtimes.tensorflow import TensorFlowRuntime

        return TensorFlowRuntime(folder, threads)

    return open_version
