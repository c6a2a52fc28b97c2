"""The models of the Open Inference Protocol that each version gives, and the tensors that they take and give.

A model of the store called NAME gives NAME.encoder, NAME.decoder and NAME.draw. As the last part is always
there, no two models of the store can give one name, whatever points theirs have. Nothing in such a name is
quoted in an address.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from app.engine.work import Array, Operation
from app.explore.grids import MAX_CODE
from app.models import Model

# The least and the greatest float32 in (0, 1) whose logit is finite where subnormal numbers count as 0.
LOWEST_NOISE = float(np.finfo(np.float32).tiny)
HIGHEST_NOISE = 1 - 2**-24


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or an output; its first axis is the batch.

    Args:
        name: as ``model_store/README.md`` has it.
        row: shape of one row.
        low: the lowest number that an input may hold.
        high: the highest.
        limits: what a refusal says of the two.
    """

    name: str
    row: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    limits: str = ""

    @property
    def numbers(self) -> int:
        """Numbers in one row."""
        return math.prod(self.row)

    def describe(self) -> dict[str, object]:
        """Return its metadata: any number of rows."""
        return {"name": self.name, "datatype": "FP32", "shape": [-1, *self.row]}


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a model of the protocol takes, gives and computes.

    Args:
        inputs: in the order of the operation's arguments.
        outputs: in the order in which they are returned.
        operation: rows of the inputs -> rows of a result, all float32.
        split: the result -> each output.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operation: Operation
    split: Callable[[Array], tuple[Array, ...]]


def _encoder(model: Model) -> Signature:
    """Return images -> mean and logarithm of the variance of q(z given x)."""
    code = (model.manifest.latent_dim,)
    limits = "pixels from 0 to 1 (levels divided by 255)"
    images = Tensor("images", model.manifest.image.shape, 0.0, 1.0, limits)
    outputs = Tensor("z_mean", code), Tensor("z_log_var", code)
    return Signature(
        (images,), outputs, model.encoding.unrounded, lambda result: (result[:, 0], result[:, 1])
    )


def _decoder(model: Model) -> Signature:
    """Return codes -> the mean of p(x given z)."""
    return Signature((_code(model),), (_image(model),), model.decoding.unrounded, lambda result: (result,))


def _draw(model: Model) -> Signature:
    """Return codes and uniform noise -> draws from p(x given z)."""
    shape = model.manifest.likelihood.noise_shape
    noise = Tensor("noise", shape, LOWEST_NOISE, HIGHEST_NOISE, "numbers above 0 and below 1")
    inputs = _code(model), noise
    return Signature(inputs, (_image(model),), model.drawing.unrounded, lambda result: (result,))


def _code(model: Model) -> Tensor:
    limits = f"numbers from -{MAX_CODE:g} to {MAX_CODE:g}"
    return Tensor("z", (model.manifest.latent_dim,), -MAX_CODE, MAX_CODE, limits)


def _image(model: Model) -> Tensor:
    return Tensor("image", model.manifest.image.shape)


PARTS: dict[str, Callable[[Model], Signature]] = {"encoder": _encoder, "decoder": _decoder, "draw": _draw}


def names_of(name: str) -> list[str]:
    """Return the names of the protocol's models that a model of the store gives."""
    return [f"{name}.{part}" for part in PARTS]


def split_name(name: str) -> tuple[str, str] | None:
    """Return the store's model and the part of it that a name of the protocol means; None: it means none."""
    model, _, part = name.rpartition(".")
    return (model, part) if model and part in PARTS and "@" not in model else None
