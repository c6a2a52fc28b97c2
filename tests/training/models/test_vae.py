import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tests.tiny import model_of  # noqa: E402
from training.determinism import make_deterministic  # noqa: E402
from training.fitting.loop import order_of  # noqa: E402
from training.metrics.bounds import bound_of, log_weights  # noqa: E402
from training.models import vae as vae_module  # noqa: E402
from training.models.likelihoods.registry import REGISTRY  # noqa: E402
from training.models.vae import Sampling, VariationalAutoencoder  # noqa: E402


def test_draws_have_the_posteriors_mean_and_standard_deviation():
    keras.utils.set_random_seed(0)
    z_mean = np.full((20_000, 2), 3.0, np.float32)
    z_log_var = np.full((20_000, 2), 2 * np.log(0.5), np.float32)
    z = Sampling()(z_mean, z_log_var).numpy()
    # Standard errors 0.0025 and 0.0018 over 40,000 numbers; four of each.
    assert abs(z.mean() - 3) < 0.01
    assert abs(z.std() - 0.5) < 0.0072


def test_two_draws_differ_and_the_same_seed_repeats_them():
    def two_draws():
        keras.utils.set_random_seed(5)
        layer = Sampling()
        return [layer(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)).numpy() for _ in range(2)]

    first, second = two_draws()
    assert not np.array_equal(first, second)
    assert np.array_equal([first, second], two_draws())


@pytest.mark.parametrize("objective", ["textbook", "elbo"])
def test_the_reported_loss_is_the_sum_of_its_reported_parts(tiny_config, tiny_dataset, objective):
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": objective}}), (6, 5))
    vae.compile(optimizer="nadam")
    # 128 images in batches of 50: the last batch is smaller, and must weigh less.
    history = vae.fit(tiny_dataset.train, batch_size=50, epochs=1, verbose=0).history
    weight = 1 / 30 if objective == "textbook" else 1
    total = history["reconstruction"][0] + weight * history["kl"][0]
    assert history["loss"][0] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("objective", "k"), [("iwae", 5), ("dreg", 5)])
def test_training_on_a_tighter_bound_lowers_it(tiny_config, tiny_dataset, objective, k):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": objective, "k": k}}), (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    history = vae.fit(
        tiny_dataset.train, validation_data=(tiny_dataset.validation,), batch_size=16, epochs=15, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0] - 0.5
    assert history["val_loss"][-1] == pytest.approx(history["loss"][-1], abs=1.0)
    # -L_k is below the reconstruction error plus KL, which is the negative ELBO.
    assert history["loss"][-1] < history["reconstruction"][-1] + history["kl"][-1]


def test_k_draws_are_decoded_for_every_image(tiny_config, tiny_dataset):
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": "iwae", "k": 7}}), (6, 5))
    outputs = vae(tiny_dataset.test[:3])
    assert outputs["z"].shape == (7, 3, 2)
    assert outputs["decoded"].shape == (7, 3, 6, 5, 1)
    np.testing.assert_allclose(outputs["decoded"][4, 2], vae.decoder(outputs["z"][4])[2], atol=1e-6)


def test_validation_is_measured_on_the_bound_itself_whatever_training_relaxes(tiny_config, tiny_dataset):
    reports = []
    for changes in ({}, {"beta": 0.0, "free_bits": 3.0, "mean_weight": 9.0}):
        keras.utils.set_random_seed(0)
        config = tiny_config.replaced({"objective": {"name": "elbo"} | changes})
        vae = VariationalAutoencoder(config, (6, 5))
        vae.compile(optimizer="nadam")
        reports.append(vae.evaluate(tiny_dataset.validation, verbose=0, return_dict=True))
    assert reports[0] == reports[1]


def test_the_weight_of_kl_rises_in_equal_steps_and_stays(tiny_config):
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": "elbo", "beta": 0.8}}), (6, 5))
    vae.kl_warmup_steps = 5
    weights = [float(vae.kl_weight(step)) for step in range(8)]
    np.testing.assert_allclose(weights, [0, 0.16, 0.32, 0.48, 0.64, 0.8, 0.8, 0.8], rtol=1e-6)


