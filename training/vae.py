"""The model that is trained: an encoder and a decoder joined by the reparameterised draw."""

import math
from typing import Any

import keras
import tensorflow as tf

from training import likelihoods, networks, objectives
from training.config import Config

Tensor = Any  # tf.Tensor; TensorFlow publishes no types


class Sampling(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Draws z = z_mean + exp(z_log_var / 2) * epsilon, epsilon ~ N(0, I); Kingma & Welling 2014, eq. 10.

    The stream of epsilon is the layer's own: its seed is drawn when the layer is built, from the generator
    that ``keras.utils.set_random_seed`` seeds, so it repeats with the run and is not that of the weights.

    Args:
        k: draws for each image.
    """

    def __init__(self, k: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, z_mean: Tensor, z_log_var: Tensor) -> Tensor:
        """Return z, (B, D), or (k, B, D) for k above one; a new draw at every call."""
        shape = keras.ops.shape(z_mean)
        epsilon = keras.random.normal(shape if self.k == 1 else (self.k, *shape), seed=self.seed_generator)
        return z_mean + keras.ops.exp(z_log_var / 2) * epsilon


class VampPrior(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """p(z) = 1/K sum_k q(z given u_k), with learned pseudo-images u_k; Tomczak & Welling 2018.

    The best prior for given posteriors is their average over the data; this is its cheapest likeness: the
    average over K images that are learned with the weights.

    Args:
        components: K.
        image_shape: (H, W) or (H, W, C).
    """

    def __init__(self, components: int, image_shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.components = components
        self.logits = self.add_weight(
            shape=(components, *image_shape), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )

    def pseudo_images(self) -> Tensor:
        """Return u, (K, *image_shape) in (0, 1)."""
        return keras.ops.sigmoid(self.logits)

    def call(self, z: Tensor, z_mean: Tensor, z_log_var: Tensor) -> Tensor:
        """Return log p(z) of codes (B, D), (B,), given the posteriors of the pseudo-images, (K, D) each."""
        log_probs = objectives.log_normal(z[:, None], z_mean, z_log_var)
        return keras.ops.logsumexp(log_probs, axis=1) - math.log(self.components)


def build_networks(
    config: Config, image_shape: tuple[int, ...], likelihood: likelihoods.Likelihood
) -> tuple[keras.Model, keras.Model]:
    """Return the encoder and the decoder that a configuration describes.

    Raises:
        ConfigError: they cannot be built for images of this shape.
    """
    latent_dim, inwards, blocks = config.latent_dim, config.channels, config.residual_blocks
    sizes = (config.encoder_units, latent_dim)
    outwards, number = inwards[::-1], (likelihood.num_parameters, likelihood.num_shared)
    decoder = (latent_dim, config.decoder_units)
    match config.network:
        case "conv":
            return (
                networks.conv_encoder(image_shape, inwards, *sizes),
                networks.conv_decoder(*decoder, outwards, image_shape, *number),
            )
        case "residual":
            return (
                networks.residual_encoder(image_shape, inwards, blocks, *sizes),
                networks.residual_decoder(*decoder, outwards, blocks, image_shape, *number),
            )
        case "spatial":
            maps = config.spatial_channels
            return (
                networks.spatial_encoder(image_shape, inwards, blocks, *sizes, maps),
                networks.spatial_decoder(*decoder, outwards, blocks, image_shape, maps, *number),
            )
        case _:
            return (
                networks.dense_encoder(image_shape, *sizes),
                networks.dense_decoder(*decoder, image_shape, *number),
            )


class VariationalAutoencoder(keras.Model):  # type: ignore[misc]  # Keras publishes no types
    """A VAE for ``fit``: give it images alone, they are input and target.

    Reports ``loss``, ``reconstruction`` and ``kl`` (see ``objectives.Objective``) for training and
    validation alike.

    Args:
        config: the experiment.
        image_shape: (H, W) or (H, W, C).

    Raises:
        ConfigError: the networks cannot be built for images of this shape.
    """

    def __init__(self, config: Config, image_shape: tuple[int, ...]) -> None:
        super().__init__(name="vae")
        self.likelihood = likelihoods.from_config(
            config.likelihood, config.likelihood_variance, config.likelihood_components
        )
        self.encoder, self.decoder = build_networks(config, image_shape, self.likelihood)
        self.sampling = Sampling(config.k)
        self.vamp = VampPrior(config.vamp_components, image_shape) if config.vamp_components else None
        self.objective = config.objective
        self.free_bits = config.free_bits
        self.mean_weight = config.mean_weight
        # Changed by KLWarmUp while training; a variable, so that the compiled step sees the change.
        self.beta = keras.Variable(config.beta, trainable=False, name="beta")
        self.reconstruction_tracker = keras.metrics.Mean("reconstruction")
        self.kl_tracker = keras.metrics.Mean("kl")

    def call(self, images: Tensor) -> dict[str, Tensor]:
        """Encode, draw from q(z given x), decode.

        Returns:
            ``z_mean`` and ``z_log_var``, (B, D); ``z``, (B, D), and ``decoded``, (B, H, W, P), the decoder's
            raw output. The last two have an axis of k before the others if k is above one. With a VampPrior
            also ``log_prior``, (B,), log p(z).
        """
        z_mean, z_log_var = self.encoder(images)
        z = self.sampling(z_mean, z_log_var)
        decoded = self.decoder(keras.ops.reshape(z, (-1, z.shape[-1])))
        if len(z.shape) == 3:
            batch = keras.ops.shape(z)[1]
            decoded = keras.ops.reshape(decoded, (z.shape[0], batch, *decoded.shape[1:]))
        outputs = {"z_mean": z_mean, "z_log_var": z_log_var, "z": z, "decoded": decoded}
        if self.vamp is not None:
            outputs["log_prior"] = self.vamp(z, *self.encoder(self.vamp.pseudo_images()))
        return outputs

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,  # noqa: ARG002  Keras' signature
        y_pred: Any = None,
        sample_weight: Tensor = None,  # noqa: ARG002
        training: bool = True,
    ) -> Tensor:
        """Return the scalar to minimise, and note its parts for the progress display.

        For validation it is the bound itself: beta 1, no free bits, no weight on the mean image.
        """
        z_mean, z_log_var = y_pred["z_mean"], y_pred["z_log_var"]
        if self.objective == "textbook":
            objective = objectives.textbook(x, self.likelihood.mean(y_pred["decoded"]), z_mean, z_log_var)
        elif self.objective == "elbo":
            log_prob = self.likelihood.log_prob(x, y_pred["decoded"])
            if self.vamp is not None:
                beta = self.beta if training else 1.0
                objective = objectives.negative_elbo_by_draws(
                    log_prob, y_pred["z"], z_mean, z_log_var, y_pred["log_prior"], beta
                )
            else:
                relaxed = {"beta": self.beta, "free_bits": self.free_bits} if training else {}
                objective = objectives.negative_elbo(log_prob, z_mean, z_log_var, **relaxed)
            if training and self.mean_weight:
                squared = objectives.squared_error(x, self.likelihood.mean(y_pred["decoded"]))
                objective = objective._replace(loss=objective.loss + self.mean_weight * squared)
        else:
            log_prob = self.likelihood.log_prob(x[None], y_pred["decoded"])
            objective = objectives.negative_importance_weighted_bound(
                log_prob, y_pred["z"], z_mean, z_log_var
            )
        return self._note(objective, x)

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Take one step; with the doubly reparameterised gradients where they are asked for."""
        if self.objective != "dreg":
            return super().train_step(data)  # type: ignore[no-any-return]
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            outputs = self(images, training=True)
            log_prob = self.likelihood.log_prob(images[None], outputs["decoded"])
            objective, weights = objectives.doubly_reparameterised(
                log_prob, outputs["z"], outputs["z_mean"], outputs["z_log_var"]
            )
        decoder, encoder = self.decoder.trainable_variables, self.encoder.trainable_variables
        by_decoder = tape.gradient(objective.loss, decoder)
        by_z = tape.gradient(objective.loss, outputs["z"])
        by_encoder = tape.gradient(outputs["z"], encoder, output_gradients=weights[..., None] * by_z)
        self.optimizer.apply_gradients(zip([*by_encoder, *by_decoder], [*encoder, *decoder], strict=True))
        loss = self._note(objective, images)
        self._loss_tracker.update_state(loss, sample_weight=keras.ops.shape(images)[0])
        return self.get_metrics_result()  # type: ignore[no-any-return]

    def _note(self, objective: objectives.Objective, images: Tensor) -> Tensor:
        batch_size = keras.ops.shape(images)[0]  # so that a smaller last batch weighs less
        self.reconstruction_tracker.update_state(objective.reconstruction, sample_weight=batch_size)
        self.kl_tracker.update_state(objective.kl, sample_weight=batch_size)
        return objective.loss


class KLWarmUp(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Raises the weight of KL from 0 to beta, a little at every batch, and then leaves it there.

    Args:
        beta: where the weight ends.
        num_batches: over how many batches.
    """

    def __init__(self, beta: float, num_batches: int) -> None:
        super().__init__()
        self.final = beta
        self.num_batches = num_batches
        self.seen = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002  Keras' signature
        """Set the weight for the batch to come."""
        self.model.beta.assign(self.final * min(1.0, self.seen / max(1, self.num_batches)))
        self.seen += 1
