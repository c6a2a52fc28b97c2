"""What KL is made of: information about the image, and how far the prior is from all codes together.

Hoffman & Johnson 2016: averaged over the training images, KL(q(z given x) || p(z)) is I_q(x; z) +
KL(q(z) || p(z)), where q(z) is the aggregate posterior, the average of all their posteriors. Only the second
term is the prior's fault, and only it can be lowered by fitting one.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training import data
from training.models import objectives
from training.priors import Prior, StandardNormal

DRAWS = 2_000
ENCODE_BATCH = 1_000
POSTERIORS = 5_000  # densities of all draws held at once: 80 MB
PROTOCOL = (
    f"{DRAWS} draws of q(z), the exact mixture of the posteriors of all training images; standard error over "
    "draws. The information is about which training image it was, and cannot exceed the logarithm of their "
    "number"
)

Doubles = npt.NDArray[np.float64]


def posterior_prior_gap(
    encoder: keras.Model,
    prior: Prior,
    images: data.Images,
    seed: int,
    report: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Return the two terms of the averaged KL, in nats, for the model's prior and for N(0, I).

    Args:
        encoder: images -> z_mean, z_log_var.
        prior: p(z).
        images: the training split.
        seed: of the draws.
        report: called with a line.

    Returns:
        ``information`` and its ``information_standard_error``; ``most_information``, log N; ``priors``, for
        each by name ``kl`` (mean of KL(q(z given x) || p)), ``marginal_kl`` (KL(q(z) || p)) and its
        ``standard_error``, for N(0, I) also ``kl_closed_form``; ``num_draws`` and ``protocol``.
    """
    report(
        f"posteriors against the prior: {DRAWS} draws in the mixture of {len(images)}, about a minute at most"
    )
    encoded = [encoder(batch, training=False) for batch in data.batches(images, ENCODE_BATCH)]
    z_mean = np.concatenate([np.asarray(mean, np.float64) for mean, _ in encoded])
    z_log_var = np.concatenate([np.asarray(log_var, np.float64) for _, log_var in encoded])
    return gap_of(z_mean, z_log_var, prior, seed)


def gap_of(
    z_mean: Doubles, z_log_var: Doubles, prior: Prior, seed: int, draws: int = DRAWS
) -> dict[str, Any]:
    """Do as ``posterior_prior_gap`` for posteriors N(z_mean, diag(exp(z_log_var))), (N, D) each."""
    rng = np.random.default_rng(seed)
    # As even as can be: every image the same number of times, and which get one more is chance.
    chosen = rng.permutation(
        np.concatenate([rng.permutation(len(z_mean)) for _ in range(-(-draws // len(z_mean)))])[:draws]
    )
    mean, log_var = z_mean[chosen], z_log_var[chosen]
    z = mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)
    log_posterior = -0.5 * np.sum(
        (z - mean) ** 2 * np.exp(-log_var) + log_var + math.log(2 * math.pi), axis=1
    )
    log_aggregate = log_aggregate_posterior(z, z_mean, z_log_var)
    information = log_posterior - log_aggregate
    candidates: list[Prior] = [prior]
    if not isinstance(prior, StandardNormal):
        candidates.append(StandardNormal(z.shape[1]))
    found = {}
    for candidate in candidates:
        log_prior = np.asarray(candidate.log_prob(tf.constant(z, tf.float32)), np.float64)
        marginal = log_aggregate - log_prior
        found[candidate.name] = {
            "kl": float(np.mean(log_posterior - log_prior)),
            "marginal_kl": float(marginal.mean()),
            "standard_error": float(marginal.std(ddof=1) / math.sqrt(draws)),
        }
        if isinstance(candidate, StandardNormal):  # known exactly, for all images
            found[candidate.name]["kl_closed_form"] = float(
                np.mean(np.sum(objectives.kl_per_axis(z_mean, z_log_var), axis=1))
            )
    return {
        "information": float(information.mean()),
        "information_standard_error": float(information.std(ddof=1) / math.sqrt(draws)),
        "most_information": math.log(len(z_mean)),
        "priors": found,
        "num_draws": draws,
        "protocol": PROTOCOL,
    }


def log_aggregate_posterior(z: Doubles, z_mean: Doubles, z_log_var: Doubles) -> Doubles:
    """Return log (1/N) sum_i N(z; z_mean_i, diag(exp(z_log_var_i))) of codes (M, D), shape (M,), in nats.

    Squares are multiplied out into two matrix products, in float64: narrow posteriors would lose them in
    float32.
    """
    total = np.full(len(z), -np.inf)
    squares = z**2
    for start in range(0, len(z_mean), POSTERIORS):
        mean, log_var = z_mean[start : start + POSTERIORS], z_log_var[start : start + POSTERIORS]
        precision = np.exp(-log_var)
        constant = np.sum(mean**2 * precision + log_var + math.log(2 * math.pi), axis=1)
        log_density = -0.5 * (squares @ precision.T - 2 * z @ (mean * precision).T + constant)
        largest = log_density.max(axis=1)
        chunk = largest + np.log(np.exp(log_density - largest[:, None]).sum(axis=1))
        total = np.logaddexp(total, chunk)
    return np.asarray(total - math.log(len(z_mean)))
