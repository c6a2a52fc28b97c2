"""The model that is trained: an encoder and a decoder joined by the reparameterised draw."""

import functools
import hashlib
import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.configs.schema import Config
from training.models import networks, objectives
from training.models.augmentation import augmented
from training.models.likelihoods import registry
from training.models.likelihoods.base import sum_over_image
from training.models.parts import Part, Together
from training.models.vamp import VampPrior
from training.types import Array, Tensor

STEPS_A_CALL = 256  # at most
# Nothing here needs Python's statements to be rewritten, which takes a second before the first step.
traced = functools.partial(tf.function, autograph=False)
VALIDATED_AT_ONCE = 2**20  # values of images and draws, about; enough to keep the processor busy


class Sampling(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Draws z = z_mean + exp(z_log_var / 2) * epsilon, epsilon ~ N(0, I); Kingma & Welling 2014, eq. 10.

    The stream of epsilon is the layer's own: its seed is drawn when the layer is built, from the generator
    that ``keras.utils.set_random_seed`` seeds, so it repeats with the run and is not that of the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator()

    def call(
        self,
        z_mean: Tensor,
        z_log_var: Tensor,
        k: int = 1,
        step: Tensor | None = None,
        part: Part | None = None,
    ) -> Tensor:
        """Return z, (B, D), or (k, B, D) for k draws of each, k above one.

        The draw of a `step` is a pure function of the layer's seed and the step; XLA's differs from
        TensorFlow's. Without a step every call draws anew. A `part` of a batch has the draws that its images
        have in the whole batch.
        """
        shape = keras.ops.shape(z_mean) if part is None else (part.whole, z_mean.shape[-1])
        shape = shape if k == 1 else (k, *shape)
        if step is None:
            epsilon = keras.random.normal(shape, seed=self.seed_generator)
        else:
            seed = self.seed_generator.state.value[0]
            pair = tf.stack([seed, tf.cast(step, seed.dtype)])
            epsilon = tf.random.stateless_normal(shape, pair, alg="philox")
        if part is not None:
            epsilon = epsilon[..., part.images, :]
        return z_mean + keras.ops.exp(z_log_var / 2) * epsilon


class VariationalAutoencoder(keras.Model):  # type: ignore[misc]  # Keras publishes no types
    """A VAE that ``fitting.loop`` trains: images are input and target.

    Reports ``loss``, ``reconstruction`` and ``kl`` (see ``objectives.Objective``) for training and
    validation alike.

    Args:
        config: the experiment.
        image_shape: (H, W) or (H, W, C).

    Attributes:
        workers: those that train it together, each a part of every batch; None: this process alone.

    Raises:
        ConfigError: the networks cannot be built for images of this shape.
    """

    def __init__(self, config: Config, image_shape: tuple[int, ...]) -> None:
        super().__init__(name="vae")
        self.likelihood = registry.build(config.likelihood.name, **config.likelihood.parameters)
        self.encoder, self.decoder = networks.build(config.network, image_shape, self.likelihood)
        self.sampling = Sampling()
        pseudo_images = config.prior.vamp_components
        self.vamp = VampPrior(pseudo_images, image_shape) if pseudo_images else None
        self.objective = config.objective
        self.augmentation, self.seed = config.augmentation, config.seed
        self.kl_warmup_steps = 0
        self.workers: Together | None = None
        # Some thirty passes over memory become one: what follows the networks, and the gradients, costs as
        # much as they do if it is not compiled. Convolutions themselves lose by XLA. Products of small
        # matrices do not, and between them a step spends as much time on starting operations as on computing:
        # then many steps are one program.
        self.compiles_steps = config.network.kind == "dense"
        self._compiled_objective = traced(self._objective, jit_compile=True)
        self._compiled_part = traced(self._differentiated, jit_compile=True)
        self._compiled_gradients = traced(self._gradients, jit_compile=True)
        self._compiled_update = traced(self._update, jit_compile=True)
        self.reconstruction_tracker = keras.metrics.Mean("reconstruction")
        self.kl_tracker = keras.metrics.Mean("kl")

    def call(
        self, images: Tensor, k: int | None = None, step: Tensor | None = None, part: Part | None = None
    ) -> dict[str, Tensor]:
        """Encode, draw from q(z given x), decode: k draws for each image, if given, else the objective's k.

        Returns:
            ``z_mean`` and ``z_log_var``, (B, D); ``z``, (B, D), and ``decoded``, (B, H, W, P), the decoder's
            raw output. The last two have an axis of k before the others if k is above one. With a VampPrior
            also ``log_prior``, (B,), log p(z).
        """
        z_mean, z_log_var = self.encoder(images)
        k = self.objective.k if k is None else k
        z = self.sampling(z_mean, z_log_var, k=k, step=step, part=part)
        decoded = self.decoder(keras.ops.reshape(z, (-1, z.shape[-1])))
        if len(z.shape) == 3:
            batch = keras.ops.shape(z)[1]
            decoded = keras.ops.reshape(decoded, (z.shape[0], batch, *decoded.shape[1:]))
        outputs = {"z_mean": z_mean, "z_log_var": z_log_var, "z": z, "decoded": decoded}
        if self.vamp is not None:
            outputs["log_prior"] = self.vamp(z, *self.encoder(self.vamp.pseudo_images()))
        return outputs

    def kl_weight(self, step: Tensor) -> Tensor:
        """Return the weight of KL at a training step, counted from 0: it rises in equal steps to beta."""
        if not self.kl_warmup_steps:
            return tf.constant(self.objective.beta, tf.float32)
        return self.objective.beta * tf.minimum(1.0, tf.cast(step, tf.float32) / self.kl_warmup_steps)

    def compute_loss(self, x: Tensor, _y: Tensor, y_pred: dict[str, Tensor], *_: Tensor) -> Tensor:
        """Return the bound itself for validation, and note its parts: beta 1, and nothing that relaxes it."""
        bound, _ = self._compiled_objective(x, y_pred, tf.constant(1.0), False, self.objective.name)
        return self._note(bound, keras.ops.shape(x)[0])

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """Take one step of Keras' ``fit``."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self._take_steps(images, tf.range(tf.shape(images)[0])[None], tf.constant(1), False)
        return self.get_metrics_result()  # type: ignore[no-any-return]

    def _step(self, images: Tensor, name: str, k: int, part: Part | None) -> None:
        """Take one step with images as they are; by the gradient of the whole batch, if they are a part."""
        # XLA's programs hold no exchange between processes: the work of each is one, before and after it.
        compiles = part is not None and self.compiles_steps
        objective, gradients = (self._compiled_part if compiles else self._differentiated)(
            images, name, k, part
        )
        batch_size = tf.shape(images)[0]
        if part is not None and self.workers is not None:
            objective, gradients = self._of_all(objective, gradients, part, self.workers)
            batch_size = tf.constant(part.whole)
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        self._compiled_update(gradients)
        noted = keras.ops.shape(images)[0] if part is None else part.whole
        self._loss_tracker.update_state(self._note(objective, noted), sample_weight=batch_size)

    def _differentiated(
        self, images: Tensor, name: str, k: int, part: Part | None
    ) -> tuple[objectives.Objective, list[Tensor]]:
        """Return the objective and its gradients: the doubly reparameterised ones of ``dreg``.

        Of images that are changed by chance first: here, as XLA draws other numbers than TensorFlow.
        """
        taken = self.optimizer.iterations.value
        seed = tf.stack([tf.constant(self.seed, tf.int64), taken])
        images = augmented(images, self.augmentation, seed, part)
        with tf.GradientTape(persistent=name == "dreg") as tape:
            step = taken if self.compiles_steps else None
            outputs = self(images, k=k, step=step, part=part, training=True)
        objective, by_output, weights, by_own = self._compiled_gradients(
            images, outputs, self.kl_weight(taken), name
        )
        if name == "dreg":
            decoder, encoder = self.decoder.trainable_variables, self.encoder.trainable_variables
            z, decoded, by_decoded = outputs["z"], outputs["decoded"], by_output["decoded"]
            by_decoder = tape.gradient(decoded, decoder, output_gradients=by_decoded)
            by_z = by_output["z"] + tape.gradient(decoded, z, output_gradients=by_decoded)
            by_encoder = tape.gradient(z, encoder, output_gradients=weights[..., None] * by_z)
            gradients = [*by_encoder, *by_decoder]
        else:
            gradients = tape.gradient(outputs, self.trainable_variables, output_gradients=by_output)
        own = {id(variable): by for variable, by in zip(self._likelihood_variables, by_own, strict=True)}
        pairs = zip(self.trainable_variables, gradients, strict=True)
        return objective, [own.get(id(variable), gradient) for variable, gradient in pairs]

    def _of_all(
        self, objective: objectives.Objective, gradients: list[Tensor], part: Part, workers: Together
    ) -> tuple[objectives.Objective, list[Tensor]]:
        """Return the objective and the gradients of a whole batch, of which this worker has those of a part.

        All are means over images, so the whole's are those of the parts, weighted by their sizes.
        """
        mine = [*gradients, *objective]
        flat = tf.concat([tf.reshape(each, (-1,)) for each in mine], 0) * (part.size / part.whole)
        total = workers.total(flat)  # one exchange a step
        pieces = tf.split(total, [math.prod(each.shape) for each in mine])
        whole = [tf.reshape(piece, each.shape) for piece, each in zip(pieces, mine, strict=True)]
        return objectives.Objective(*whole[len(gradients) :]), whole[: len(gradients)]

    def _gradients(
        self, images: Tensor, outputs: dict[str, Tensor], beta: Tensor, name: str
    ) -> tuple[objectives.Objective, dict[str, Tensor], Tensor, list[Tensor]]:
        """Return the objective `name` in training, its gradient by each output, and ``dreg``'s weights.

        Then its gradients by the likelihood's own weights, which no network's output depends on.
        """
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            objective, weights = self._objective(images, outputs, beta, True, name)
        own = [variable.value for variable in self._likelihood_variables]
        by_output, by_own = tape.gradient(
            objective.loss, (outputs, own), unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return objective, by_output, weights, by_own

    @property
    def _likelihood_variables(self) -> list[keras.Variable]:
        network = self.likelihood.network
        return [] if network is None else network.trainable_variables

    def train_steps(self, images: Tensor, order: npt.NDArray[np.int32], final_phase: bool = False) -> None:
        """Take one step for each row of `order`, many in one call: calls can cost as much as steps.

        The rows, (steps, B), say which of the images each step takes. Steps of a final phase have its
        objective and its draws; the optimizer goes on as it is.
        """
        for first in range(0, len(order), STEPS_A_CALL):
            part = order[first : first + STEPS_A_CALL]
            # One shape for any number of steps, as compiling takes seconds.
            padded = np.zeros((STEPS_A_CALL, order.shape[1]), np.int32)
            padded[: len(part)] = part
            self._take_steps(images, tf.constant(padded), tf.constant(len(part)), final_phase)

    @functools.cached_property
    def _take_steps(self) -> Any:
        alone = self.workers is None
        return traced(self._take, jit_compile=(self.compiles_steps and alone) or None)

    def _take(self, images: Tensor, order: Tensor, steps: Tensor, final_phase: bool) -> None:
        phase = (self.objective.final_phase if final_phase else None) or self.objective
        rows = tf.reshape(images, (-1, math.prod(images.shape[1:])))  # XLA gathers these in half the time
        part = None if self.workers is None else self.workers.part(order.shape[1])
        if part is not None:
            order = order[:, part.images]

        def take_one(step: Tensor) -> tuple[Tensor]:
            batch = tf.reshape(tf.gather(rows, order[step]), (-1, *images.shape[1:]))
            self._step(batch, phase.name, phase.k, part)
            return (step + 1,)

        # Of tf.range XLA would compile another program for every number of steps.
        tf.while_loop(lambda step: step < steps, take_one, (tf.constant(0),))

    def validate(self, images: Array, batch_size: int) -> dict[str, float]:
        """Return the bound of images of the validation split, (N, *image_shape), and its parts.

        Networks that are not compiled take `batch_size` of them at a time. See ``compute_loss``.
        """
        if self.compiles_steps:
            self.reset_metrics()
            parts = math.ceil(images.size * self.objective.k / VALIDATED_AT_ONCE)
            size = max(1, len(images) // parts)
            whole = len(images) - len(images) % size
            self._validate(images[:whole].reshape(-1, size, *images.shape[1:]), tf.constant(0))
            if whole < len(images):
                self._validate(images[None, whole:], tf.constant(whole // size))
            found = self.get_metrics_result()
        else:
            found = self.evaluate(images, batch_size=batch_size, verbose=0, return_dict=True)
        return {name: float(value) for name, value in found.items()}

    @traced(jit_compile=True)  # type: ignore[untyped-decorator]
    def _validate(self, batches: Tensor, first: Tensor) -> None:
        def measure(number: Tensor) -> tuple[Tensor]:
            images = batches[number]
            # Draws that no step of training has, and the same after every epoch.
            loss = self.compute_loss(images, None, self(images, step=-1 - first - number))
            self._loss_tracker.update_state(loss, sample_weight=keras.ops.shape(images)[0])
            return (number + 1,)

        tf.while_loop(lambda number: number < tf.shape(batches)[0], measure, (tf.constant(0),))

    def _objective(
        self, images: Tensor, outputs: dict[str, Tensor], beta: Tensor, training: bool, name: str
    ) -> tuple[objectives.Objective, Tensor]:
        """Return the objective `name`, and of ``dreg`` in training the draws' weights, of others nothing."""
        decoded, z_mean, z_log_var = outputs["decoded"], outputs["z_mean"], outputs["z_log_var"]
        nothing = tf.zeros(())
        if name == "textbook":
            return objectives.textbook(images, self.likelihood.mean(decoded), z_mean, z_log_var), nothing
        if name == "elbo":
            log_prob = self.likelihood.log_prob(images, decoded)
            if self.vamp is not None:
                elbo = objectives.negative_elbo_by_draws(
                    log_prob, outputs["z"], z_mean, z_log_var, outputs["log_prior"], beta
                )
            else:
                free_bits = self.objective.free_bits if training else 0.0
                elbo = objectives.negative_elbo(log_prob, z_mean, z_log_var, beta, free_bits)
            if training and self.objective.mean_weight:
                squared = sum_over_image(tf.math.squared_difference(images, self.likelihood.mean(decoded)))
                weighted = self.objective.mean_weight * tf.reduce_mean(squared)
                elbo = elbo._replace(loss=elbo.loss + weighted)
            return elbo, nothing
        log_prob = self.likelihood.log_prob(images[None], decoded)
        if training and name == "dreg":
            return objectives.doubly_reparameterised(log_prob, outputs["z"], z_mean, z_log_var)
        bound = objectives.negative_importance_weighted_bound(log_prob, outputs["z"], z_mean, z_log_var)
        return bound, nothing

    def _update(self, gradients: list[Tensor]) -> None:
        optimizer, momentum = self.optimizer, self.optimizer.ema_momentum
        if optimizer.use_ema:
            # Keras' average would hold on to the first weights for a thousand steps. After t steps this one
            # has forgotten all but the last t / 9 or so; the rule is that of TensorFlow's own averages.
            step = tf.cast(optimizer.iterations.value, tf.float32)
            optimizer.ema_momentum = tf.minimum(momentum, (1.0 + step) / (10.0 + step))
        optimizer.apply(gradients, self.trainable_variables)
        optimizer.ema_momentum = momentum

    def _note(self, objective: objectives.Objective, batch_size: Tensor) -> Tensor:
        # By the number of its images, so that a smaller last batch weighs less.
        self.reconstruction_tracker.update_state(objective.reconstruction, sample_weight=batch_size)
        self.kl_tracker.update_state(objective.kl, sample_weight=batch_size)
        return objective.loss


def weights_sha256(vae: VariationalAutoencoder) -> str:
    """Return one SHA-256 over the encoder's and the decoder's weights, as little-endian float32."""
    digest = hashlib.sha256()
    for network in (vae.encoder, vae.decoder):
        for variable in network.weights:
            digest.update(keras.ops.convert_to_numpy(variable).astype("<f4").tobytes())
    return digest.hexdigest()