def test_training_weighs_kl_by_the_step_that_it_takes(tiny_config, tiny_dataset):
    # An encoder that has only KL to answer for, as no pixel's error reaches it: its posterior mean moves
    # towards N(0, I) at the second step, and does not at the first, whose weight is zero.
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": "elbo"}}), (6, 5))
    vae.compile(optimizer=keras.optimizers.SGD(0.1))
    vae.decoder.trainable = True
    for variable in vae.decoder.trainable_variables:
        variable.assign(np.zeros(variable.shape, np.float32))
    vae.decoder.trainable = False
    vae.kl_warmup_steps = 1
    encoder = [np.asarray(v) for v in vae.encoder.trainable_variables]
    order = np.arange(16, dtype=np.int32)[None]
    vae.train_steps(tiny_dataset.train, order)
    assert all(np.array_equal(a, b) for a, b in zip(encoder, vae.encoder.trainable_variables, strict=True))
    vae.train_steps(tiny_dataset.train, order)
    assert not all(
        np.array_equal(a, b) for a, b in zip(encoder, vae.encoder.trainable_variables, strict=True)
    )


def test_the_average_of_the_weights_forgets_where_training_began(tiny_config, tiny_dataset):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.999))
    expected = None
    for step in range(6):
        vae.train_steps(tiny_dataset.train, np.arange(16, dtype=np.int32)[None] + step)
        weight = np.asarray(vae.trainable_variables[0])
        momentum = (1 + step) / (10 + step)  # far below 0.999
        expected = weight if expected is None else momentum * expected + (1 - momentum) * weight
    average = vae.optimizer._model_variables_moving_average[0]
    np.testing.assert_allclose(average, expected, rtol=1e-6, atol=1e-7)
    assert vae.optimizer.ema_momentum == 0.999


def gradient_of_everything(vae, images, name, step=0):
    """Return the gradient by each variable, taken through objective and networks at once."""
    with tf.GradientTape(persistent=True) as tape:
        outputs = vae(images, step=step)
        objective, weights = vae._objective(images, outputs, vae.kl_weight(0), True, name)
    if name != "dreg":
        return tape.gradient(objective.loss, vae.trainable_variables)
    by_z = weights[..., None] * tape.gradient(objective.loss, outputs["z"])
    by_encoder = tape.gradient(outputs["z"], vae.encoder.trainable_variables, output_gradients=by_z)
    return [*by_encoder, *tape.gradient(objective.loss, vae.decoder.trainable_variables)]


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": {"name": "textbook"}},
        {"objective": {"name": "elbo", "beta": 0.7, "free_bits": 0.01, "mean_weight": 3.0}},
        {"objective": {"name": "elbo"}, "prior.vamp_components": 3},
        {"objective": {"name": "iwae", "k": 4}},
        {"objective": {"name": "dreg", "k": 4}},
    ],
    ids=["textbook", "elbo", "vamp prior", "iwae", "dreg"],
)
@pytest.mark.parametrize("compiled", [True, False], ids=["whole", "in parts"])
def test_a_step_goes_down_the_gradient_of_the_objective(tiny_config, tiny_dataset, changes, compiled):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config.replaced(changes), (6, 5))
    vae.compile(optimizer=keras.optimizers.SGD(0.01))
    batch = np.arange(16, dtype=np.int32)[None]
    vae.compiles_steps = compiled
    images, state = tf.constant(tiny_dataset.train[:16]), vae.sampling.seed_generator.state
    if compiled:  # XLA's draws, of the same seed, are others
        gradients = tf.function(gradient_of_everything, jit_compile=True)(vae, images, vae.objective.name)
    else:
        drawn = state.numpy()
        gradients = gradient_of_everything(vae, images, vae.objective.name, step=None)
        state.assign(drawn)
    before = [np.asarray(variable) for variable in vae.trainable_variables]
    vae.train_steps(tf.constant(tiny_dataset.train), batch)
    for variable, start, gradient in zip(vae.trainable_variables, before, gradients, strict=True):
        moved = (start - np.asarray(variable)) / 0.01
        # A weight of up to one is rounded to 6e-8, a hundredth of a step: 6e-6 of a gradient, and of sums of
        # products in another order some 1e-5.
        np.testing.assert_allclose(moved, gradient, rtol=1e-3, atol=3e-5, err_msg=variable.path)


