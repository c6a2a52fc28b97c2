"""An encoder and a decoder from elsewhere as a trained model of the project, by what was found of them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from training.errors import RunError
from training.models.likelihoods.base import Likelihood
from training.models.likelihoods.registry import MIN_VARIANCE, build
from training.priors import StandardNormal
from training.publish.importing import layouts
from training.publish.importing.measuring import Column, Found, Spread
from training.publish.importing.networks import Network
from training.trained import TrainedModel
from training.types import Array, Images, Tensor

LIKELIHOODS = ("bernoulli", "continuous-bernoulli", "gaussian")
BINARY = 0.999  # share of pixels that are black or white, from which on pictures are that
EDGE = 1e-6  # probabilities keep this far from 0 and 1
WIDTHS = tuple(
    float(width) for width in np.geomspace(0.01, 1.0, 9)
)  # of a posterior, for codes of variance one
DEAD = 1e-6  # deviation of a code that does not vary


@dataclasses.dataclass(frozen=True)
class Part:
    """A network of the project's form, whose weights are constants.

    Args:
        function: what it computes of a tensor.
    """

    function: Callable[[Tensor], Any]
    variables: tuple[Any, ...] = ()

    def __call__(self, rows: Tensor, training: bool = False) -> Any:  # noqa: ARG002
        """Return what it computes of rows."""
        return self.function(tf.convert_to_tensor(rows, tf.float32))


@dataclasses.dataclass(frozen=True)
class Moved:
    """Codes moved and scaled, where the encoder gives no width: published z = (z - shift) / scale.

    Args:
        shift: (D,), the mean of the codes of the pictures.
        scale: (D,), their deviation.
        width: of the posterior along every published axis.
    """

    shift: Array
    scale: Array
    width: float


def adapted(
    name: str, found: Found, encoder: Network, decoder: Network, pictures: Images, likelihood: str | None
) -> tuple[TrainedModel, Moved | None, str]:
    """Return the model, how its codes are moved, and why it has the likelihood that it has.

    Args:
        name: of the model.
        found: what the networks are.
        encoder: from elsewhere.
        decoder: from elsewhere.
        pictures: in the polarity that the networks know.
        likelihood: its name; None: chosen by the pictures.
    """
    shape = found.out_of.shape
    mean_of = _mean_image(found, decoder)
    moved = None if found.spread else _moved(_codes(found, encoder, pictures), mean_of, pictures)
    encode = Part(_posterior(found, encoder, moved))
    z_mean, z_log_var = (np.asarray(each) for each in _in_batches(encode, pictures))
    binary = float(np.mean((pictures < 0.02) | (pictures > 0.98)))
    chosen = likelihood or ("bernoulli" if binary >= BINARY else "gaussian")
    why = (
        "as asked for" if likelihood else f"as {binary:.1%} of the pixels of the pictures are black or white"
    )
    if chosen == "gaussian":
        noise = np.random.default_rng(0).standard_normal(z_mean.shape, dtype=np.float32)
        error = _error(mean_of, _back(z_mean + np.exp(z_log_var / 2) * noise, moved), pictures)
        parameters = {"variance": max(error, MIN_VARIANCE * 1.000001)}
    else:
        parameters = {}
    observed: Likelihood = build(chosen, **parameters)
    model = TrainedModel(
        name=name,
        image_shape=shape,
        latent_dim=found.latent_dim,
        encoder=encode,
        decoder=Part(_parameters(found, decoder, moved, chosen)),
        likelihood=observed,
        environment={"seed": 0, "image_shape": list(shape)},
        prior=StandardNormal(found.latent_dim),
    )
    return model, moved, why


def require_finite(model: TrainedModel, images: Images) -> None:
    """Refuse a model that gives what is not a number for its own pictures."""
    posterior = model.encode(images)
    if not all(np.isfinite(each).all() for each in (*posterior, model.decode(posterior.z_mean))):
        raise RunError(
            f"{model.name}: gives what is not a number for its own pictures; nothing was published"
        )


def _posterior(found: Found, encoder: Network, moved: Moved | None) -> Callable[[Tensor], Any]:
    """Return a function of images (B, *shape): z_mean and z_log_var, (B, D) each."""
    columns = [found.mean, *([found.spread[0]] if found.spread else [])]
    names = tuple(dict.fromkeys(column.output for column in columns))
    run = encoder.only(names)

    def posterior(images: Tensor) -> tuple[Tensor, Tensor]:
        seen = layouts.exchanged(layouts.to_scale(images, found.way.taken), found.way.swapped)
        outputs = dict(zip(names, run(found.into.to_network(seen)), strict=True))
        z_mean = _column(outputs, found.mean, found.latent_dim)
        if found.spread is None and moved is not None:
            z_mean = (z_mean - moved.shift) / moved.scale
            return z_mean, tf.zeros_like(z_mean) + 2 * math.log(moved.width)
        assert found.spread is not None  # noqa: S101  for mypy
        column, spread = found.spread
        return z_mean, _log_variance(_column(outputs, column, found.latent_dim), spread)

    return posterior


def _column(outputs: dict[str, Tensor], column: Column, latent_dim: int) -> Tensor:
    rows = outputs[column.output]
    if column.half is None:
        return tf.reshape(rows, (-1, latent_dim))
    return tf.reshape(rows, (-1, 2, latent_dim))[:, column.half]


def _log_variance(said: Tensor, spread: Spread) -> Tensor:
    if spread == "z_log_var":
        return said
    if spread == "z_log_std":
        return 2.0 * said
    return tf.math.log(tf.maximum(said, 1e-12)) * (2.0 if spread == "z_std" else 1.0)


def _raw_image(found: Found, decoder: Network) -> Callable[[Tensor], Tensor]:
    """Return a function of codes (B, D): what the decoder gives, as images on its own scale."""
    run = decoder.only(decoder.outputs[:1])

    def raw(z: Tensor) -> Tensor:
        (pixels,) = run(tf.reshape(z, (-1, *found.code_shape)))
        return layouts.exchanged(found.out_of.from_network(pixels), found.way.swapped)

    return raw


def _mean_image(found: Found, decoder: Network) -> Callable[[Tensor], Tensor]:
    """Return a function of the decoder's own codes (B, D): images about [0, 1]."""
    raw = _raw_image(found, decoder)
    return lambda z: layouts.from_scale(raw(z), found.way.given)


