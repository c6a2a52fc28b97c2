"""What training maximises and evaluation reports.

Conventions: sums over features (pixels, latent axes), means over the batch, nats per image. D is the
number of latent axes, q(z given x) = N(z_mean, diag(exp(z_log_var))), p(z) = N(0, I).

Arguments of one name are alike everywhere. ``z`` is one draw of q(z given x) per image, (B, D), and
``log_prob`` is log p(x given z) per pixel at that draw, (B, *image_shape). Of k draws both have an axis of k
before the others. ``z_mean`` and ``z_log_var`` are (B, D).
"""

import math
from typing import NamedTuple

import tensorflow as tf

from training.models.likelihoods.base import sum_over_image
from training.types import Tensor


class Objective(NamedTuple):
    """A loss and the parts it is made of, each averaged over the batch."""

    loss: Tensor  # scalar: what the optimizer minimises
    reconstruction: Tensor  # scalar: squared error per pixel (textbook) or nats per image (elbo)
    kl: Tensor  # scalar: KL(q(z given x) || p(z)) in nats per image


def kl_per_axis(z_mean: Tensor, z_log_var: Tensor) -> Tensor:
    """Return KL(q(z given x) || N(0, I)) of each latent axis in nats, (B, D).

    1/2 (exp(z_log_var) + z_mean^2 - 1 - z_log_var); Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (tf.exp(z_log_var) + tf.square(z_mean) - 1.0 - z_log_var)


def mean_kl(z_mean: Tensor, z_log_var: Tensor) -> Tensor:
    """Return KL(q(z given x) || N(0, I)) in nats per image, a scalar."""
    return tf.reduce_mean(tf.reduce_sum(kl_per_axis(z_mean, z_log_var), axis=1))


def textbook(images: Tensor, reconstruction: Tensor, z_mean: Tensor, z_log_var: Tensor) -> Objective:
    """Return mean squared error over pixels + mean over the batch of KL / pixels.

    `reconstruction` is decoded from one draw per image. The loss is (SSE + KL) / pixels, and
    pixels * loss + pixels / 2 * log(pi) the negative ELBO, in nats per image, of a Gaussian p(x given z) with
    variance 1/2.
    """
    pixels = math.prod(images.shape[1:])
    squared_error = tf.reduce_mean(tf.math.squared_difference(images, reconstruction))
    kl = mean_kl(z_mean, z_log_var)
    return Objective(squared_error + kl / pixels, squared_error, kl)


def negative_elbo(
    log_prob: Tensor, z_mean: Tensor, z_log_var: Tensor, beta: Tensor = 1.0, free_bits: float = 0.0
) -> Objective:
    """Return -E_q[log p(x given z)] + beta * KL(q(z given x) || p(z)) in nats per image.

    With beta 1 and no free bits the loss is the negative ELBO. Any other value gives a loss that bounds
    nothing, for training only; the parts are reported as they are in either case. `beta` is the weight of KL
    (Higgins et al. 2017), below 1 while it is warmed up. `free_bits` are nats that each axis may carry on
    average over the batch before it costs anything, so that no axis is given up early (Kingma et al. 2016).
    """
    reconstruction = -tf.reduce_mean(sum_over_image(log_prob))
    per_axis = tf.reduce_mean(kl_per_axis(z_mean, z_log_var), axis=0)
    charged = tf.reduce_sum(tf.maximum(per_axis, free_bits))
    return Objective(reconstruction + beta * charged, reconstruction, tf.reduce_sum(per_axis))


def negative_elbo_by_draws(
    log_prob: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor, log_prior: Tensor, beta: Tensor = 1.0
) -> Objective:
    """Return -E_q[log p(x given z) + beta (log p(z) - log q(z given x))] in nats per image, at the draws.

    For a prior whose KL has no closed form: `log_prior` is log p(z) of the draws, (B,). With beta 1 it is the
    negative ELBO.
    """
    reconstruction = -tf.reduce_mean(sum_over_image(log_prob))
    kl = tf.reduce_mean(log_normal(z, z_mean, z_log_var) - log_prior)
    return Objective(reconstruction + beta * kl, reconstruction, kl)


def negative_importance_weighted_bound(
    log_prob: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor
) -> Objective:
    """Return -L_k in nats per image of k draws, with its plain gradient (Burda et al. 2016)."""
    per_draw = sum_over_image(log_prob, axes_before=2)
    bound = importance_weighted_bound(log_weights(per_draw, z, z_mean, z_log_var))
    return Objective(-tf.reduce_mean(bound), -tf.reduce_mean(per_draw), mean_kl(z_mean, z_log_var))


def doubly_reparameterised(
    log_prob: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor
) -> tuple[Objective, Tensor]:
    """Return -L_k and the draws' normalised weights, which give the DReG gradient (Tucker et al. 2019).

    The loss is sum_i w_i log p(x, z_i) / q(z_i given x) with the weights w and the parameters of q held
    constant. Its gradient by the decoder is that of -L_k. For the encoder, the gradient that reaches z_i is
    to be multiplied by w_i once more before it goes on: sum_i w_i^2 d log p(x, z_i) / q(z_i given x) / d z_i,
    whose signal does not drown in noise as k grows.

    Returns:
        The objective, whose ``loss`` has the value of -L_k, and w, (k, B), constant.
    """
    per_draw = sum_over_image(log_prob, axes_before=2)
    log_w = log_weights(per_draw, z, tf.stop_gradient(z_mean), tf.stop_gradient(z_log_var))
    weights = tf.stop_gradient(tf.nn.softmax(log_w, axis=0))
    weighted = -tf.reduce_mean(tf.reduce_sum(weights * log_w, axis=0))
    value = -tf.reduce_mean(importance_weighted_bound(log_w))
    loss = weighted + tf.stop_gradient(value - weighted)  # the gradient of the one, the value of the other
    return Objective(loss, -tf.reduce_mean(per_draw), mean_kl(z_mean, z_log_var)), weights


def log_normal(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Return log N(z; mean, diag(exp(log_var))) in nats, summed over the last axis."""
    quadratic = tf.math.squared_difference(z, mean) * tf.exp(-log_var)
    return -0.5 * tf.reduce_sum(quadratic + log_var + math.log(2 * math.pi), axis=-1)


def log_weights(
    log_prob: Tensor, z: Tensor, z_mean: Tensor, z_log_var: Tensor, log_prior: Tensor = None
) -> Tensor:
    """Return log p(x, z_i) / q(z_i given x) in nats, one number for each draw, of shape S.

    `log_prob` is summed over pixels, (*S), `z` is (*S, D), to which the posterior broadcasts. `log_prior` is
    log p(z), (*S); None: that of N(0, I).
    """
    if log_prior is None:
        zeros = tf.zeros_like(z)
        log_prior = log_normal(z, zeros, zeros)
    return log_prob + log_prior - log_normal(z, z_mean, z_log_var)


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """Return an estimate of L_k = E[log (1/k) sum_i p(x, z_i) / q(z_i given x)] in nats, (B,), of (k, B).

    L_1 is the ELBO; in expectation L_k never decreases with k and stays below log p(x). Burda, Grosse &
    Salakhutdinov 2016.
    """
    return tf.reduce_logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
