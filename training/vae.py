"""The model that is trained: an encoder and a decoder joined by the reparameterised draw."""

from typing import Any

import keras

from training import likelihoods, networks, objectives
from training.config import Config

Tensor = Any  # tf.Tensor; TensorFlow publishes no types


class Sampling(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Draws z = z_mean + exp(z_log_var / 2) * epsilon, epsilon ~ N(0, I); Kingma & Welling 2014, eq. 10.

    The stream of epsilon is the layer's own: its seed is drawn when the layer is built, from the generator
    that ``keras.utils.set_random_seed`` seeds, so it repeats with the run and is not that of the weights.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, z_mean: Tensor, z_log_var: Tensor) -> Tensor:
        """Return z, (B, D); a new draw at every call."""
        epsilon = keras.random.normal(keras.ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + keras.ops.exp(z_log_var / 2) * epsilon


class VariationalAutoencoder(keras.Model):  # type: ignore[misc]  # Keras publishes no types
    """A VAE for ``fit``: give it images alone, they are input and target.

    Reports ``loss``, ``reconstruction`` and ``kl`` (see ``objectives.Objective``) for training and
    validation alike.

    Args:
        config: the experiment.
        image_shape: (H, W).
    """

    def __init__(self, config: Config, image_shape: tuple[int, ...]) -> None:
        super().__init__(name="vae")
        self.encoder = networks.dense_encoder(image_shape, config.encoder_units, config.latent_dim)
        self.likelihood = likelihoods.from_config(
            config.likelihood, config.likelihood_variance, config.likelihood_components
        )
        self.decoder = networks.dense_decoder(
            config.latent_dim,
            config.decoder_units,
            image_shape,
            self.likelihood.num_parameters,
            self.likelihood.num_shared,
        )
        self.sampling = Sampling()
        self.objective = config.objective
        self.reconstruction_tracker = keras.metrics.Mean("reconstruction")
        self.kl_tracker = keras.metrics.Mean("kl")

    def call(self, images: Tensor) -> dict[str, Tensor]:
        """Encode, draw once from q(z given x), decode.

        Returns:
            ``z_mean`` and ``z_log_var``, (B, D), and ``decoded``, (B, H, W, P), the decoder's raw output.
        """
        z_mean, z_log_var = self.encoder(images)
        decoded = self.decoder(self.sampling(z_mean, z_log_var))
        return {"z_mean": z_mean, "z_log_var": z_log_var, "decoded": decoded}

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,  # noqa: ARG002  Keras' signature
        y_pred: Any = None,
        sample_weight: Tensor = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Tensor:
        """Return the scalar to minimise, and note its parts for the progress display."""
        z_mean, z_log_var = y_pred["z_mean"], y_pred["z_log_var"]
        if self.objective == "textbook":
            objective = objectives.textbook(x, self.likelihood.mean(y_pred["decoded"]), z_mean, z_log_var)
        else:
            log_prob = self.likelihood.log_prob(x, y_pred["decoded"])
            objective = objectives.negative_elbo(log_prob, z_mean, z_log_var)
        batch_size = keras.ops.shape(x)[0]  # so that a smaller last batch weighs less
        self.reconstruction_tracker.update_state(objective.reconstruction, sample_weight=batch_size)
        self.kl_tracker.update_state(objective.kl, sample_weight=batch_size)
        return objective.loss