def _parameters(
    found: Found, decoder: Network, moved: Moved | None, likelihood: str
) -> Callable[[Tensor], Tensor]:
    """Return a function of published codes: what the likelihood takes for a pixel, (B, *shape, 1)."""
    raw, mean = _raw_image(found, decoder), _mean_image(found, decoder)

    def parameters(z: Tensor) -> Tensor:
        codes = _back(z, moved)
        if likelihood == "gaussian":
            return mean(codes)[..., None]
        if found.way.given == "logits":
            return raw(codes)[..., None]
        probability = tf.clip_by_value(mean(codes), EDGE, 1 - EDGE)
        return (tf.math.log(probability) - tf.math.log(1 - probability))[..., None]

    return parameters


def _back(z: Any, moved: Moved | None) -> Any:
    """Return the decoder's own codes of published ones."""
    return z if moved is None else z * moved.scale + moved.shift


def _codes(found: Found, encoder: Network, pictures: Images) -> Array:
    """Return what an encoder without a width gives, (N, D)."""
    same = Moved(np.zeros(1, np.float32), np.ones(1, np.float32), 1.0)
    return np.asarray(_in_batches(Part(_posterior(found, encoder, same)), pictures)[0])


def _moved(codes: Array, mean_of: Callable[[Tensor], Tensor], pictures: Images) -> Moved:
    """Return how codes without a width become a VAE's: of variance one, the width that of the best ELBO.

    log p(x given z) is -N / 2 log v and a constant, v the variance that the width leaves.
    """
    shift = codes.mean(axis=0)
    scale = codes.std(axis=0)
    scale = np.where(scale < DEAD, 1, scale).astype(np.float32)
    z_mean = (codes - shift) / scale
    noise = np.random.default_rng(0).standard_normal(z_mean.shape, dtype=np.float32)

    def elbo(width: float) -> float:
        error = _error(mean_of, (z_mean + width * noise) * scale + shift, pictures)
        kl = 0.5 * float(np.mean(np.sum(z_mean**2 + width**2 - 1 - 2 * math.log(width), axis=1)))
        return float(-0.5 * pictures[0].size * math.log(max(error, MIN_VARIANCE)) - kl)

    return Moved(shift, scale, max(WIDTHS, key=elbo))


def _error(mean_of: Callable[[Tensor], Tensor], codes: Array, pictures: Images) -> float:
    """Return the mean squared error of a pixel of images decoded from codes, (N, D)."""
    (decoded,) = _in_batches(lambda z: [mean_of(tf.convert_to_tensor(z, tf.float32))], codes)
    return float(np.mean((decoded - pictures) ** 2, dtype=np.float64))


def _in_batches(function: Callable[[Array], Any], rows: Array, size: int = 256) -> list[Array]:
    parts = [function(rows[start : start + size]) for start in range(0, len(rows), size)]
    return [np.concatenate([np.asarray(each) for each in column]) for column in zip(*parts, strict=True)]
