"""What KL is made of: information about the image, and how far the prior is from all codes together.

Hoffman & Johnson 2016: averaged over the training images, KL(q(z given x) || p(z)) is I_q(x; z) +
KL(q(z) || p(z)), where q(z) is the aggregate posterior, the average of all their posteriors. Fitting a prior
lowers the second term alone. D is the number of latent axes, q(z given x) = N(z_mean, diag(exp(z_log_var))).
"""

import logging
import math

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from training.models import latent_axes, objectives
from training.models.latent_axes import Axis
from training.priors import Prior, StandardNormal
from training.types import Array, Doubles, ReportSection

logger = logging.getLogger(__name__)

DRAWS = 2_000
SATURATED = 0.1  # nats of information below the most that there can be
POSTERIORS = 5_000  # densities of all draws held at once: 80 MB
QUANTILES = (0.01, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.99)
MAX_CODE = 8.0  # what the service lets a request ask for, on either side of zero
PROTOCOL = (
    f"{DRAWS} draws of q(z), the exact mixture of the posteriors of all training images; standard error over "
    "draws. The information is about which training image it was, and cannot exceed the logarithm of their "
    "number"
)


class KLTerms(ReportSection):
    """The averaged KL to one prior p, in nats an image."""

    kl: float  # mean of KL(q(z given x) || p)
    marginal_kl: float  # KL(q(z) || p)
    standard_error: float  # of `marginal_kl`, over draws
    kl_closed_form: float | None = None  # of N(0, I): exact, over all images


class KLDecomposition(ReportSection):
    """The two terms of the averaged KL, in nats an image; the second for each prior."""

    information: float
    information_standard_error: float
    most_information: float  # log N
    priors: dict[str, KLTerms]  # by name: the model's, and N(0, I)
    num_draws: int
    protocol: str

    @property
    def is_saturated(self) -> bool:
        """Whether every draw told its training image: then KL(q(z) || p) is KL less log N, whatever p is."""
        return self.information > self.most_information - SATURATED


def decompose(
    z_mean: Array, z_log_var: Array, prior: Prior, seed: int, draws: int = DRAWS
) -> KLDecomposition:
    """Return the two terms of the averaged KL for the model's prior and for N(0, I).

    The posteriors, (N, D), are those of the training images; `draws` codes are drawn from q(z).
    """
    logger.info("KL to the prior: %d draws in the mixture of %d, a minute at most", draws, len(z_mean))
    means, log_vars = z_mean.astype(np.float64), z_log_var.astype(np.float64)
    rng = np.random.default_rng(seed)
    # As even as can be: every image the same number of times, and which get one more is chance.
    rounds = [rng.permutation(len(means)) for _ in range(-(-draws // len(means)))]
    chosen = rng.permutation(np.concatenate(rounds)[:draws])
    mean, log_var = means[chosen], log_vars[chosen]
    z = mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)
    quadratic = (z - mean) ** 2 * np.exp(-log_var)
    log_posterior = -0.5 * np.sum(quadratic + log_var + math.log(2 * math.pi), axis=1)
    log_aggregate = log_aggregate_posterior(z, means, log_vars)
    information = log_posterior - log_aggregate
    standard = StandardNormal(z.shape[1])
    terms = {
        name: _terms(log_posterior, log_aggregate, candidate.log_prob(tf.constant(z, tf.float32)))
        for name, candidate in {prior.name: prior, standard.name: standard}.items()
    }
    exact = float(np.mean(np.sum(objectives.kl_per_axis(means, log_vars), axis=1)))
    terms[standard.name] = terms[standard.name].model_copy(update={"kl_closed_form": exact})
    return KLDecomposition(
        information=float(information.mean()),
        information_standard_error=float(information.std(ddof=1) / math.sqrt(draws)),
        most_information=math.log(len(z_mean)),
        priors=terms,
        num_draws=draws,
        protocol=PROTOCOL,
    )


def _terms(log_posterior: Doubles, log_aggregate: Doubles, log_prior: Array) -> KLTerms:
    log_prior = np.asarray(log_prior, np.float64)
    marginal = log_aggregate - log_prior
    return KLTerms(
        kl=float(np.mean(log_posterior - log_prior)),
        marginal_kl=float(marginal.mean()),
        standard_error=float(marginal.std(ddof=1) / math.sqrt(len(marginal))),
    )


def log_aggregate_posterior(z: Doubles, z_mean: Doubles, z_log_var: Doubles) -> Doubles:
    """Return log (1/N) sum_i N(z; z_mean_i, diag(exp(z_log_var_i))) of codes (M, D), shape (M,), in nats.

    Squares are multiplied out into two matrix products, in float64: float32 would lose narrow posteriors.
    """
    total = np.full(len(z), -np.inf)
    squares = z**2
    for start in range(0, len(z_mean), POSTERIORS):
        mean, log_var = z_mean[start : start + POSTERIORS], z_log_var[start : start + POSTERIORS]
        precision = np.exp(-log_var)
        constant = np.sum(mean**2 * precision + log_var + math.log(2 * math.pi), axis=1)
        log_density = -0.5 * (squares @ precision.T - 2 * z @ (mean * precision).T + constant)
        total = np.logaddexp(total, logsumexp(log_density, axis=1))
    return np.asarray(total - math.log(len(z_mean)))


def describe_axes(z_mean: Array, z_log_var: Array, seed: int) -> tuple[Axis, ...]:
    """Describe q(z), the average of the training images' posteriors, (N, D), one latent axis after another.

    Mean, deviation and quantiles are those of one draw of q(z given x) an image.
    """
    kl = objectives.kl_per_axis(z_mean, z_log_var).numpy().mean(axis=0, dtype=np.float64)
    active = latent_axes.is_active(z_mean, kl)
    noise = np.random.default_rng(seed).standard_normal(z_mean.shape, dtype=np.float32)
    z = z_mean + np.exp(z_log_var / 2) * noise
    # A few large images can leave codes anywhere; a walk between quantiles goes as far as a request may.
    quantiles = np.quantile(z.astype(np.float64), QUANTILES, axis=0).clip(-MAX_CODE, MAX_CODE)
    return tuple(
        Axis(
            kl=float(kl[axis]),
            mean=float(z[:, axis].mean(dtype=np.float64)),
            std=float(z[:, axis].std(dtype=np.float64)),
            active=bool(active[axis]),
            quantiles={str(q): float(quantiles[i, axis]) for i, q in enumerate(QUANTILES)},
        )
        for axis in range(z.shape[1])
    )