def test_validation_is_the_mean_over_the_images_and_repeats(tiny_config, tiny_dataset, monkeypatch):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config.replaced({"objective": {"name": "elbo"}}), (6, 5))
    vae.compile(optimizer="nadam")
    monkeypatch.setattr(vae_module, "VALIDATED_AT_ONCE", 50 * 30)  # three parts of 42 images, and two images
    images = np.concatenate([tiny_dataset.train, tiny_dataset.validation])[:128]
    found = [vae.validate(images, 16) for _ in range(2)]
    assert found[0] == found[1]
    expected = np.zeros(3)
    for number, first in enumerate((0, 42, 84, 126)):
        part = tf.constant(images[first : first + 42])
        outputs = tf.function(vae, jit_compile=True)(part, step=tf.constant(-1 - number))
        objective, _ = vae._objective(part, outputs, tf.constant(1.0), False, "elbo")
        expected += np.array(objective) * len(part) / len(images)
    np.testing.assert_allclose(list(found[0].values()), expected, rtol=1e-5)
    assert list(found[0]) == ["loss", "reconstruction", "kl"]


def test_draws_of_a_step_are_its_own_and_repeat():
    keras.utils.set_random_seed(5)
    layer, zeros = Sampling(), np.zeros((20_000, 2), np.float32)
    draws = [layer(zeros, zeros, step=tf.constant(step)).numpy() for step in (0, 1, 0)]
    assert np.array_equal(draws[0], draws[2])
    # Correlations of 40,000 pairs: a standard error of 0.005, four of it; the deviation's is 0.0035.
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.02
    assert abs(draws[0].mean()) < 0.02
    assert abs(draws[0].std() - 1) < 0.0142


@pytest.mark.parametrize("likelihood", REGISTRY)
def test_every_likelihood_trains(tiny_config, tiny_dataset, likelihood):
    images, shape = tiny_dataset.train, (6, 5)
    if "colour" in likelihood:
        images, shape = np.stack([images, 1 - images, images**2], axis=-1), (6, 5, 3)
    keras.utils.set_random_seed(0)
    wanted = {"variance": 0.5, "components": 2, "hidden_units": 5, "block": 1}
    own = {name: wanted[name] for name in REGISTRY[likelihood].parameters}
    changes = {"likelihood": {"name": likelihood} | own, "objective": {"name": "elbo"}}
    vae = VariationalAutoencoder(tiny_config.replaced(changes), shape)
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    loss = vae.fit(images, batch_size=16, epochs=10, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert loss[-1] < loss[0]


def test_validation_reports_the_same_parts(tiny_config, tiny_dataset):
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer="nadam")
    report = vae.evaluate(tiny_dataset.validation, verbose=0, return_dict=True)
    assert set(report) == {"loss", "reconstruction", "kl"}


def test_training_lowers_the_loss(tiny_config, tiny_dataset):
    keras.utils.set_random_seed(0)
    vae = VariationalAutoencoder(tiny_config, (6, 5))
    vae.compile(optimizer=keras.optimizers.Nadam(0.01))
    loss = vae.fit(tiny_dataset.train, batch_size=16, epochs=20, verbose=0).history["loss"]
    assert loss[-1] < 0.7 * loss[0]


def test_training_a_linear_model_reaches_the_exact_likelihood_of_probabilistic_pca(tiny_config):
    # The maximum of PCA's likelihood is known in closed form (Tipping & Bishop 1999, eq. 8): with the sample
    # covariance's eigenvalues, the noise variance is the mean of those left out.
    pixels, dim = 30, 2
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(pixels, dim)) * [0.25, 0.12]
    x = rng.normal(size=(4096, dim)) @ weights.T + 0.5 + 0.08 * rng.normal(size=(4096, pixels))
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    noise = eigenvalues[dim:].mean()
    log_det = np.log(eigenvalues[:dim]).sum() + (pixels - dim) * np.log(noise)
    exact = -0.5 * (pixels * np.log(2 * np.pi) + log_det + pixels)

    make_deterministic(1)
    linear = {
        "network": {"kind": "dense", "encoder_units": [], "decoder_units": [], "latent_dim": dim},
        "objective": {"name": "elbo"},
    }
    config = tiny_config.replaced({**linear, "likelihood": {"name": "gaussian-shared"}})
    vae = VariationalAutoencoder(config, (6, 5))
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, 120 * 32)))
    images = x.astype(np.float32).reshape(-1, 6, 5)
    given = tf.constant(images)
    for epoch in range(120):
        vae.train_steps(given, order_of(1, epoch, len(images), 128))

    elbo = bound_of(log_weights(model_of(vae), images, 20), 1).mean()
    assert exact - elbo < 0.001 * abs(exact)
    # A bound: above the maximum by the noise of the estimate at most, 82,000 draws with a spread of a nat.
    assert elbo < exact + 4 / np.sqrt(20 * 4096)
